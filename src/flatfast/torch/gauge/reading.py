"""What one parameter group used at a step, and what it means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor
from torch.optim import Optimizer, RMSprop

from flatfast.law import GAMMA, MomentumLaw
from flatfast.timescales import stability_limit
from flatfast.torch.coupling import Coupling, coupling_of
from flatfast.torch.groups import LEAST, Group, is_average, key_of


@dataclass(frozen=True)
class GroupReading:
    """A parameter group at a step.

    Attributes:
        lr: Learning rate; NaN where the optimizer finds its own.
        momentum: Momentum, or the first beta; 0 where the optimizer has neither.
        memory: How long a gradient is remembered, ``1 / (1 - momentum)`` steps.
        effective_step: Learning rate of everything slower than that: ``lr / (1 - momentum)`` for
            a velocity, which sums gradients; ``lr`` for an average of them, as in Adam and Muon.
        stability_limit: Curvature from which on a mode diverges, ``2 (1 + momentum) / lr``; NaN
            where steps do not follow the gradient itself.
        C: Prefactor of the law that is followed; where none is, what the momentum amounts to,
            ``(1 - momentum) / lr^(2/3)``. NaN for an average that follows none.
        summed: Whether momentum is the factor of a sum of gradients, not the weight of an average.
    """

    lr: float
    momentum: float
    memory: float
    effective_step: float
    stability_limit: float
    C: float
    summed: bool = True

    def numbers(self) -> dict[str, float]:
        """Those that are there, by name."""
        names = [field.name for field in fields(self) if field.name != "summed"]
        every = {name: float(getattr(self, name)) for name in names}
        return {name: value for name, value in every.items() if not math.isnan(value)}


@dataclass(frozen=True)
class Held:
    """What a group used, as it was found: tensors are not read back before :meth:`read`.

    Attributes:
        lr: Learning rate, a number or a tensor; None where the optimizer finds its own.
        momentum: A number, a tensor, or the law that gives it at the learning rate.
        C: Prefactor of the law, if one of the project's is followed.
        average: Whether momentum weighs an average of gradients.
        raw: Whether steps follow the gradient itself, not a normalised one.
        nesterov: Whether the momentum is Nesterov's.
        dampening: Share of a gradient that does not enter the velocity.
    """

    lr: Any
    momentum: Any
    C: float | None
    average: bool
    raw: bool
    nesterov: bool
    dampening: float

    def kept(self) -> "Held":
        """A copy that later steps do not write in, made where the tensors are."""
        lr, momentum = (
            each.detach().clone() if isinstance(each, Tensor) else each
            for each in (self.lr, self.momentum)
        )
        return Held(lr, momentum, self.C, self.average, self.raw, self.nesterov, self.dampening)

    def read(self) -> GroupReading:
        """The numbers; waits for an accelerator that has them."""
        lr = math.nan if self.lr is None else float(self.lr)
        found = self.momentum(lr) if callable(self.momentum) else self.momentum
        momentum = float(found)
        momentum = momentum if momentum > LEAST else 0.0
        memory = 1 / (1 - momentum) if momentum < 1 else math.inf
        weight = 1.0 if self.average else (1 - self.dampening) * memory
        limit, C = self._limit(lr, momentum), self._prefactor(lr, momentum)
        return GroupReading(lr, momentum, memory, lr * weight, limit, C, not self.average)

    def _limit(self, lr: float, momentum: float) -> float:
        if not (self.raw and 0 <= momentum < 1 and lr >= 0):
            return math.nan
        scale = lr * (1 - self.dampening)
        if scale == 0:
            return math.inf
        return float(stability_limit(momentum, scale, nesterov=self.nesterov))

    def _prefactor(self, lr: float, momentum: float) -> float:
        if self.C is not None:
            return self.C
        summed = lr * (1 - self.dampening)  # heavy ball's learning rate
        return (1 - momentum) / summed**GAMMA if summed > 0 and not self.average else math.nan


Used = tuple[Any, Any]
"""Learning rate and momentum of a group as the optimizer holds them: momentum, betas or None."""


def used_now(optimizer: Optimizer) -> list[Used]:
    """What every group holds; cheap, for it is asked after every step."""
    return [
        (g.get("lr"), g["momentum"] if "momentum" in g else g.get("betas"))
        for g in optimizer.param_groups
    ]


def held(optimizer: Optimizer, used: Sequence[Used] | None) -> list[Held]:
    """What every group used at the last step.

    Args:
        optimizer: The optimizer.
        used: What was found after it; None before the first step, for what would be used now.
    """
    groups, coupling = optimizer.param_groups, coupling_of(optimizer)
    if used is None or len(used) != len(groups):
        used = _to_come(optimizer, coupling)
    return [
        _held(optimizer, group, coupling, index, *each)
        for index, (group, each) in enumerate(zip(groups, used, strict=True))
    ]


def _to_come(optimizer: Optimizer, coupling: Coupling | None) -> list[Used]:
    if coupling is None or _on_device(optimizer.param_groups[0].get("lr")):
        return used_now(optimizer)
    return [(each.lr, each.momentum) for each in coupling.groups()]


def _held(
    optimizer: Optimizer, group: Group, coupling: Coupling | None, index: int, lr: Any, found: Any
) -> Held:
    law = coupling.law(index) if coupling is not None else None
    if isinstance(found, tuple | list):
        found = found[0]
    # There the law is evaluated where the learning rate is, and the group does not hold it.
    if law is not None and _on_device(lr) and getattr(optimizer, "coupling", None) is coupling:
        found = law
    average = is_average(optimizer, group)
    return Held(
        lr,
        0.0 if found is None else found,
        prefactor(law),
        average,
        "momentum" in group and not average and not isinstance(optimizer, RMSprop),
        bool(group.get("nesterov", False)),
        float(group.get("dampening", 0.0)) if key_of(group) == "momentum" else 0.0,
    )


def prefactor(law: Any) -> float | None:
    """C of a law of the project's; None for another, and for one that is a constant momentum."""
    if isinstance(law, MomentumLaw) and law.min_momentum < law.max_momentum:
        return float(law.C)
    return None


def _on_device(lr: Any) -> bool:
    return isinstance(lr, Tensor) and lr.device.type != "cpu"
