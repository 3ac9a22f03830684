"""Numbers in groups and schedulers, written all at once or not at all."""

from typing import Any

import torch
from torch import Tensor


class Cells:
    """New values for places in dictionaries and lists; tensors keep their place in memory."""

    def __init__(self) -> None:
        """None yet."""
        self._new: list[tuple[Any, Any, Any]] = []

    def put(self, owner: Any, key: Any, value: Any) -> None:
        """A number, or a sequence of them, for ``owner[key]``, when all are known."""
        self._new.append((owner, key, value))

    @torch.no_grad()  # a learning rate that is learned is a leaf that needs its gradient
    def write(self) -> None:
        """Write them.

        A tensor is filled, for a compiled program or a captured graph reads it where it is. Where
        several places share one, as groups do whose optimizer was given a tensor, and are to hold
        different numbers, each but the first gets its own.
        """
        filled: dict[int, float] = {}
        for owner, key, value in self._new:
            owner[key] = _filled(owner[key] if _holds(owner, key) else None, value, filled)
        self._new = []


def _holds(owner: Any, key: Any) -> bool:
    return key in owner if isinstance(owner, dict) else True


def _filled(now: Any, value: Any, filled: dict[int, float]) -> Any:
    if isinstance(value, tuple):
        kept = now if isinstance(now, list | tuple) else value
        parts = [_filled(old, new, filled) for old, new in zip(kept, value, strict=True)]
        return type(kept)(parts)
    if not isinstance(now, Tensor):
        return value
    if filled.setdefault(id(now), value) != value:
        now = now.clone()
    return now.fill_(value)
