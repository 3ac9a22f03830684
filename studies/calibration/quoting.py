"""What all tables of the study share: the result that they are made of, and how a case is named."""

import functools
from collections.abc import Callable
from typing import Any

from studies.markdown import NOT_YET
from studies.quotes.values import load

Row = dict[str, Any]

SHORT = {
    "activation": "",
    "loss": "",
    "noise_std": "noise",
    "flip_probability": "flips",
    "dimension": "d",
    "examples": "P",
    "channels": "channels",
}
HIDDEN = ("init_seed", "rank")


def from_result(write: Callable[[Row], str]) -> Callable[[], str]:
    """A table of the committed result, which says so where there is none."""

    @functools.wraps(write)
    def written() -> str:
        found = load("results/calibration/calibration.json")
        return NOT_YET if found is None else write(found)

    return written


def name(case: Row) -> str:
    """A case in words."""
    parts = [
        f"{SHORT.get(key, key)} {value}".strip() if not isinstance(value, str) else value
        for key, value in case["settings"].items()
        if key not in HIDDEN
    ]
    return ", ".join([case["problem"], *parts])
