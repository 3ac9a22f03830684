"""Wrappers with parameter groups of their own, from which they set those of the inner optimizer."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor

from flatfast.torch.groups import Group
from flatfast.torch.rescaling.cells import Cells
from flatfast.torch.rescaling.moves import Moved
from flatfast.torch.rescaling.records import KEY
from flatfast.torch.rescaling.schedules import put_group


class Outer:
    """Groups of wrappers that say the same as those of the optimizer inside, and are to go on so.

    ``ZeroRedundancyOptimizer`` writes its own over those of its optimizer at every step; until then
    a scheduler may have changed them, which is anticipated here. Groups of others that say anything
    else are somebody else's affair.
    """

    def __init__(self, wrappers: Iterable[Any], groups: list[Group]) -> None:
        """Look, before anything is written.

        Args:
            wrappers: What is around the optimizer.
            groups: Its groups.
        """
        self._pairs: list[tuple[Group, Group, list[str]]] = []
        for wrapper in wrappers:
            theirs = getattr(wrapper, "param_groups", None) or []
            if callable(write := getattr(wrapper, "_sync_param_groups", None)):
                write(theirs, groups)
            if len(theirs) != len(groups):
                continue
            for own, inner in zip(theirs, groups, strict=True):
                both = [key for key in inner if key in own and key != "params"]
                alike = [key for key in both if _alike(own[key], inner[key])]
                if own is not inner and "lr" in alike:
                    self._pairs.append((own, inner, alike))

    def put(self, moved: list[Moved], cells: Cells) -> None:
        """What schedules of the wrapper keep in its groups alone, to be written."""
        moves = {id(each.group): each for each in moved}
        for own, inner, _ in self._pairs:
            put_group(replace(moves[id(inner)], group=_without(own, inner)), cells, own)

    def follow(self) -> None:
        """Say what the inner ones say now that they are written."""
        cells = Cells()
        for own, inner, alike in self._pairs:
            for key in (*alike, KEY):
                value = inner[key]
                if own.get(key) is not value:
                    cells.put(own, key, float(value) if isinstance(value, Tensor) else value)
        cells.write()


def _without(own: Group, inner: Group) -> Group:
    return {key: value for key, value in own.items() if key not in inner}


def _alike(one: Any, two: Any) -> bool:
    """Equal numbers, or tuples of them."""
    if isinstance(one, Tensor) or isinstance(two, Tensor):
        return isinstance(one, Tensor) and isinstance(two, Tensor) and float(one) == float(two)
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(_alike, one, two))
    return isinstance(one, int | float) and isinstance(two, int | float) and one == two
