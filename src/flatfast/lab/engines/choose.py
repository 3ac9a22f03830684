"""Engines by name, for the command line and the studies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from flatfast.extras import require
from flatfast.lab.engines.job import Job
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.sweep import Engine

MakeEngine: TypeAlias = Callable[[Job], Engine]
"""Gives an engine for runs of a job. The engines of one place share its workers."""

LOCAL = "local"

ENGINES: Mapping[str, str] = {
    LOCAL: "this process, on all cores or on the GPU",
    "processes": "processes of this machine, each with cores of its own",
    "ray": "tasks of a Ray cluster, or of one that this machine is for as long as it takes",
    "slurm": "jobs of SLURM",
}
"""Name to where its runs are made."""

OPTIONS: Mapping[str, Sequence[str]] = {
    LOCAL: (),
    "processes": ("workers", "cores"),
    "ray": ("workers", "cores", "gpus", "address"),
    "slurm": ("workers", "cores", "slurm"),
}
"""Name to the options that it has."""


@contextmanager
def open_engines(
    name: str = LOCAL, *, folder: Path | None = None, fresh: bool = False, **options: Any
) -> Iterator[MakeEngine]:
    """Have engines of this name while the context is open; nothing of them goes on after it.

    Args:
        name: One of :data:`ENGINES`.
        folder: The sweep's, where engines may put what workers on other machines share.
        fresh: Make no use of what workers of an earlier sweep have left there.
        **options: The engine's own; None stands for its default.

    Raises:
        ValueError: If there is no such engine, or an option is not its.
        ModuleNotFoundError: If what it needs is not installed.
    """
    given = {option: value for option, value in options.items() if value is not None}
    if name not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {name!r}")
    for option in given:
        if option not in OPTIONS[name]:
            others = [other for other, own in OPTIONS.items() if option in own]
            raise ValueError(
                f"{option} is for the engine{'s' if len(others) > 1 else ''} {', '.join(others)}, "
                f"got {given[option]!r} with {name}"
            )
    if name == LOCAL:
        yield LocalEngine
        return
    with _workers(name, given, folder, fresh) as engines:
        yield engines


def _workers(
    name: str, options: Mapping[str, Any], folder: Path | None, fresh: bool
) -> AbstractContextManager[MakeEngine]:
    if name == "ray":
        require("the engine ray", "ray", "ray")
        from flatfast.lab.engines.ray_tasks import Ray

        return Ray(**options)
    if name == "slurm":
        if folder is None:
            raise ValueError("the engine slurm needs the sweep's folder, got none")
        from flatfast.lab.engines.slurm.driver import Slurm

        return Slurm(folder, fresh=fresh, **options)
    from flatfast.lab.engines.processes import Processes

    return Processes(**options)
