"""Copies of a coupled optimizer follow the law as well.

A copy or a pickle of an optimizer has its state and groups but none of its hooks, and would go on
with the momentum of the moment. So a coupled optimizer says itself how it is to be copied.
"""

import functools
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

Settings = dict[str, Any]
"""What a copy carries along."""


class Carried:
    """What copies and pickles of an optimizer carry along."""

    def __init__(
        self,
        optimizer: Optimizer,
        settings: Callable[[], Settings],
        restore: Callable[[Optimizer, Settings], Any],
    ) -> None:
        """From now on.

        Args:
            optimizer: The optimizer.
            settings: What to carry, asked for when a copy is made.
            restore: Gives it to the copy, when that is complete; a function of a module.
        """
        self._optimizer, self._settings, self._restore = optimizer, settings, restore
        # On the object: copy.deepcopy and pickle both look there first.
        vars(optimizer)["__reduce_ex__"] = self._reduce

    def _reduce(self, protocol: Any) -> tuple[Any, ...]:
        optimizer = self._optimizer
        plain: Any = type(optimizer).__reduce_ex__(optimizer, protocol)
        make, arguments, state, *_ = plain
        carried = {"own": state, "restore": self._restore, "settings": self._settings()}
        return _unfinished, (make, arguments), carried

    def remove(self) -> None:
        """No longer."""
        vars(self._optimizer).pop("__reduce_ex__", None)


def _unfinished(make: Callable[..., Optimizer], arguments: tuple[Any, ...]) -> Optimizer:
    """An optimizer without state, which takes what was carried along when it is given its state."""
    optimizer = make(*arguments)
    vars(optimizer)["__setstate__"] = functools.partial(_finish, optimizer)
    return optimizer


def _finish(optimizer: Optimizer, carried: Settings) -> None:
    del vars(optimizer)["__setstate__"]
    optimizer.__setstate__(carried["own"])
    carried["restore"](optimizer, carried["settings"])
