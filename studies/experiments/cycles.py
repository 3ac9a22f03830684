"""One cycle on FashionMNIST, beside the committed comparison of its methods.

The recipe compares cycles since they read the cooled metric four times a run. The other runs of the
committed result stand, hours of them, and none of a cycle's depends on them but by the law's best
time, which says where lengths begin.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flatfast.lab.cycles import COOLED_RECORDS, sweep_all_cycles
from flatfast.lab.estimation.convergence import Status
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.selection import comparable
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.problems import load
from flatfast.lab.recipes import recipe_of
from flatfast.lab.reproduce import identity, typical_scaled_time
from flatfast.lab.store import Store
from studies.engines import engine_of

PROBLEM = "fashion-mlp"

Row = dict[str, Any]


def cycles(committed: Path, folder: Path) -> Row:
    """Run the recipe's cycles, and say which arrived.

    Args:
        committed: The folder of the committed result: its runs and its summary.
        folder: Where the cycles' runs are kept.
    """
    recipe = recipe_of(PROBLEM, "full")
    problem = load(PROBLEM, recipe.settings)
    fit = fit_exponent(time_grid(comparable(pq.read_table(committed / "runs.parquet"))[0]))
    summary = json.loads((committed / "summary.json").read_text())
    curvature = summary["sweep"]["comparison"]["curvature"]
    typical = typical_scaled_time(fit)
    runs = identity(problem, records=COOLED_RECORDS, metrics=recipe.metrics, dtype=recipe.dtype)
    with Store(folder, runs) as store:
        below, above = sweep_all_cycles(recipe, problem, store, curvature, typical, engine_of)
    return {"below": told(below), "above": told(above)}


def told(rows: pa.Table) -> list[Row]:
    """By peak learning rate: cycles, seeds, the longest, and each seed's shortest that arrived."""
    lr, seed = rows["lr"].to_numpy(), rows["seed"].to_numpy()
    steps = rows["steps"].to_numpy()
    arrived = np.asarray(rows["status"].to_pylist()) == Status.CONVERGED.value
    found = []
    for peak in np.unique(lr):
        own = lr == peak
        shortest = [
            int(steps[mine].min()) if (mine := own & arrived & (seed == each)).any() else None
            for each in np.unique(seed[own])
        ]
        found.append(
            {
                "lr": float(peak),
                "cycles": int(own.sum()),
                "longest": int(steps[own].max()),
                "shortest": shortest,
            }
        )
    return found
