"""A parameter group as a setting that the rules know, and back."""

import numbers
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from flatfast.rescaling import Rescaled, Setting
from flatfast.torch.groups import LEAST, Group, key_of, momentum_of, written_momentum
from flatfast.torch.rescaling.cells import Cells

KNOWN = ("SGD", "RMSprop", "Adam", "AdamW", "SparseAdam", "NAdam", "RAdam", "Adamax", "Muon")
"""Of ``torch.optim``, with all that inherits from them."""

WITHOUT = {
    "Adagrad": "its squares are summed and never forgotten",
    "Adafactor": "its memory of squares grows with the steps",
    "Adadelta": "its steps have a length of their own, from a decay that no rule speaks of",
    "Rprop": "it takes the signs of gradients without noise",
    "LBFGS": "it is made for gradients without noise",
    "ASGD": "its steps shrink as they are counted",
}
"""Optimizers for which there is no rule, and why."""

FILLED = 0.1
"""Share of an average that may be missing for it to count as full."""


@dataclass(frozen=True)
class Grouped:
    """A parameter group and its setting.

    Attributes:
        group: The optimizer's own.
        setting: What of it a rule may change. Its learning rate is that of the schedule's base
            where there is one: at the first step of a warm-up the moment's is 0.
        doubts: What is taken for granted of its optimizer, in sentences.
        filling: That averages have yet to fill, which counts where betas change.
    """

    group: Group
    setting: Setting
    doubts: tuple[str, ...]
    filling: str | None

    def told(self, new: Rescaled) -> Rescaled:
        """The new setting, with the doubts of this group."""
        filling = (self.filling,) if self.filling and new.betas != self.setting.betas else ()
        return replace(new, doubts=(*new.doubts, *self.doubts, *filling))

    def at(self, momentum: float) -> Setting:
        """The setting at another momentum, of a cycle."""
        betas = self.setting.betas
        if betas is None:
            return replace(self.setting, momentum=momentum)
        return replace(self.setting, betas=(momentum, *betas[1:]))

    def put(self, new: Rescaled, cells: Cells, *, momentum: bool) -> None:
        """Everything but the learning rate, to be written; ``momentum`` if nobody else does.

        Raises:
            ValueError: If a decay becomes 1 in the type of the tensor that holds it.
        """
        group, old = self.group, self.setting
        if momentum and new.betas is not None and new.betas != old.betas:
            _fit("betas", group["betas"], new.betas)
            cells.put(group, "betas", new.betas)
        if momentum and new.momentum is not None and new.momentum != old.momentum:
            # Optimizers that have a velocity would keep it, stale, while momentum is 0.
            cells.put(group, "momentum", new.momentum or LEAST)
            if old.convention == "normalized":
                cells.put(group, "dampening", new.momentum or LEAST)
        for name in ("alpha", "eps", "weight_decay"):
            value = getattr(new, name)
            if value is not None and value != getattr(old, name):
                cells.put(group, name, value)


def grouped(optimizer: Optimizer, index: int, group: Group) -> Grouped:
    """The setting of a parameter group.

    Raises:
        ValueError: If no rule knows its optimizer, or a value is out of its range.
    """
    name = type(optimizer).__name__
    _refuse(optimizer, name)
    key = key_of(group)
    if key is None or "lr" not in group:
        keys = ", ".join(key for key in group if key != "params")
        raise ValueError(
            f"{name} has neither momentum nor betas beside an lr in parameter group {index}; its "
            f"keys are {keys}. Rules are known for {_known_names()}; for anything else give "
            "numbers to flatfast.rescale, and write what it returns"
        )
    try:
        setting = _setting(optimizer, group, key)
    except (TypeError, ValueError) as error:
        raise ValueError(f"parameter group {index} of {name}: {error}") from error
    filling = _filling(optimizer, group) if key == "betas" else None
    return Grouped(group, setting, tuple(_doubts(optimizer, name, key)), filling)


def _fit(name: str, held: Any, decays: Any) -> None:
    for tensor, decay in zip(held, decays, strict=True):
        if isinstance(tensor, Tensor) and not float(torch.tensor(decay, dtype=tensor.dtype)) < 1:
            raise ValueError(
                f"{name} becomes {decay:.8g}, which is 1 in {tensor.dtype}: keep it in a type of "
                "more bits, or as a number"
            )


