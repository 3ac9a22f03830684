"""What is compared: ways to choose the momentum, under three schedules of the learning rate."""

from dataclasses import dataclass

from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from flatfast import MomentumLaw
from flatfast.torch import couple

FIXED = {"momentum 0.9": 0.9, "momentum 0.99": 0.99}
LAW, CYCLED = "law", "cycled momentum"

SCHEDULES = ("constant", "cosine", "one cycle")

PAIRS = (
    *((method, schedule) for schedule in SCHEDULES for method in (*FIXED, LAW)),
    (CYCLED, "one cycle"),
)
"""Every method with every schedule that it has."""

REFERENCE = ("momentum 0.9", "constant")
"""The pair that is tuned, and from which the law's C is transferred."""


@dataclass(frozen=True)
class Method:
    """A way to train.

    Attributes:
        name: A key of :data:`FIXED`, ``law`` or ``cycled momentum`` (OneCycleLR's, 0.85 to 0.95).
        schedule: ``constant``, ``cosine`` (to 0) or ``one cycle``.
        lr: Learning rate: constant, at the start, or at the cycle's peak.
        C: The law's prefactor; None for other methods.
    """

    name: str
    schedule: str
    lr: float
    C: float | None = None

    def optimizer(self, network: nn.Module, steps: int) -> tuple[SGD, LRScheduler]:
        """Optimizer and scheduler for a run of ``steps``."""
        optimizer = SGD(network.parameters(), lr=self.lr, momentum=FIXED.get(self.name, 0.9))
        scheduler: LRScheduler
        if self.schedule == "constant":
            scheduler = ConstantLR(optimizer, factor=1.0)
        elif self.schedule == "cosine":
            scheduler = CosineAnnealingLR(optimizer, T_max=steps)
        else:
            scheduler = OneCycleLR(
                optimizer, self.lr, total_steps=steps + 1, cycle_momentum=self.name == CYCLED
            )
        if self.C is not None:
            couple(optimizer, MomentumLaw(self.C), total_steps=steps)
        return optimizer, scheduler
