"""Which of the stored runs are analysed, where a folder holds more than one analysis can use.

A sweep that is repeated with longer runs leaves both lengths in its folder. Censoring needs one
length for all runs that are compared, so at each learning rate one is chosen: that of most runs,
of equally many the longest. The choice looks at what was run, never at how it ended. Of OneCycle
all lengths are kept: they are what it is compared by (:mod:`flatfast.lab.estimation.cycles`).
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.estimation.arrays import Indices
from flatfast.lab.estimation.methods import GRID, ONE_CYCLE, SCAN
from flatfast.lab.estimation.times import SAME_TO_DIGITS, distinct


def comparable(runs: pa.Table) -> tuple[pa.Table, list[str]]:
    """The runs of one length at each learning rate, and each run once.

    Args:
        runs: Rows as the store keeps them.

    Returns:
        The rows to be analysed, in their order, and what was set aside, in words.
    """
    if not len(runs):
        return runs, []
    named = "method" in runs.column_names
    method = np.asarray(runs["method"].to_pylist() if named else [GRID] * len(runs))
    rate, lr = distinct(runs["lr"].to_numpy())
    _, mu = distinct(1.0 - runs["momentum"].to_numpy())
    seed, steps = runs["seed"].to_numpy(), runs["steps"].to_numpy()
    # The sweep and the scan need one length over all momenta, a rule at its own one.
    rule = np.where(np.isin(method, (GRID, SCAN)), -1, mu)
    cycle = np.where(method == ONE_CYCLE, steps, 0)

    keep = np.ones(len(runs), dtype=np.bool_)
    notes = []
    for members in _groups(_numbered(method, lr, rule, cycle)):
        lengths, counts = np.unique(steps[members], return_counts=True)
        if len(lengths) > 1:
            chosen = lengths[np.lexsort((lengths, counts))[-1]]
            keep[members] = steps[members] == chosen
            made = dict(zip(lengths.tolist(), counts.tolist(), strict=True))
            used = made.pop(int(chosen))
            notes.append(
                f"{method[members[0]]} at lr {rate[lr[members[0]]]:g}: the {used:,} runs of "
                f"{int(chosen):,} steps are used, and set aside are "
                + " and ".join(f"{count:,} of {length:,}" for length, count in made.items())
            )
    kept = np.flatnonzero(keep)
    cell = _numbered(method[kept], lr[kept], mu[kept], seed[kept], cycle[kept])
    first = np.unique(cell, return_index=True)[1]
    if len(first) < len(kept):
        notes.append(
            f"{len(kept) - len(first):,} runs are set aside whose lr and 1 - momentum others have "
            f"too, to {SAME_TO_DIGITS} digits"
        )
    chosen_rows = kept[np.sort(first)]
    return (runs if len(chosen_rows) == len(runs) else runs.take(pa.array(chosen_rows))), notes


def _numbered(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """The number of every row's combination of values."""
    number = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        code = np.unique(column, return_inverse=True)[1]
        number = np.unique(number * (code.max() + 1) + code, return_inverse=True)[1]
    return number


def _groups(number: NDArray[np.int64]) -> list[Indices]:
    """The rows of every number, each group in the rows' order."""
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