def refuse_shared(groups: list[Group]) -> None:
    """Refuse groups that share parameters, which would be moved, and rescaled, twice.

    Raises:
        ValueError: If they do.
    """
    owner: dict[int, int] = {}
    for index, group in enumerate(groups):
        for parameter in group["params"]:
            first = owner.setdefault(id(parameter), index)
            if first != index:
                raise ValueError(
                    f"parameter groups {first} and {index} share a parameter of shape "
                    f"{tuple(parameter.shape)}: let each parameter be in one group"
                )


def base_lr(group: Group) -> float:
    """The learning rate that schedules multiply; 1 for a group that stands still."""
    rates = (float(group.get(name, 0.0)) for name in ("initial_lr", "lr"))
    return next((rate for rate in rates if rate != 0), 1.0)


def _setting(optimizer: Optimizer, group: Group, key: str) -> Setting:
    lr, rms = base_lr(group), _is(optimizer, "RMSprop")
    eps = group.get("eps") if key == "betas" or rms else None  # Muon's is of another kind
    momentum = momentum_of(group)
    # Of a momentum of 0 that a law or a rule has written, too: LEAST stands for it in both.
    averages = key == "momentum" and 0 < written_momentum(group) == group.get("dampening")
    scale_free = key == "momentum" and _is(optimizer, "Muon")
    return Setting(
        lr=lr,
        momentum=momentum if key == "momentum" else None,
        betas=_betas(group["betas"]) if key == "betas" else None,
        alpha=float(group["alpha"]) if rms and "alpha" in group else None,
        eps=_number(eps),
        weight_decay=_number(group.get("weight_decay")),
        convention=("scale-free" if scale_free else "normalized" if averages else "heavy-ball"),
        decoupled=_decoupled(optimizer, group),
    )


def _betas(betas: Any) -> tuple[float, ...]:
    first, *rest = map(float, betas)
    return (first if first > LEAST else 0.0, *rest)


def _number(value: Any) -> float | None:
    """None for what is not one number, as the eps of some."""
    return float(value) if isinstance(value, numbers.Real | Tensor) else None  # NumPy's too


def _decoupled(optimizer: Optimizer, group: Group) -> bool | None:
    """Whether weights decay by ``lr * weight_decay``; None where the core's guess has to do."""
    if "decoupled_weight_decay" in group:
        return bool(group["decoupled_weight_decay"])
    if _is(optimizer, "AdamW") or _is(optimizer, "Muon"):
        return True
    return False if _known(optimizer) else None


def _is(optimizer: Optimizer, kind: str) -> bool:
    """By class or by name: other packages have their own."""
    own = getattr(torch.optim, kind, None)
    named = kind.lower() in type(optimizer).__name__.lower()
    return named or (own is not None and isinstance(optimizer, own))


def _known(optimizer: Optimizer) -> bool:
    kinds = tuple(getattr(torch.optim, kind) for kind in KNOWN if hasattr(torch.optim, kind))
    return isinstance(optimizer, kinds)


def _known_names() -> str:
    return f"{', '.join(KNOWN[:-1])} and {KNOWN[-1]}"


def _refuse(optimizer: Optimizer, name: str) -> None:
    for kind, why in WITHOUT.items():
        if _is(optimizer, kind) and not _known(optimizer):
            raise ValueError(
                f"no rule is known for {name}: {why}. Rules are known for {_known_names()}"
            )
    if all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval")):
        raise ValueError(
            f"no rule is known for {name}: its momentum is the place between weights to train and "
            f"weights to use, and no memory. Rules are known for {_known_names()}"
        )


def _doubts(optimizer: Optimizer, name: str, key: str) -> list[str]:
    if _known(optimizer):
        return []
    kind = "SGD's"
    if key == "betas":
        kind = "Adam's, of gradients first and then of their squares"
    elif _is(optimizer, "Muon"):
        kind = "Muon's"
    return [f"{key} of {name} is taken for {kind}: no rule was derived for {name} itself"]


def _filling(optimizer: Optimizer, group: Group) -> str | None:
    """That averages still fill, whose bias is corrected by the count of steps."""
    state: dict[str, Any] = next((s for p in group["params"] if (s := optimizer.state.get(p))), {})
    steps = float(state.get("step") or 0)
    missing = [beta for beta in _betas(group["betas"]) if steps and beta**steps > FILLED]
    if not missing:
        return None
    return (
        f"after {steps:.0f} steps the average of beta {max(missing):g} is not full yet, and its "
        "correction counts steps: at another beta it takes the average for fuller, or emptier, "
        "than it is. Rescale before the first step, or later"
    )
