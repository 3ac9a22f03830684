"""Momentum that follows the learning rate, in any optimizer: ``couple(optimizer, law)``.

The coupling is a hook that runs before every step. It reads each parameter group's learning rate,
whoever set it and however often, and writes the momentum that the law gives there. Nothing is added
to the training loop, and the optimizer's state is its own: a checkpoint is that of the plain
optimizer, with the momentum last used.

What a change of momentum does. The velocity ``p <- momentum * p + g`` is a sum of gradients and is
left as it is; the learning rate multiplies it at each step. When both change slowly against the
momentum's memory, which is the law's regime, the step stays ``lr / (1 - momentum)`` times the mean
gradient throughout.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from flatfast.calibration import Calibration
from flatfast.law import ORDER, MomentumLaw, effective_step, memory
from flatfast.torch.groups import Group, key_of, momentum_of, set_momentum, unwrapped

Law = Callable[[float], float]
"""Learning rate to momentum; a :class:`flatfast.law.MomentumLaw` is one."""


def law_of(C: float | Calibration) -> MomentumLaw:
    """The 2/3 law with this prefactor, or with the one that a calibration found.

    Raises:
        ValueError: If ``C`` is not positive.
        CalibrationError: If the calibration found none; says why.
    """
    return C.law if isinstance(C, Calibration) else MomentumLaw(C)


STEPS = "coupled_steps"
"""Key of a group in which the steps made are counted, if the coupling was told how many come."""


class MomentumConflictError(RuntimeError):
    """Something else writes the momentum of a coupled optimizer."""


@dataclass(frozen=True)
class CoupledGroup:
    """What a parameter group used at its last step; before the first, what it would use now.

    Attributes:
        lr: Learning rate.
        momentum: Momentum.
        memory: How long a gradient is remembered, ``1 / (1 - momentum)`` steps.
        effective_step: ``lr / (1 - momentum)``.
    """

    lr: float
    momentum: float
    memory: float
    effective_step: float


@dataclass
class _Written:
    """What the hook saw and wrote last in a group.

    ``lr`` and ``value`` are the group's own objects, so that one look tells whether they changed;
    ``used`` is the learning rate as a number.
    """

    lr: Any = None
    value: Any = None
    used: float = 0.0


class Coupling:
    """An optimizer whose momentum follows its learning rate; made by :func:`couple`.

    Attributes:
        optimizer: The optimizer.
        total_steps: Length of the training in steps, where it was given.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        law: Law | Sequence[Law],
        total_steps: int | None = None,
        *,
        hook: bool = True,
    ) -> None:
        """As :func:`couple`; without ``hook`` the optimizer itself calls :meth:`follow`."""
        self.optimizer = optimizer
        self.total_steps = total_steps
        self._several = isinstance(law, Sequence)
        self._laws: list[Law] = list(law) if isinstance(law, Sequence) else [law]
        self._original: list[Any] = []
        self._written: list[_Written] = []
        self._check_laws()
        self._check_writers()
        for index, group in enumerate(optimizer.param_groups):
            self._check(index, group)
        for group in optimizer.param_groups:
            self._admit(group)
        self._hooks = [optimizer.register_load_state_dict_post_hook(self._forget)]
        if hook:
            self._hooks.append(optimizer.register_step_pre_hook(self._before_step))

    # --- For the user ------------------------------------------------------------------------

    def groups(self) -> list[CoupledGroup]:
        """What each parameter group used at the last step, for a log."""
        found = []
        for index, group in enumerate(self.optimizer.param_groups):
            if index < len(self._written) and self._written[index].value is not None:
                lr, momentum = self._written[index].used, momentum_of(group)
            else:
                lr = float(group["lr"])
                momentum = self._momentum(index, lr, group)
            found.append(CoupledGroup(lr, momentum, memory(momentum), effective_step(lr, momentum)))
        return found

    def set_law(self, index: int, law: Law) -> None:
        """Give a parameter group, one that was added later for instance, a law of its own."""
        groups = len(self.optimizer.param_groups)
        if not 0 <= index < groups:
            raise ValueError(f"index must be in [0, {groups}), got {index}")
        if not self._several:
            self._laws, self._several = [self._laws[0]] * groups, True
        self._laws[index : index + 1] = [law]
        if index < len(self._written):
            self._written[index].lr = None  # to be written anew

    def settings(self) -> tuple[Law | list[Law], int | None]:
        """Laws and number of steps, from which an equal coupling can be made."""
        return (list(self._laws) if self._several else self._laws[0]), self.total_steps

    def momentum_on_device(self, index: int) -> Tensor:
        """The momentum of a group whose learning rate is a tensor, without reading it back.

        Raises:
            TypeError: If the group's law is no :class:`flatfast.law.MomentumLaw`, whose formula can
                be evaluated on the device.
            ValueError: If the coupling counts steps, which happens on the host.
        """
        law = self._laws[index if self._several else 0]
        if not isinstance(law, MomentumLaw):
            raise TypeError(
                f"a learning rate on an accelerator needs a MomentumLaw, got {type(law).__name__}"
            )
        if self.total_steps is not None:
            raise ValueError("total_steps needs a learning rate on the host, a number")
        lr: Tensor = self.optimizer.param_groups[index]["lr"]
        mu = law.C * lr**law.gamma
        if law.correction:
            mu = mu * (law.correction * lr**ORDER).exp()
        return (1 - mu).clamp(law.min_momentum, law.max_momentum)

    def remove(self) -> None:
        """End the coupling: every group gets back the momentum that it had before."""
        for hook in self._hooks:
            hook.remove()
        for group, original in zip(self.optimizer.param_groups, self._original, strict=False):
            group[str(key_of(group))] = original
            group.pop(STEPS, None)
        self._original, self._written = [], []

    def __enter__(self) -> "Coupling":
        """The coupling, to be removed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the coupling."""
        self.remove()

    # --- Before every step -------------------------------------------------------------------

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.follow()

    def follow(self) -> None:
        """Write the momentum of every group for the step to come; the hook calls this.

        Raises:
            MomentumConflictError: If something else has written a momentum.
            ValueError: If a group was added that cannot be coupled.
        """
        groups = self.optimizer.param_groups
        if len(groups) > len(self._written):
            for index in range(len(self._written), len(groups)):
                self._check(index, groups[index])
                self._admit(groups[index])
        for index, written in enumerate(self._written):
            group = groups[index]
            value = group.get("momentum")
            if value is None:
                value = group["betas"]
            # The common case, and the only one whose cost counts: nothing has changed.
            if (
                group["lr"] is written.lr
                and value is written.value
                and self.total_steps is None
                and type(written.lr) is float
            ):
                continue
            self._write(index, group, written, value)

    def _write(self, index: int, group: Group, written: _Written, value: Any) -> None:
        if written.value is not None and value != written.value:
            raise MomentumConflictError(self._conflict(index, group))
        written.lr = group["lr"]
        written.used = float(written.lr)
        written.value = set_momentum(group, self._momentum(index, written.used, group))
        if self.total_steps is not None:
            group[STEPS] = group.get(STEPS, 0) + 1

    def _momentum(self, index: int, lr: float, group: Group) -> float:
        momentum = self._laws[index if self._several else 0](lr)
        if self.total_steps is None:
            return float(momentum)
        left = max(self.total_steps - group.get(STEPS, 0), 1)
        return float(min(momentum, 1 - 1 / left))

    def _forget(self, optimizer: Optimizer) -> None:
        """A checkpoint was loaded: the momenta in the groups are the checkpoint's, and expected."""
        self._written = [_Written() for _ in self._written]

    # --- Checks ------------------------------------------------------------------------------

    def _check_laws(self) -> None:
        groups = len(self.optimizer.param_groups)
        if self._several and len(self._laws) != groups:
            raise ValueError(
                f"law must be one law, or one for each of {groups} groups, got {len(self._laws)}"
            )
        for law in self._laws:
            if not callable(law):
                raise TypeError(
                    f"law must give the momentum at a learning rate, like "
                    f"MomentumLaw(C=0.2), got {law!r}"
                )
        if self.total_steps is not None and not self.total_steps >= 1:
            raise ValueError(f"total_steps must be at least 1, got {self.total_steps}")

    def _check(self, index: int, group: Group) -> None:
        name = type(self.optimizer).__name__
        if key_of(group) is None:
            raise ValueError(
                f"{name} has neither momentum nor betas in parameter group {index}; "
                f"its keys are {', '.join(k for k in group if k != 'params')}"
            )
        if self._several and index >= len(self._laws):
            raise ValueError(
                f"parameter group {index} was added after the coupling and has no "
                f"law; give it one: coupling.set_law({index}, law)"
            )
        if group.get("dampening"):
            raise ValueError(
                f"the law is for dampening 0, and parameter group {index} has "
                f"{group['dampening']}; dampening rescales the learning rate with "
                "the momentum"
            )

    def _check_writers(self) -> None:
        if follows_already(self.optimizer):
            raise MomentumConflictError(
                f"the momentum of this {type(self.optimizer).__name__} follows its learning rate "
                "already; coupling.remove() ends an earlier coupling"
            )
        if writers := self._writers():
            raise MomentumConflictError(_twice(writers))

    def _admit(self, group: Group) -> None:
        self._original.append(group[str(key_of(group))])
        self._written.append(_Written())

    def _conflict(self, index: int, group: Group) -> str:
        writers = self._writers()
        if writers:
            return _twice(writers)
        return (
            f"the momentum of parameter group {index} was set to {momentum_of(group):g} since "
            "the last step, not by the coupling; let one of the two write it "
            "(coupling.remove() ends the coupling)"
        )

    def _writers(self) -> list[str]:
        """Schedulers of this optimizer that cycle its momentum, by name."""
        return [
            type(found).__name__
            for found in gc.get_objects()
            if issubclass(type(found), LRScheduler)  # isinstance would wake lazy modules
            and getattr(found, "optimizer", None) is self.optimizer
            and getattr(found, "cycle_momentum", False)
        ]


