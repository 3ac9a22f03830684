"""A grid of runs, chunk by chunk, from an engine into a store."""

from typing import Protocol

import numpy as np
import pyarrow as pa

from flatfast.lab.goal import Goal
from flatfast.lab.judge import judge
from flatfast.lab.rows import key_rows
from flatfast.lab.runs import Runs, chunks, runs_of, together
from flatfast.lab.store import Store
from flatfast.lab.trajectories import Trajectories

# Whoever sweeps also says what is to be swept: both come from here.
__all__ = [
    "Engine",
    "InterruptedSweepError",
    "Progress",
    "Runs",
    "runs_of",
    "sweep",
    "together",
]


class Engine(Protocol):
    """Turns runs into trajectories, and knows nothing of how they are judged or stored."""

    width: int
    """Most runs in a chunk."""

    goal: Goal
    """What the runs are for; a run may end once it has settled on it."""

    def run(self, chunk: Runs) -> Trajectories:
        """The trajectories of runs of one planned length."""
        ...


class Progress(Protocol):
    """Is told how a sweep goes on."""

    def begin(self, runs: int, done: int, planned_steps: int) -> None:
        """``runs`` are wanted, ``done`` of them stored; the rest have that many steps at most."""
        ...

    def advance(self, runs: int, planned_steps: int, steps: int) -> None:
        """A chunk was stored: its runs, its planned steps, and the steps it really took."""
        ...


class InterruptedSweepError(RuntimeError):
    """Somebody stopped a sweep; the message says how to go on."""


def sweep(runs: Runs, store: Store, engine: Engine, progress: Progress | None = None) -> pa.Table:
    """Make the runs that the store does not have yet.

    Every chunk is stored before the next begins.

    Args:
        runs: The runs wanted.
        store: Where they go.
        engine: Computes them.
        progress: Is told of every chunk.

    Returns:
        The store's rows of the runs wanted.

    Raises:
        InterruptedSweepError: On Ctrl-C: the chunk in flight is dropped, the others are stored.
        StoreError: If the store cannot write.
    """
    done = store.done()
    missing = runs[np.array([key not in done for key in runs.identities()], bool)]
    if progress is not None:
        progress.begin(len(runs), len(runs) - len(missing), int(missing.steps.sum()))
    try:
        for chunk in chunks(missing, engine.width):
            rows = judge(engine.run(chunk), chunk, engine.goal)
            store.append(rows)
            if progress is not None:
                taken = int(np.sum(rows["steps_run"].to_numpy()))
                progress.advance(len(chunk), int(chunk.steps.sum()), taken)
    except KeyboardInterrupt:
        stored = len(store.done() & set(runs.identities()))
        if not store.done():
            told = "nothing was stored yet; repeat the command to start again"
        else:
            told = (
                f"{stored} of {len(runs)} runs are stored in {store.folder}; "
                "repeat the command to go on from there"
            )
        raise InterruptedSweepError(f"stopped: {told}") from None
    table = store.table()
    wanted = set(runs.identities())
    keep = [key in wanted for key in key_rows(table)]
    return table.filter(pa.array(keep, pa.bool_()))
