"""An adaptive sweep, round by round, from an engine into a store."""

from typing import Protocol

import pyarrow as pa

from flatfast.lab.adaptive.choose import next_round
from flatfast.lab.adaptive.plan import Plan
from flatfast.lab.rows import no_rows
from flatfast.lab.store import Store
from flatfast.lab.sweep import Engine, Progress, sweep


class Rounds(Protocol):
    """Is told how an adaptive sweep goes on."""

    def begin_round(self, why: str) -> None:
        """What the next runs are for."""
        ...

    def end_rounds(self, why: str) -> None:
        """Why there are no more."""
        ...


def sweep_adaptively(
    plan: Plan,
    store: Store,
    engine: Engine,
    progress: Progress | None = None,
    rounds: Rounds | None = None,
) -> pa.Table:
    """Run what :func:`.choose.next_round` asks for until it asks for no more.

    Rounds whose runs the store has are gone through without running anything, so that a sweep that
    was stopped goes on where it was, to the same points.

    Args:
        plan: What is wanted.
        store: Where the runs go.
        engine: Computes them.
        progress: Is told of every chunk.
        rounds: Is told of every round, and of the end.

    Returns:
        The rows of all rounds, the pilot's among them.

    Raises:
        InterruptedSweepError: On Ctrl-C.
        StoreError: If the store cannot write.
    """
    rows = no_rows()
    while True:
        chosen = next_round(rows, plan)
        if chosen.runs is None:
            if rounds is not None:
                rounds.end_rounds(chosen.why)
            return rows
        if rounds is not None:
            rounds.begin_round(chosen.why)
        made = sweep(chosen.runs, store, engine, progress)
        rows = pa.concat_tables([rows, made], promote_options="default")