def follows_already(optimizer: Optimizer) -> bool:
    """Whether the optimizer is coupled, or couples itself."""
    return isinstance(getattr(optimizer, "coupling", None), Coupling) or any(
        isinstance(getattr(hook, "__self__", None), Coupling)
        for hook in optimizer._optimizer_step_pre_hooks.values()
    )


def _twice(writers: list[str]) -> str:
    return (
        f"{' and '.join(writers)} writes the momentum of this optimizer too; pass "
        "cycle_momentum=False to it, or do not couple"
    )


def couple(
    optimizer: Optimizer, law: Law | Sequence[Law], *, total_steps: int | None = None
) -> Coupling:
    """Let the momentum of every parameter group follow its learning rate.

    ::

        optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9)
        couple(optimizer, MomentumLaw.from_reference(0.1, 0.9))

    From then on every step uses the law's momentum at the learning rate of that moment, whatever
    scheduler or hand sets it. Where the law gives 0 (learning rates above ``C^(-3/2)``) the steps
    are those of plain SGD.

    At the ends of a schedule the learning rate goes to 0 and the law's momentum to 1. It stops at
    the law's ``max_momentum`` (by default a memory of 2,000 steps). With ``total_steps`` it also
    never remembers longer than the training still lasts: the last steps then spend the velocity
    rather than keep it.

    Args:
        optimizer: Any optimizer with ``momentum`` (SGD, RMSprop) or ``betas`` (the Adam family,
            whose first beta is then set; the law's theory is for SGD).
        law: From learning rate to momentum, for all groups, or a sequence of one for each.
        total_steps: Length of the training in steps. The steps made are counted in the parameter
            groups (``coupled_steps``), and so survive a checkpoint.

    Returns:
        The coupling: what is in use, and how to end it.

    Raises:
        TypeError: If there is no optimizer, or the law cannot be called.
        ValueError: If a group has no momentum or a dampening, laws and groups differ in number, or
            ``total_steps`` is below 1.
        MomentumConflictError: If a scheduler cycles the momentum; at the first step after, if
            something else has written it.
    """
    return Coupling(unwrapped(optimizer), law, total_steps)
