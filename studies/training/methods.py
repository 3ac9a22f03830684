"""What is compared: ways to choose the momentum, under three schedules of the learning rate.

The rules ``1 - momentum = C lr^gamma`` go through the same tuned pair and differ in gamma: 2/3 is
the law; 1 keeps the pair's effective step ``lr / (1 - momentum)``; 1/2 is the heavy ball's rule for
descent without noise. At the pair's learning rate, held constant, they are one run.
"""

from dataclasses import dataclass

from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from flatfast import MomentumLaw
from flatfast.law import GAMMA
from flatfast.torch import couple

FIXED = {"momentum 0.9": 0.9, "momentum 0.99": 0.99}
LAW, CYCLED = "law", "cycled momentum"
HALF, SAME_STEP = "exponent 1/2", "constant effective step"

EXPONENTS = {LAW: GAMMA, HALF: 1 / 2, SAME_STEP: 1.0}
"""Rules through the tuned pair."""

SCHEDULES = ("constant", "cosine", "one cycle")

PAIRS = (
    *((method, schedule) for schedule in SCHEDULES for method in (*FIXED, LAW)),
    *((method, "constant") for method in (HALF, SAME_STEP)),
    (CYCLED, "one cycle"),
)
"""Every method with every schedule that it has. The other exponents are asked the one question that
is theirs: what becomes of a tuned pair whose learning rate is changed."""

REFERENCE = ("momentum 0.9", "constant")
"""The pair that is tuned, and from which the rules' C is transferred."""


def transferred(name: str, lr: float) -> MomentumLaw:
    """The rule of this name through the reference's momentum at a learning rate."""
    return MomentumLaw.from_reference(lr, FIXED[REFERENCE[0]], EXPONENTS[name])


@dataclass(frozen=True)
class Method:
    """A way to train.

    Attributes:
        name: A key of :data:`FIXED` or of :data:`EXPONENTS`, or ``cycled momentum`` (OneCycleLR's,
            0.85 to 0.95).
        schedule: ``constant``, ``cosine`` (to 0) or ``one cycle``.
        lr: Learning rate: constant, at the start, or at the cycle's peak.
        C: Prefactor of the rules of :data:`EXPONENTS`; None for other methods.
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
            couple(optimizer, MomentumLaw(self.C, EXPONENTS[self.name]), total_steps=steps)
        return optimizer, scheduler
