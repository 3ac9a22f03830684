"""A calibration as JSON, there and back.

An estimate is ``{"value": 0.31, "error": 0.02}``. Earlier versions kept two numbers, ``"C"`` and
``"C_error"``, the error of most of them relative, the largest curvature without one, and the remedy
of a doubt as text alone; all are read.
"""

import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from flatfast.calibration.pair import Pair
from flatfast.calibration.result import Ahead, Result
from flatfast.calibration.verdict import Doubt, Verdict
from flatfast.estimate import Estimate

ESTIMATES = tuple(field.name for field in fields(Result) if field.type is Estimate)

ABSOLUTE = ("off", "misfit")
"""Estimates whose error was absolute in earlier versions too."""


def as_json(found: Result) -> str:
    """The calibration as JSON; what is not finite is null."""
    kept = {field.name: _plain(getattr(found, field.name)) for field in fields(found)}
    return json.dumps(kept, indent=1)


def read_json(text: str) -> dict[str, Any]:
    """The fields of a calibration.

    Raises:
        ValueError: If the text is something else; the message names the field, its value, and what
            is valid.
    """
    try:
        kept = json.loads(text)
    except RecursionError:
        raise ValueError("this is not a calibration's JSON: it is nested too deeply") from None
    named = {field.name: field for field in fields(Result)}
    needed = [name for name, field in named.items() if field.default is MISSING]
    if isinstance(kept, dict):
        kept = _together(kept)
    _check_names(kept, "the whole", needed, list(named))
    return {name: _READ[named[name].type](value, name) for name, value in kept.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return {"value": _plain(value.value), "error": _plain(value.error)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Ahead | Pair):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Doubt):
        told = {"verdict": value.verdict, "message": value.message, "remedy": value.remedy}
        return {**told, "budget": value.budget}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wrong(where: str, value: Any, valid: str) -> ValueError:
    return ValueError(
        f"this is not a calibration's JSON: {where} is {reprlib.repr(value)}, must be {valid}"
    )


def _check_names(value: Any, where: str, needed: list[str], optional: list[str]) -> None:
    """Refuse what is no object of these fields."""
    names = list(dict.fromkeys([*needed, *optional]))
    if not isinstance(value, dict):
        raise _wrong(where, value, f"an object with {', '.join(names)}")
    wrong = [name for name in needed if name not in value] + [n for n in value if n not in names]
    if wrong:
        raise ValueError(
            f"this is not a calibration's JSON: {where} "
            f"{'has a field' if wrong[0] in value else 'lacks'} {reprlib.repr(wrong[0])}; "
            f"its fields are {', '.join(names)}"
        )


def _number(value: Any, where: str, least: float = -math.inf) -> float:
    """A float; NaN for what was not finite, or not known."""
    if value is None:
        return math.nan
    try:
        number = float(value) if _is_number(value) else None
    except OverflowError:
        number = None
    if number is None or number < least:
        what = "a number in the range of a float" if least < 0 else f"a number, at least {least:g}"
        raise _wrong(where, value, f"{what}, or null where it is not known")
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _wrong(where, value, "a whole number, at least 0")
    return value


def _words(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, value, "text")
    return value


def _estimate(value: Any, where: str) -> Estimate:
    _check_names(value, where, ["value", "error"], [])
    number = _number(value["value"], f"{where}.value")
    return Estimate(number, _number(value["error"], f"{where}.error", least=0))


def _doubts(value: Any, where: str) -> tuple[Doubt, ...]:
    if not isinstance(value, list):
        raise _wrong(where, value, "a list of doubts")
    return tuple(_doubt(one, f"{where}[{place}]") for place, one in enumerate(value))


def _doubt(kept: Any, where: str) -> Doubt:
    """The remedy follows from the rest; an earlier version's has the budget in its words."""
    _check_names(kept, where, ["verdict", "message"], ["remedy", "budget"])
    verdict = kept["verdict"]
    if verdict not in list(Verdict):
        raise _wrong(
            f"{where}.verdict", verdict, f"one of {', '.join(map(repr, map(str, Verdict)))}"
        )
    budget = kept.get("budget")
    if budget is not None:
        budget = _count(budget, f"{where}.budget")
    remedy = _words(kept.get("remedy", ""), f"{where}.remedy")
    if told := re.search(r"a budget of about (\d[\d,]*)", remedy):
        budget = int(told[1].replace(",", ""))
    return Doubt(Verdict(verdict), _words(kept["message"], f"{where}.message"), budget)


def _ahead(kept: Any, where: str) -> Ahead | None:
    if kept is None:
        return None
    names = [field.name for field in fields(Ahead)]
    _check_names(kept, where, names, [])
    return Ahead(**{name: _number(kept[name], f"{where}.{name}") for name in names})


def _pair(kept: Any, where: str) -> Pair | None:
    if kept is None:
        return None
    names = [field.name for field in fields(Pair)]
    _check_names(kept, where, names, [])
    numbers = {name: _number(kept[name], f"{where}.{name}") for name in names if name != "bound"}
    return Pair(**numbers, bound=_words(kept["bound"], f"{where}.bound"))


_READ: Mapping[Any, Callable[[Any, str], Any]] = {
    float: _number,
    int: _count,
    str: _words,
    Estimate: _estimate,
    tuple[Doubt, ...]: _doubts,
    Ahead | None: _ahead,
    Pair | None: _pair,
}
"""How a field of each type is read, of its value and its name."""


def _together(kept: dict[str, Any]) -> dict[str, Any]:
    """Numbers beside their errors, as earlier versions kept them, each with its own."""
    found = dict(kept)
    if _is_number(found.get("largest")):
        found["largest"] = {"value": found["largest"], "error": None}
    for name in ESTIMATES:
        if name in found and f"{name}_error" in found:
            value = _number(found[name], name)
            error = _number(found.pop(f"{name}_error"), f"{name}_error", least=0)
            found[name] = {
                "value": value,
                "error": error if name in ABSOLUTE else error * abs(value),
            }
    return found
