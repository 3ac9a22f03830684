"""Optimizers around optimizers: which of them makes the steps."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch.optim import Optimizer


def layers(optimizer: Any) -> list[Any]:
    """The optimizer, the one that it keeps, the one that that one keeps; the last makes the steps.

    Frameworks wrap optimizers (Accelerate, Lightning, DeepSpeed), and so do methods:
    sharpness-aware minimisation, lookahead, sharding. Some wrappers are optimizers themselves, some
    have hooks of their own, and some are used by other methods than ``step``. Common to all is that
    they keep an optimizer of the same parameters, whose ``step`` they call.

    Raises:
        TypeError: If there is no optimizer inside.
        ValueError: If there are several.
    """
    found = [optimizer]
    while True:
        kept = _kept_by(found[-1])
        if len(kept) > 1:
            names = " and ".join(type(each).__name__ for each in kept)
            raise ValueError(
                f"{type(found[-1]).__name__} steps by {len(kept)} optimizers, {names}; "
                "give each of them by itself"
            )
        if not kept or any(kept[0] is layer for layer in found):
            break
        found += kept
    if not isinstance(found[-1], Optimizer):
        raise TypeError(
            f"optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}"
        )
    return found


def unwrapped(optimizer: Any) -> Optimizer:
    """The optimizer that makes the steps.

    Raises:
        TypeError: If there is no optimizer inside.
        ValueError: If there are several.
    """
    innermost: Optimizer = layers(optimizer)[-1]
    return innermost


def _kept_by(outer: Any) -> list[Any]:
    """Optimizers among its attributes that have parameters of its own."""
    own = _parameters(outer)
    kept: dict[int, Any] = {}
    for name, value in getattr(outer, "__dict__", {}).items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is outer or not _looks_like_one(name, each):
                continue
            if own is None or not own.isdisjoint(_parameters(each) or ()):
                kept[id(each)] = each
    return list(kept.values())


def _looks_like_one(name: str, value: Any) -> bool:
    if isinstance(value, Optimizer):
        return True
    # Wrappers that are no torch.optim.Optimizer. By name, since a look at an attribute may cost.
    return "optim" in name and hasattr(value, "param_groups") and hasattr(value, "step")


def _parameters(optimizer: Any) -> set[int] | None:
    """Their identities; None where there are no parameter groups."""
    groups = getattr(optimizer, "param_groups", None)
    return None if groups is None else {id(p) for p in _all_of(groups)}


def _all_of(groups: Iterable[dict[str, Any]]) -> Iterator[Any]:
    for group in groups:
        yield from group["params"]
