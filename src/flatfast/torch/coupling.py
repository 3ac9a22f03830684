"""Momentum that follows the learning rate, in an optimizer of any make.

The coupling is a hook that runs before every step. It reads each parameter group's learning rate,
whoever set it and however often, and writes the momentum that the law gives there. Nothing is added
to the training loop, and the optimizer's state is its own: a checkpoint is that of the plain
optimizer, with the momentum last used.

What a change of momentum does. The velocity ``p <- momentum * p + g`` is a sum of gradients and is
left as it is; the learning rate multiplies it at each step. When both change slowly against the
momentum's memory, which is the law's regime, the step stays ``lr / (1 - momentum)`` times the mean
gradient throughout.
"""

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from flatfast.calibration import Calibration
from flatfast.torch.cautions import Cautions
from flatfast.torch.copies import Carried
from flatfast.torch.followed import CoupledGroup, follow_group, known
from flatfast.torch.groups import give_buffers, is_average, momentum_of, part_betas
from flatfast.torch.hooks import LastPreHook
from flatfast.torch.laws import Law, checked, one_for_each, refuse_where_none
from flatfast.torch.others import Others, OtherWriters
from flatfast.torch.steps import STEPS, StepCount, all_zero, made, with_gradients
from flatfast.torch.wrappers import layers
from flatfast.torch.writers import coupled_twice, refuse_other_writers


