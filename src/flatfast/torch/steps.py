"""Steps of training among calls of an optimizer's ``step``.

The two are not the same. A call may train nothing: utilities that read or load a state first make
it by a call without gradients, and a fused optimizer is called with infinite gradients and skips
them by itself. A step of training may take several calls, one for each part of the parameters, as
where the state is sharded or where parameters are stepped during the backward pass.
"""

from collections.abc import Iterable

from torch import Tensor
from torch.optim import Optimizer

from flatfast.arguments import as_whole
from flatfast.torch.groups import Group

STEPS = "coupled_steps"
"""Key of a group in which the steps made are counted, if the coupling was told how many come."""


class StepCount:
    """How many steps were made, of how many.

    Calls that move different parameters belong to one step; the next turn of a parameter begins
    another. What was counted stands in the parameter groups and so survives a checkpoint.

    Attributes:
        total: Length of the training, if it was given.
    """

    def __init__(self, total: int | None) -> None:
        """None yet.

        Raises:
            TypeError: If ``total`` is no whole number.
            ValueError: If it is below 1.
        """
        if total is not None:
            total = as_whole("total_steps", total, "a whole number of steps, at least 1")
            if total < 1:
                raise ValueError(f"total_steps must be at least 1, got {total}")
        self.total = total
        self._moved: set[int] = set()

    def left(self, groups: Iterable[Group]) -> int | None:
        """How many remain, with the one to come; below 1 where more are made than were said."""
        return None if self.total is None else self.total - made(groups) + self._goes_on(groups)

    def count(self, optimizer: Optimizer) -> None:
        """A call of ``step`` was made."""
        moved = with_gradients(optimizer.param_groups)
        if self.total is None or not moved or skipped(optimizer):
            return
        so_far = made(optimizer.param_groups)
        if not so_far and all_zero(moved):  # later it may be a dead network, and costs a look
            return
        these = {id(p) for p in moved}
        if self._moved and self._moved.isdisjoint(these):
            self._moved |= these
        else:
            self._moved = these
            so_far += 1
        for group in optimizer.param_groups:
            group[STEPS] = so_far

    def _goes_on(self, groups: Iterable[Group]) -> bool:
        """Whether the call to come is of the same step as the last, by its first parameter."""
        first = next((p for group in groups for p in group["params"] if p.grad is not None), None)
        return first is not None and bool(self._moved) and id(first) not in self._moved


def made(groups: Iterable[Group]) -> int:
    """How many steps were counted."""
    return max((group.get(STEPS, 0) for group in groups), default=0)


def with_gradients(groups: Iterable[Group]) -> list[Tensor]:
    """The parameters that a call moves."""
    return [p for group in groups for p in group["params"] if p.grad is not None]


def all_zero(parameters: Iterable[Tensor]) -> bool:
    """Whether no parameter has a gradient other than 0; on an accelerator this waits for it.

    Of a parameter that is sharded the process's own part counts.
    """
    return not any(_nonzero(p.grad) for p in parameters if p.grad is not None)


def skipped(optimizer: Optimizer) -> bool:
    """Whether a ``GradScaler`` has told a fused optimizer of infinities, which it then skips."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and bool(found_inf)


def _nonzero(gradient: Tensor) -> bool:
    own = gradient.to_local() if hasattr(gradient, "to_local") else gradient
    values = own.coalesce().values() if own.is_sparse else own
    return bool(values.count_nonzero())
