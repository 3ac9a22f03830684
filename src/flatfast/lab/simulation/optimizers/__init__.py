"""The optimizers that the simulator knows: a file each, with its memory and its step.

One is chosen before the program is compiled (:func:`named`); the loop over steps has no branch.
"""

from dataclasses import fields, replace
from typing import Any

from flatfast.lab.simulation.optimizers.adam import Adam
from flatfast.lab.simulation.optimizers.adamw import AdamW
from flatfast.lab.simulation.optimizers.muon import Muon
from flatfast.lab.simulation.optimizers.normalized_sgd import NormalizedSGD
from flatfast.lab.simulation.optimizers.rule import NESTEROV, Memory, Rule, identity_of
from flatfast.lab.simulation.optimizers.sgd import SGD

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "Memory",
    "Muon",
    "NormalizedSGD",
    "Rule",
    "identity_of",
    "named",
    "with_nesterov",
]

OPTIMIZERS: dict[str, Any] = {kind.name: kind for kind in (SGD, NormalizedSGD, Adam, AdamW, Muon)}
"""By the name that the command line and the store have."""


def named(name: str, **settings: float | None) -> Rule:
    """The optimizer of a name.

    Args:
        name: One of :data:`OPTIMIZERS`.
        settings: Of the optimizer; those that are None are its defaults.

    Raises:
        ValueError: If there is none of that name, or it has no such setting.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}")
    given = {key: value for key, value in settings.items() if value is not None}
    for key, value in given.items():
        having = [n for n, kind in OPTIMIZERS.items() if key in _settings(kind)]
        if name not in having:
            raise ValueError(f"{key} is a setting of {_listed(having)}, got {value:g} for {name}")
    rule: Rule = OPTIMIZERS[name](**given)
    return rule


def with_nesterov(rule: Rule, nesterov: bool) -> Rule:
    """The optimizer, with Nesterov's momentum if that is asked for.

    Raises:
        ValueError: If it is, and the optimizer has none.
    """
    if not nesterov:
        return rule
    if NESTEROV not in _settings(type(rule)):
        having = [name for name, kind in OPTIMIZERS.items() if NESTEROV in _settings(kind)]
        raise ValueError(f"nesterov is a setting of {_listed(having)}, got it for {rule.name}")
    changed: Rule = replace(rule, nesterov=True)  # type: ignore[type-var]
    return changed


def _settings(kind: Any) -> set[str]:
    return {field.name for field in fields(kind)}


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "none"
