"""What a study is: parts that are computed one by one and kept, and what is read off them.

Every study is a package of this folder. Its docstring asks the question in its first paragraph;
``run.py`` defines ``STUDY``, ``tables.py`` what README and docs quote of it. Usually ``cases.py``
says what is measured, ``analysis.py`` what is read off, and ``figure.py`` draws it.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flatfast.lab.atomic import atomically
from flatfast.lab.engines.devices import use_all_cores

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
"""Committed results, a folder for each study and each experiment."""

RUNS = ROOT / "runs" / "studies"
"""What parts keep, a folder for each study: not committed."""

NAME = re.compile(r"[\w.+=,-]+")

Result = dict[str, Any]
"""A study's result as it is written: plain JSON."""


@dataclass(frozen=True)
class Part:
    """A piece of a study that is computed and kept as a whole.

    Attributes:
        name: Letters, digits and ``._+=,-``; the parts of a group share a beginning, so that
            ``--only 'sgd.*'`` means them.
        compute: Computes it and keeps it in the study's folder of runs. May run beside others.
        done: Whether it is there.
        seconds: How long it takes on the machine it is meant for; None where nobody knows.
        takes: The work in words, for plans: ``9,000 steps``.
        timed: Whether ``compute`` takes the seconds that are left (infinite where there is no
            limit), ends with :class:`TimeIsUpError` when they are over, and goes on from what it
            has kept when it is asked again. Such a part begins however long it takes.
        needs: What is missing to compute it here, such as data; empty if nothing is.
    """

    name: str
    compute: Callable[..., object]
    done: Callable[[], bool]
    seconds: float | None = None
    takes: str = ""
    needs: str = ""
    timed: bool = False

    @property
    def least_seconds(self) -> float:
        """The time without which it is not begun."""
        return 0.0 if self.timed else self.seconds or 0.0

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"a part's name must match {NAME.pattern}, got {self.name!r}")


class TimeIsUpError(Exception):
    """A timed part has not come to its end; the message says what of it is kept."""


@dataclass(frozen=True)
class Study:
    """What ``run.py`` of a study defines.

    Attributes:
        parts: The parts, the most informative first, of the study's folder of runs and of a quick
            look or the whole. Asked again after each round: parts may follow from earlier ones.
        collect: The result, of that folder and of the result before. What the folder lacks is taken
            from the latter, so that a part measured elsewhere is not lost.
        draw: Writes the figures of a result into a folder.
        load: Reads the result before, of its path; nothing where there is none.
        save: Writes the result to its path. A study whose analysis starts from more than that file
            holds, such as runs, has its own ``load`` and ``save``, which keep that beside it.
        prepare: Called once before anything is computed.
        pack: Writes the data that the parts need into a folder, to be carried to another machine,
            and says in words what it has written; None where they need none.
        side_by_side: What parts that are computed at once are: threads of one process, where one
            compiles while another runs, or processes.
    """

    parts: Callable[[Path, bool], Iterable[Part]]
    collect: Callable[[Path, Result], Result]
    draw: Callable[[Result, Path], object] = lambda result, folder: None
    load: Callable[[Path], Result] = lambda path: read_json(path, {})
    save: Callable[[Path, Result], object] = lambda path, result: write_json(path, result)
    prepare: Callable[[], object] = use_all_cores
    pack: Callable[[Path], str] | None = None
    side_by_side: Literal["threads", "processes"] = "threads"


def json_part(folder: Path, name: str, compute: Callable[..., Any], **more: Any) -> Part:
    """A part whose result is plain JSON, kept in a file of its own; :func:`kept_json` reads it.

    Args:
        folder: The study's folder of runs.
        name: As in :class:`Part`.
        compute: What gives the result. To run in processes it must be picklable.
        **more: Further attributes of :class:`Part`.
    """
    path = _path(folder, name)
    return Part(name, _Kept(path, compute), path.exists, **more)


def kept_json(folder: Path, name: str) -> Any:
    """What a part made by :func:`json_part` has kept; None before it is computed."""
    return read_json(_path(folder, name), None)


def kept_parts(folder: Path, beginning: str) -> dict[str, Any]:
    """The same of all parts whose names begin so, by name."""
    paths = sorted(_path(folder, "").parent.glob("*.json"))
    return {p.stem: read_json(p, None) for p in paths if p.name.startswith(beginning)}


def part_name(*words: str) -> str:
    """A name for a part, of words: what it cannot have becomes a dash."""
    return ".".join(re.sub(r"[^\w.]+", "-", word).strip("-") for word in words)


def read_json(path: Path, default: Any) -> Any:
    """A JSON file, or the default where there is none.

    Raises:
        ValueError: If it is damaged; the message names it.
    """
    try:
        return json.loads(path.read_text()) if path.exists() else default
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): delete it, or put it back") from None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file as a whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomically(path) as partial:
        partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _path(folder: Path, name: str) -> Path:
    return folder / "parts" / f"{name}.json"


@dataclass(frozen=True)
class _Kept:
    """Computes and writes; a class and not a closure, so that processes can be sent it."""

    path: Path
    compute: Callable[..., Any]

    def __call__(self, *seconds_left: float) -> None:
        write_json(self.path, self.compute(*seconds_left))
