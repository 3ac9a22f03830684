"""Where the sweeps within a study's parts are made.

A part is computed without arguments and may sweep anywhere inside, so that the engine of a command
is known here, while :func:`using` lasts, and not handed through every study.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flatfast.lab.engines.choose import LOCAL, MakeEngine, open_engines
from flatfast.lab.engines.job import Job
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.engines.simulator import MOST_RUNS
from flatfast.lab.sweep import Engine

_IN_USE: list[MakeEngine] = [LocalEngine]


@contextmanager
def using(name: str, folder: Path) -> Iterator[None]:
    """Have sweeps made by an engine of :data:`flatfast.lab.engines.choose.ENGINES`.

    Args:
        name: Its name.
        folder: The study's, where it may put what workers on other machines share.

    Raises:
        ValueError: If there is none of that name.
    """
    with open_engines(name, folder=folder) as engines:
        _IN_USE.append(engines)
        try:
            yield
        finally:
            _IN_USE.pop()


def in_use() -> MakeEngine:
    """What makes engines now."""
    return _IN_USE[-1]


def engine_of(job: Job, most_runs: int = MOST_RUNS) -> Engine:
    """The engine in use, for runs of a job.

    Args:
        job: What the runs are of.
        most_runs: Most runs in a chunk, where they are made in this process.
    """
    engines = in_use()
    return LocalEngine(job, most_runs=most_runs) if engines is LocalEngine else engines(job)


__all__ = ["LOCAL", "engine_of", "in_use", "using"]
