"""How all tables of the study name a case."""

from typing import Any

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


def name(case: Row) -> str:
    """A case in words."""
    parts = [
        f"{SHORT.get(key, key)} {value}".strip() if not isinstance(value, str) else value
        for key, value in case["settings"].items()
        if key not in HIDDEN
    ]
    return ", ".join([case["problem"], *parts])
