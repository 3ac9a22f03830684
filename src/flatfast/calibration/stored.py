"""A calibration as JSON, there and back.

An estimate is ``{"value": 0.31, "error": 0.02}``. Earlier versions kept two numbers, ``"C"`` and
``"C_error"``, the error of most of them relative, and the remedy of a doubt as text alone; both are
read.
"""

import json
import math
import re
from dataclasses import MISSING, fields
from typing import Any

from flatfast.calibration.result import Result
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
        ValueError: If the text is something else.
    """
    kept = json.loads(text)
    needed = {field.name for field in fields(Result) if field.default is MISSING}
    names = {field.name for field in fields(Result)}
    if isinstance(kept, dict):
        kept = _together(kept)
    if not isinstance(kept, dict) or not needed <= set(kept) <= names:
        raise ValueError("this is not a calibration's JSON: its fields are others")
    found = {name: _number(value) for name, value in kept.items()}
    try:
        for name in ESTIMATES:
            pair = kept[name]
            found[name] = Estimate(_number(pair["value"]), _number(pair["error"]))
        found["doubts"] = tuple(map(_doubt, kept.get("doubts", ())))
    except (TypeError, KeyError, AttributeError):
        raise ValueError("this is not a calibration's JSON: its values are others") from None
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return {"value": _plain(value.value), "error": _plain(value.error)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Doubt):
        told = {"verdict": value.verdict, "message": value.message, "remedy": value.remedy}
        return {**told, "budget": value.budget}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _doubt(kept: dict[str, Any]) -> Doubt:
    """The remedy follows from the rest; an earlier version's has the budget in its words."""
    budget = kept.get("budget")
    if told := re.search(r"a budget of about ([\d,]+)", kept.get("remedy", "")):
        budget = int(told[1].replace(",", ""))
    return Doubt(Verdict(kept["verdict"]), kept["message"], budget)


def _together(kept: dict[str, Any]) -> dict[str, Any]:
    """Numbers beside their errors, as earlier versions kept them, each with its own."""
    found = dict(kept)
    for name in ESTIMATES:
        if name in found and f"{name}_error" in found:
            value, error = found[name], found.pop(f"{name}_error")
            if error is not None and name not in ABSOLUTE:
                error = None if value is None else error * abs(value)
            found[name] = {"value": value, "error": error}
    return found
