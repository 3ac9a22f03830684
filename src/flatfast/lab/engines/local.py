"""The local engine: chunks one after another in this process, on all its devices."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from flatfast.lab.engines.job import Job
from flatfast.lab.engines.simulator import MOST_RUNS
from flatfast.lab.runs import Runs
from flatfast.lab.sweep import Failure


class LocalEngine:
    """Makes runs in this process.

    Attributes:
        width: Most runs in a chunk.
        workers: One: what the process's devices do, they do together.
    """

    workers = 1

    def __init__(
        self, job: Job, *, most_runs: int = MOST_RUNS, memory_budget: int | None = None
    ) -> None:
        """Decide on the width.

        Args:
            job: What the runs are of.
            most_runs: Most runs in a chunk.
            memory_budget: Bytes that a chunk may take; by default
                :func:`flatfast.lab.engines.simulator.budget`.

        Raises:
            ValueError: If a setting is out of range, or the runs that advance at once are over
                budget.
        """
        self._simulator = job.simulator(most_runs=most_runs, memory_budget=memory_budget)
        self.width = self._simulator.width

    def run(self, chunks: Sequence[Runs]) -> Iterator[pa.Table | Failure]:
        """Make chunks in their order; see :class:`flatfast.lab.sweep.Engine`."""
        for chunk in chunks:
            try:
                made = self._simulator.rows(chunk)
            except Exception as error:
                yield Failure(chunk, error)
            else:
                yield made
