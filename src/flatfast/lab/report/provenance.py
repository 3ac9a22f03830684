"""Where a study's runs come from, as far as their manifest says so in a form that can be read.

Manifests are files, and some were written by other versions, by hand, or half. Whatever is not of
the form that the page needs is left out here, once, and named.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNNAMED = "unnamed problem"


@dataclass(frozen=True)
class Provenance:
    """The parts of a manifest.

    Attributes:
        name: Of the problem.
        version: Of the problem.
        settings: Of the problem.
        goal: ``metric``, ``threshold``, ``relative`` and ``smoothing``; None if there is none.
        machine: Where the runs were made; None if it is not known.
        versions: Of the packages.
        command: The command that made the runs.
        created: When.
        sweep: Everything else that the manifest holds.
        odd: Parts that are there but not of their form.
    """

    name: str
    version: int | str | None
    settings: Mapping[str, Any]
    goal: Mapping[str, Any] | None
    machine: Mapping[str, Any] | None
    versions: Mapping[str, Any] | None
    command: str | None
    created: str | None
    sweep: Mapping[str, Any]
    odd: tuple[str, ...]


def provenance(manifest: Mapping[str, Any]) -> Provenance:
    """Read a manifest; nothing in it is required."""
    odd: list[str] = []

    def take(of: Mapping[str, Any], name: str, kinds: tuple[type, ...], path: str = "") -> Any:
        value = of.get(name)
        if value is None or isinstance(value, kinds):
            return value
        odd.append(path + name)
        return None

    problem = take(manifest, "problem", (Mapping,)) or {}
    goal = take(problem, "goal", (Mapping,), "problem.")
    if goal is not None and not _is_goal(goal):
        odd.append("problem.goal")
        goal = None
    known = ("problem", "machine", "versions", "command", "created")
    return Provenance(
        name=take(problem, "name", (str,), "problem.") or UNNAMED,
        version=take(problem, "version", (int, str), "problem."),
        settings=take(problem, "settings", (Mapping,), "problem.") or {},
        goal=goal,
        machine=take(manifest, "machine", (Mapping,)),
        versions=take(manifest, "versions", (Mapping,)),
        command=take(manifest, "command", (str,)),
        created=take(manifest, "created", (str,)),
        sweep={name: value for name, value in manifest.items() if name not in known},
        odd=tuple(odd),
    )


def _is_goal(goal: Mapping[str, Any]) -> bool:
    threshold, smoothing = goal.get("threshold"), goal.get("smoothing", 1.0)
    return (
        isinstance(goal.get("metric"), str)
        and _is_number(threshold)
        and _is_number(smoothing)
        and isinstance(goal.get("relative", True), bool)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
