"""Runs of one cycle: the time is the length of the shortest cycle that arrives.

A cycle's length is part of the method: its learning rate comes down to nothing at its end, wherever
that is planned to be. So runs of many lengths are made, and what counts is not when a run crosses
the threshold but how long the shortest run is that has arrived at its end. It is chosen for each
seed by the runs that judge it, which flatters the method a little: some seeds are lucky once.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.convergence import Status
from flatfast.lab.estimation.methods import ONE_CYCLE
from flatfast.lab.estimation.times import distinct

Rows = Mapping[str, NDArray[np.generic]]


def with_shortest_cycles(rows: Rows) -> dict[str, NDArray[np.generic]]:
    """The rows with one for each peak learning rate and seed in place of its cycles.

    Its ``convergence_step`` is the length of the shortest cycle that arrived, and its ``steps`` the
    length of the longest that was run: where none arrived, the time is longer than that. It counts
    as diverged where all of its cycles diverged. Rows of other methods stay as they are.

    Args:
        rows: Columns ``method``, ``lr``, ``momentum``, ``seed``, ``status``, ``convergence_step``
            and ``steps``, as :func:`flatfast.lab.estimation.times.columns_of` gives them.
    """
    cycled = np.flatnonzero(rows["method"].astype(np.str_) == ONE_CYCLE)
    if not len(cycled):
        return dict(rows)
    runs = {name: column[cycled] for name, column in rows.items()}
    _, peak = distinct(runs["lr"].astype(np.float64))
    seed, length = runs["seed"].astype(np.int64), runs["steps"].astype(np.float64)
    status = runs["status"].astype(np.str_)
    arrived, lost = status == Status.CONVERGED.value, status == Status.DIVERGED.value
    # The run that decides stands first: the shortest that arrived, else the longest that did not.
    order = np.lexsort((np.where(arrived, length, -length), lost, ~arrived, seed, peak))
    same = (np.diff(peak[order]) == 0) & (np.diff(seed[order]) == 0)
    group = np.concatenate([[0], np.cumsum(~same)])
    longest = np.zeros(group[-1] + 1)
    np.maximum.at(longest, group, length[order])
    decides = order[np.concatenate([[True], ~same])]
    judged = {name: column[decides] for name, column in runs.items()}
    judged["convergence_step"] = np.where(arrived, length, np.nan)[decides]
    judged["steps"] = longest
    others = np.setdiff1d(np.arange(len(rows["lr"])), cycled)
    return {name: np.concatenate([rows[name][others], judged[name]]) for name in rows}
