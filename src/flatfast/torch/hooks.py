"""A hook that runs before a step and after all other hooks, whenever they are registered."""

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


class LastPreHook:
    """The last of an optimizer's hooks before a step: others may set the learning rate."""

    def __init__(self, optimizer: Optimizer, hook: Callable[..., None]) -> None:
        """Register it."""
        self._optimizer = optimizer
        self._handle = optimizer.register_step_pre_hook(hook)
        self._register = optimizer.register_step_pre_hook
        vars(optimizer)["register_step_pre_hook"] = self._register_earlier

    def _register_earlier(self, theirs: Any) -> Any:
        handle = self._register(theirs)
        hooks: Any = self._optimizer._optimizer_step_pre_hooks
        hooks.move_to_end(self._handle.id)
        return handle

    def remove(self) -> None:
        """Remove it."""
        self._handle.remove()
        vars(self._optimizer).pop("register_step_pre_hook", None)
