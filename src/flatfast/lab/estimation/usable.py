"""Rows that estimates can be made from, and why the others were left out.

A store's rows are what some program wrote on some disk. One row that makes no sense must not cost
the report of the ten thousand that do.
"""

import numpy as np
import pyarrow as pa

from flatfast.lab.estimation.arrays import Floats
from flatfast.lab.estimation.convergence import Status

_STATUSES = tuple(member.value for member in Status)


def usable(runs: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The rows whose values make sense, and a line for each reason that others did not.

    Args:
        runs: Rows with the columns ``lr``, ``momentum``, ``seed``, ``status``,
            ``convergence_step`` and ``steps``; ``method`` where there is one.

    Returns:
        The rows, in their order, and the reasons with the number of rows that each left out.

    Raises:
        ValueError: If a column is missing.
    """
    for name in ("lr", "momentum", "seed", "status", "convergence_step", "steps"):
        if name not in runs.column_names:
            raise ValueError(f"runs must have a column {name!r}")
    lr, momentum, seed = (_numbers(runs, name) for name in ("lr", "momentum", "seed"))
    steps, time = _numbers(runs, "steps"), _numbers(runs, "convergence_step")
    status = np.array(runs["status"].to_pylist(), dtype=object)
    converged = status == Status.CONVERGED.value
    named = np.ones(len(status), dtype=np.bool_)
    if "method" in runs.column_names:
        named = runs["method"].is_valid().to_numpy()
    rules = (
        (np.isfinite(lr) & (lr > 0), "lr is not positive and finite"),
        ((momentum >= 0) & (momentum < 1), "momentum is not in [0, 1)"),
        (np.isfinite(seed), "there is no seed"),
        (np.isfinite(steps) & (steps > 0), "the planned length is not positive"),
        (named, "there is no method"),
        (np.isin(status, _STATUSES), f"status is not one of {', '.join(_STATUSES)}"),
        (
            ~converged | (np.isfinite(time) & (time > 0)),
            "the run converged but its convergence step is not positive and finite",
        ),
    )
    good = np.ones(len(status), dtype=np.bool_)
    reasons = []
    for holds, reason in rules:
        lost = int(np.sum(good & ~holds))
        good &= holds
        if lost:
            rows = "row was" if lost == 1 else "rows were"
            reasons.append(f"{lost:,} of {len(good):,} {rows} left out: {reason}")
    return (runs if not reasons else runs.filter(pa.array(good))), tuple(reasons)


def _numbers(runs: pa.Table, name: str) -> Floats:
    """A column as numbers, nulls as NaN."""
    return np.asarray(runs[name].cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
