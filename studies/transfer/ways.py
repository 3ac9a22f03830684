"""What is compared: ways to carry a tuned setting over a change of batch or learning rate."""

import math
from dataclasses import dataclass
from typing import Literal

from flatfast.rescaling import Rescaled, Setting, rescale
from studies.transfer.optimizers import Hyper, Optimizer


@dataclass(frozen=True)
class Change:
    """What is changed.

    Attributes:
        what: ``batch`` or ``lr``.
        factor: New over old.
    """

    what: Literal["batch", "lr"]
    factor: float

    @property
    def name(self) -> str:
        """``batch x 4``, for parts and tables."""
        sign, factor = ("x", self.factor) if self.factor > 1 else ("/", 1 / self.factor)
        return f"{self.what} {sign} {factor:g}"

    def batch(self, base: int) -> int:
        """The batch after it."""
        return round(base * self.factor) if self.what == "batch" else base


def shown(change: str) -> str:
    """A change's name as tables and figures have it."""
    return change.replace(" x ", " × ").replace(" / ", " ÷ ")


CHANGES = (
    Change("batch", 0.25),
    Change("batch", 4.0),
    Change("batch", 16.0),
    Change("lr", 0.25),
    Change("lr", 4.0),
)

TUNED, NOTHING = "tuned again", "nothing"
"""The oracle, with which all are compared; and the setting as it was (at a changed learning rate:
that changed, and all else as it was)."""


@dataclass(frozen=True)
class Way:
    """A way to carry a setting.

    Attributes:
        name: What it is called.
        rule: A name of :func:`flatfast.rules`; none where it changes the learning rate alone.
        power: At a changed batch, the power of its factor by which the learning rate is multiplied;
            None where the rule sets it.
    """

    name: str
    rule: str = ""
    power: float | None = None


_LR_ALONE = Way("square root", power=0.5)
_NOTHING = Way(NOTHING, power=0.0)

BATCH_WAYS: dict[Optimizer, tuple[Way, ...]] = {
    "SGD": (
        Way("path", "path"),
        Way("linear", "linear"),
        Way("noise-scale", "noise-scale"),
        Way("law", "law"),
        Way("law at linear's lr", "law", 1.0),
        _LR_ALONE,
        _NOTHING,
    ),
    "AdamW": (
        Way("adam-sde", "adam-sde"),
        Way("half-life", "half-life"),
        Way("half-life at square root", "half-life", 0.5),
        _LR_ALONE,
        Way("linear", "linear"),
        _NOTHING,
    ),
    "Muon": (
        Way("adam-sde", "adam-sde"),
        _LR_ALONE,
        Way("linear", "linear"),
        _NOTHING,
    ),
}
"""``critical`` and ``effective-step`` do nothing at a changed batch, and ``ema`` nothing here; for
Muon ``half-life`` is left, which changes nothing of Muon's own; ``linear`` for AdamW and Muon is
outside of its domain, and what many do."""

LR_WAYS: dict[Optimizer, tuple[Way, ...]] = {
    "SGD": (
        Way("law", "law"),
        Way("critical", "critical"),
        Way("effective-step", "effective-step"),
        _NOTHING,
    ),
    "AdamW": (_NOTHING,),
    "Muon": (_NOTHING,),
}
"""``noise-scale`` is ``effective-step`` here; what is left for the others, ``half-life`` and
``ema``, changes the learning rate alone."""


def ways(optimizer: Optimizer, change: Change) -> tuple[Way, ...]:
    """The ways that apply."""
    return (BATCH_WAYS if change.what == "batch" else LR_WAYS)[optimizer]


def carried(
    optimizer: Optimizer, tuned: Hyper, change: Change, way: Way
) -> tuple[Hyper, tuple[str, ...]]:
    """The new setting by a way, and what the rule cannot keep."""
    factor = change.factor
    if not way.rule:
        by = factor ** (way.power or 0.0) if change.what == "batch" else factor
        return tuned._replace(lr=tuned.lr * by), ()
    found = _rescaled(setting_of(optimizer, tuned), tuned.lr, change, way)
    if found.betas is None:
        return Hyper(found.lr, found.first), found.doubts
    first, second = found.betas
    return Hyper(found.lr, first, second, found.eps, found.weight_decay), found.doubts


def _rescaled(setting: Setting, lr: float, change: Change, way: Way) -> Rescaled:
    if change.what == "lr":
        return rescale(setting, lr=lr * change.factor, rule=way.rule)
    asked = None if way.power is None else lr * change.factor**way.power
    return rescale(setting, batch=(1.0, change.factor), lr=asked, rule=way.rule)


def setting_of(optimizer: Optimizer, hyper: Hyper) -> Setting:
    """A setting as :func:`flatfast.rescale` takes it.

    Muon's is that of the AdamW which trains its vectors: by every rule compared its matrices get
    the same learning rate and momentum.
    """
    if optimizer == "SGD":
        return Setting(lr=hyper.lr, momentum=hyper.first)
    return Setting(
        lr=hyper.lr,
        betas=(hyper.first, hyper.second),
        eps=hyper.eps,
        weight_decay=hyper.weight_decay,
    )


def squares_at(base: float, factor: float) -> tuple[float, ...]:
    """Decays of squared gradients that are tried at a batch so many times as large."""
    return (base,) if math.isclose(factor, 1) else (base, base**factor)
