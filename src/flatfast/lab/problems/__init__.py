"""The lab's problems, by name: one file per experiment, found by its ``PROBLEMS``.

``matrix-sensing``, ``teacher-student``, ``fashion-mlp`` and ``cifar-resnet`` are experiments of
arXiv 2210.16400; ``scalar-product``, ``digits-mlp`` and ``digits-resnet`` are their smallest
relatives. :mod:`.template` shows how to bring your own, which :func:`load` finds as
``path/to/file.py:function``.
"""

import difflib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from importlib.abc import SourceLoader
from numbers import Integral, Real
from pathlib import Path

from flatfast.lab.gather import gathered
from flatfast.lab.problem import Problem, Scalar

PROBLEMS: dict[str, Callable[..., Problem]] = gathered(__name__, __path__, "PROBLEMS")
"""Name to the function that makes the problem of its settings."""


OF_A_FILE = "flatfast_problem_"
"""How the name of a module begins that was read from somebody's file."""


class UnknownProblemError(ValueError):
    """There is no problem of that name, or no such function in that file."""


def load(name: str, settings: Mapping[str, Scalar] | None = None) -> Problem:
    """Make a problem from its name, or from someone's file.

    Args:
        name: A name from :data:`PROBLEMS`, or ``path/to/file.py:function``.
        settings: Keyword arguments of the problem's function.

    Returns:
        The problem.

    Raises:
        UnknownProblemError: If there is none; the message names the nearest.
        ValueError: If a setting is unknown, out of range, or not of the kind that the function's
            annotation names.
        TypeError: If a file's function does not return a :class:`Problem`.
    """
    make = factory(name)
    settings = dict(settings or {})
    known = inspect.signature(make).parameters
    for setting in settings:
        if setting not in known:
            near = difflib.get_close_matches(setting, known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(
                f"problem {name!r} has no setting {setting!r}{hint}; "
                f"it has {', '.join(known) or 'none'}"
            )
        settings[setting] = _of_kind(setting, settings[setting], known[setting].annotation)
    made = make(**settings)
    if not isinstance(made, Problem):
        raise TypeError(f"{name} must return a flatfast Problem, got {type(made).__name__}")
    return made


KINDS: dict[str, tuple[type, str]] = {
    "bool": (bool, "true or false"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "str": (str, "text"),
}
"""What a setting must be, by the name of its annotation; others are left to the function."""


def _of_kind(name: str, value: Scalar, annotation: object) -> Scalar:
    """A setting of the kind that its annotation names; a whole number may be written ``1e3``.

    Raises:
        ValueError: If it is of another kind. The function would fail without the setting's name.
    """
    # Somebody's file may have its annotations as text (``from __future__ import annotations``).
    named = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if named not in KINDS:
        return value
    kind, wanted = KINDS[named]
    if kind is Integral and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return value


def defaults(name: str) -> dict[str, Scalar]:
    """The settings of a problem and their default values."""
    parameters = inspect.signature(factory(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def factory(name: str) -> Callable[..., Problem]:
    """The function that makes a problem: one of :data:`PROBLEMS`, or of somebody's file.

    Raises:
        UnknownProblemError: If there is none; the message names the nearest.
    """
    if name in PROBLEMS:
        return PROBLEMS[name]
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(Path(path), function)
    if name.endswith(".py"):
        raise UnknownProblemError(f"name the function in the file too: {name}:problem")
    near = difflib.get_close_matches(name, PROBLEMS, n=1, cutoff=0.3)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UnknownProblemError(
        f"no problem {name!r}{hint} (there are {', '.join(PROBLEMS)}; "
        "your own is path/to/file.py:function)"
    )


def _from_file(path: Path, function: str) -> Callable[..., Problem]:
    if not path.is_file():
        raise UnknownProblemError(f"no file {path}")
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError:
        raise UnknownProblemError(
            f"{path} must lie where every name is UTF-8, for JAX keeps the place of each line that "
            f"it compiles; got {os.path.abspath(path)!r}"
        ) from None
    spec = importlib.util.spec_from_file_location(f"{OF_A_FILE}{path.stem}", path)
    if spec is None or not isinstance(spec.loader, SourceLoader):
        raise UnknownProblemError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        # Not what was compiled before: a file that changes within a second may look unchanged.
        exec(spec.loader.source_to_code(path.read_bytes(), str(path)), module.__dict__)
    except Exception as error:
        raise UnknownProblemError(
            f"{path} could not be imported: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, function, None)
    if not callable(found):
        there = [n for n, value in vars(module).items() if inspect.isfunction(value)]
        raise UnknownProblemError(
            f"no function {function!r} in {path}; it has {', '.join(there) or 'none'}"
        )
    made: Callable[..., Problem] = found
    return made
