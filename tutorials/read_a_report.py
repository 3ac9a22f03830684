# %% [markdown]
# # Read a report
#
# A sweep leaves a folder: `index.html` is [the report](../results/matrix-sensing), `summary.json`
# has every number in it, and `runs.parquet` has one row a run. Here is how to read the two files,
# on the committed sweep of matrix sensing (in a checkout of flatfast, which has it).

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq

folder = next(p for p in (Path("results"), Path("../results")) if p.is_dir()) / "matrix-sensing"
summary = json.loads((folder / "summary.json").read_text())
exponent, C = summary["exponent"], summary["best_C"]
print(f"exponent {exponent['estimate']:.3f} ({exponent['low']:.3f} to {exponent['high']:.3f})")
print(f"C        {C['estimate']:.4f} ({C['low']:.4f} to {C['high']:.4f})")

# %% [markdown]
# Intervals are of 95%, and here 2/3 lies just outside of it: the sweep is that exact, and the law's
# first correction is seen ([where the law holds](../docs/findings.md)). The rows: a run that did
# not arrive has no `convergence_step`.

# %%
runs = pq.read_table(folder / "runs.parquet")
print(runs.column_names)
rows = {name: runs[name].to_numpy(zero_copy_only=False) for name in runs.column_names}
grid = rows["method"] == "grid"  # the others are the compared methods
print(f"{grid.sum()} runs of the sweep, {np.mean(rows['status'][grid] == 'converged'):.0%} arrived")

# %% [markdown]
# The curves behind the exponent: median steps to the goal against momentum, a curve a learning
# rate. Best momenta are those of the summary; they lie at the bottom of each curve.

# %%
figure, axis = plt.subplots()
for lr, best, time in zip(summary["etas"], summary["best_mu"], summary["best_time"], strict=True):
    here = grid & np.isclose(rows["lr"], lr)
    mu = np.unique(1 - rows["momentum"][here].round(9))
    steps = np.nan_to_num(rows["convergence_step"], nan=np.inf)
    median = [np.median(steps[here & np.isclose(1 - rows["momentum"], m)]) for m in mu]
    (line,) = axis.loglog(mu, median, label=f"{lr:g}")
    axis.plot(best["estimate"], time["estimate"], "o", color=line.get_color())
axis.set(xlabel="1 - momentum", ylabel="steps to the goal")
axis.legend(title="learning rate", fontsize="x-small")