class Coupling:
    """An optimizer whose momentum follows its learning rate; made by :func:`flatfast.torch.couple`.

    Attributes:
        optimizer: The optimizer that makes the steps, the innermost where it was wrapped.
        total_steps: Length of the training in steps, where it was given.
        others: What is done where another hand writes the momentum.
        rescaled: From which batch to which its laws were carried, if they were.
    """

    rescaled: dict[str, Any] | None = None

    def __init__(
        self,
        optimizer: Any,
        law: Law | Calibration | Sequence[Law],
        total_steps: int | None = None,
        *,
        others: Others = "raise",
        hook: bool = True,
    ) -> None:
        """As :func:`flatfast.torch.couple`; without ``hook`` the optimizer calls :meth:`follow`."""
        self._layers = layers(optimizer)
        self.optimizer: Optimizer = self._layers[-1]
        self._steps = StepCount(total_steps)
        self.total_steps = self._steps.total
        groups = self.optimizer.param_groups
        laws = one_for_each(law, len(groups))
        self._common = None if isinstance(law, Sequence) else laws[0]  # of groups added later
        if coupling_of(self.optimizer) is not None:
            raise coupled_twice(self.optimizer)
        self._writers = OtherWriters(others, self._layers)
        self.others = others
        refuse_other_writers(self._layers, others)
        self._followed = [
            follow_group(self.optimizer, index, group, own)
            for index, (group, own) in enumerate(zip(groups, laws, strict=True))
        ]
        part_betas(groups)  # last, as a refusal is to leave everything as it was
        give_buffers(self.optimizer)
        self._undo: dict[int, tuple[float, tuple[float, float] | None]] = {}
        self._stepping = self._at_zero = False
        self._cautions = Cautions(self.total_steps)
        self._attach(hook)

    def _attach(self, hook: bool) -> None:
        own = self.optimizer
        self._handles: list[Any] = [
            layer.register_load_state_dict_post_hook(self._after_load)
            for layer in self._layers
            if "_optimizer_load_state_dict_post_hooks" in vars(layer)
        ]
        if self.total_steps is not None or self.others == "yield":
            self._handles.append(own.register_state_dict_pre_hook(self._before_save))
        if hook:
            self._handles.append(LastPreHook(own, self._before_step))
            self._handles.append(own.register_step_post_hook(self._after_step))
            self._handles.append(Carried(own, self.settings, restored))

    # --- For the user ------------------------------------------------------------------------

    def groups(self) -> list[CoupledGroup]:
        """What each parameter group used at the last step, for a log; empty once removed."""
        self._align()
        left = self._steps.left(self.optimizer.param_groups)
        found = []
        for index, each in enumerate(self._followed):
            lr = float(each.group["lr"])
            used = each.used or (lr, each.momentum(index, lr, left))
            average = is_average(self.optimizer, each.group) or bool(each.averages)
            found.append(CoupledGroup.of(*used, average=average))
        return found

    def set_law(self, index: int, law: Law) -> None:
        """Give a parameter group, one that was added later for instance, a law of its own.

        Raises:
            TypeError: If the law cannot be called.
            ValueError: If there is no such group, or no law for it but a function of the user's.
        """
        groups = len(self.optimizer.param_groups)
        if not 0 <= index < groups:
            raise ValueError(f"index must be in [0, {groups}), got {index}")
        self._align()
        refuse_where_none(self.optimizer, self.optimizer.param_groups[index], law)
        self._followed[index].law = checked(law)
        self._followed[index].lr = None  # to be written anew
        self._common = None

    def law(self, index: int) -> Law | None:
        """The law of a parameter group, for its learning rates.

        None for a group that came later, where each has its own.
        """
        self._align()
        return self._followed[index].applied

    def leaves(self, index: int) -> bool:
        """Whether a parameter group's momentum is left to another hand at present."""
        return self._followed[index].still is not None

    def settings(self) -> dict[str, Any]:
        """From which an equal coupling of a copy can be made, by :func:`restored`."""
        self._align()
        groups = [each.settings() for each in self._followed]
        own = {"common": self._common, "rescaled": self.rescaled, "others": self.others}
        return {**own, "total_steps": self.total_steps, "groups": groups}

    def take_over(self, settings: dict[str, Any]) -> None:
        """Go on where the coupling stands whose settings these are."""
        self._common, self.rescaled = settings["common"], settings.get("rescaled")
        for each, own in zip(self._followed, settings["groups"], strict=True):
            each.restore(own)

    def remove(self) -> None:
        """End the coupling: every group gets back the momentum that it had before."""
        self._align()
        for handle in self._handles:
            handle.remove()
        for each in self._followed:
            each.give_back()
            each.group.pop(STEPS, None)
        self._writers.forget(self._followed)
        self._handles, self._followed = [], []

    def __enter__(self) -> "Coupling":
        """The coupling, to be removed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the coupling."""
        self.remove()

    def __repr__(self) -> str:
        name = type(self.optimizer).__name__
        if not self._handles:
            return f"Coupling({name}, removed)"
        groups = "; ".join(f"group {i}: {each}" for i, each in enumerate(self._followed))
        counted = made(self.optimizer.param_groups)
        ending = f"; {counted} of {self.total_steps} steps" if self.total_steps else ""
        return f"Coupling({name}; {groups}{ending})"

    def __reduce__(self) -> Any:
        """A copy is the coupling of the optimizer's copy."""
        return coupling_of, (self.optimizer,)

    # --- At every step -----------------------------------------------------------------------

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.follow()

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.settle()

    def follow(self) -> None:
        """Write the momentum of every group for the step to come.

        Raises:
            MomentumConflictError: If something else has written a momentum, which ``others`` does
                not allow, or a dampening.
            ValueError: If a group was added that cannot be coupled, or a law leaves [0, 1).
        """
        if not self._handles:
            return
        groups, followed = self.optimizer.param_groups, self._followed
        self._stepping = True
        if len(groups) != len(followed):
            self._align()
        changed = []
        for index, group in enumerate(groups):
            each = followed[index]
            if each.group is not group:
                self._align()
                each = followed[index]
            value = group.get("momentum")
            if value is None:
                value = group["betas"]
            # The common case, and the only one whose cost counts: nothing has changed.
            if (
                group["lr"] is each.lr
                and value is each.value
                and group.get("dampening") is each.dampening
                and self.total_steps is None
                and type(each.lr) is float
            ):
                continue
            changed.append(index)
        if changed:
            self._write(changed)

    def _write(self, changed: list[int]) -> None:
        left = self._steps.left(self.optimizer.param_groups)
        for index in changed:
            each = self._followed[index]
            lr = float(each.group["lr"])
            if self._writers.keep(index, each):
                each.leave(lr)
                continue
            momentum = each.momentum(index, lr, left)
            if lr == 0:
                self._undo.setdefault(index, each.before())
            each.write(lr, momentum)
            self._cautions.tell(each, left)
        self._at_zero = all(each.used is not None and each.used[0] == 0 for each in self._followed)

    def settle(self) -> None:
        """After a step: count it; or, if nothing was trained by it, take back what was written.

        Where a subclass's ``step`` calls its base's, the hooks run twice, and this counts once.
        """
        if not self._stepping:
            return
        self._stepping = False
        undo, self._undo = self._undo, {}
        if self._at_zero and all_zero(with_gradients(self.optimizer.param_groups)):
            for index, before in undo.items():
                self._followed[index].take_back(*before)
        else:
            self._steps.count(self.optimizer)
            self._writers.count(self._followed)

    def _align(self) -> None:
        """Follow the groups that there are: some may have been added, removed or made anew."""
        groups = self.optimizer.param_groups
        if not self._handles or [id(g) for g in groups] == [id(e.group) for e in self._followed]:
            return
        part_betas(groups)
        self._followed[:] = [
            each or follow_group(self.optimizer, index, groups[index], self._common)
            for index, each in enumerate(known(groups, self._followed))
        ]

    # --- Checkpoints -------------------------------------------------------------------------

    def _before_save(self, optimizer: Optimizer) -> None:
        # Utilities that fill in a state read the keys that it has.
        if self.total_steps is not None:
            for group in optimizer.param_groups:
                group.setdefault(STEPS, made(optimizer.param_groups))
        self._align()
        self._writers.save(self._followed)

    def _after_load(self, loaded: Optimizer) -> None:
        if loaded is not self.optimizer:
            for each, group in zip(self._followed, loaded.param_groups, strict=False):
                each.await_loaded(momentum_of(group))
            return
        self._align()
        part_betas(self.optimizer.param_groups)
        for each in self._followed:
            each.adopt(each.group)
        self._writers.load(self._followed)
        give_buffers(self.optimizer)


def coupling_of(optimizer: Optimizer) -> Coupling | None:
    """The optimizer's coupling, if it is coupled or couples itself."""
    hooks = optimizer._optimizer_step_pre_hooks.values()
    owners = [getattr(optimizer, "coupling", None), *(getattr(h, "__self__", None) for h in hooks)]
    return next((owner for owner in owners if isinstance(owner, Coupling)), None)


def restored(optimizer: Optimizer, settings: dict[str, Any], *, hook: bool = True) -> Coupling:
    """Couple a copy as the optimizer is coupled whose :meth:`Coupling.settings` these are."""
    others = settings.get("others", "raise")
    total_steps = settings["total_steps"]
    coupling = Coupling(optimizer, _to_come, total_steps, others=others, hook=hook)
    coupling.take_over(settings)
    return coupling


def _to_come(lr: float) -> float:
    """Stands for laws that are taken over before anyone asks; there is no optimizer without it."""
    raise AssertionError(f"asked for the momentum at lr {lr:g} before its law was taken over")
