# %% [markdown]
# # Sweep your own problem
#
# Say where runs start, the gradient of one noisy step, the loss, what to record, and a goal: the
# lab trains hundreds of runs at once. Here two products of weights are fitted to two targets.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa

from flatfast.lab.engines.job import Job
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.runs import runs_of

TARGETS = np.array([1.0, 0.5])


def residuals(weights):
    return weights["u"] * weights["v"] - TARGETS.astype(weights["u"].dtype)


def gradient(weights, key):
    error = residuals(weights) - 0.5 * jax.random.normal(key, (2,), weights["u"].dtype)
    return {"u": error * weights["v"] / 2, "v": error * weights["u"] / 2}


problem = Problem(
    name="two-products",
    start=lambda: {"u": 2 * np.sqrt(TARGETS), "v": np.sqrt(TARGETS) / 2},
    gradient=gradient,
    loss=lambda weights: jnp.sum(residuals(weights) ** 2) / 4,
    metrics={"trace": lambda w: (jnp.sum(w["u"] ** 2) + jnp.sum(w["v"] ** 2)) / 2},  # least: 1.5
    goal=Goal("cooled:trace", 2.0, relative=False),  # read with the noise off
)

# %% [markdown]
# On the command line it is `flatfast sweep my_problem.py:problem --lr ... --C ...`, with a report.

# %%
simulator, rows = Job(problem, records=128).simulator(), []
for lr in np.geomspace(1e-4, 3e-3, 4):
    pairs = [(lr, 1 - C * lr ** (2 / 3)) for C in np.geomspace(0.03, 0.8, 11)]
    rows.append(simulator.rows(runs_of(pairs, seeds=32, steps=int(30 * lr ** (-2 / 3)))))
fit = fit_exponent(time_grid(pa.concat_tables(rows)))
found, C = fit.exponent, fit.prefactor
print(f"exponent {found.estimate:.2f} ({found.low:.2f} to {found.high:.2f}), C {C.estimate:.2f}")

# %%
best = np.array([(mu.estimate, mu.low, mu.high) for mu in fit.best_mu]).T
figure, axis = plt.subplots()
axis.errorbar(fit.lr, best[0], abs(best[1:] - best[0]), fmt="o", label="best, with 95% intervals")
axis.loglog(fit.lr, C.estimate * fit.lr ** (2 / 3), label="C lr^(2/3)")
axis.set(xlabel="learning rate", ylabel="best 1 - momentum")
axis.legend()
