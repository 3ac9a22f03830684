"""Why a calibration is doubted, and what to do: a verdict is the reason with its remedy."""

from dataclasses import dataclass
from enum import StrEnum

WIDE = 0.25
"""Relative standard error of C from which on it is called wide."""

LARGER = "a larger budget"
"""What a remedy asks for, until it is known how large."""


class Verdict(StrEnum):
    """Why a calibration is doubted; the reason's name, with what to do.

    By the first four the law does not apply. By the fifth nothing is known yet: there were too few
    gradients to tell. The others qualify a law that was found.

    Attributes:
        remedy: What to do about it, a sentence; empty where there is nothing to be done.
        fatal: Whether there is no law, or none yet.
    """

    remedy: str
    fatal: bool

    def __new__(cls, name: str, remedy: str = "", fatal: bool = False) -> "Verdict":
        """A string like any other, with the rest beside it."""
        found = str.__new__(cls, name)
        found._value_, found.remedy, found.fatal = name, remedy, fatal
        return found

    OFF_MANIFOLD = (
        "not near the manifold of minimizers",
        "Train until the loss has settled, and calibrate there (Gaussian noise on labels may be "
        "off meanwhile; flips and dropout not, since they move the minimum).",
        True,
    )
    NO_LASTING_NOISE = (
        "no lasting noise",
        "Draw noise afresh at every step (flatfast.torch.LabelNoise, LabelFlips, or dropout), if "
        "its way to flat minima is wanted.",
        True,
    )
    NO_CURVATURE = "no curvature", "With log-probabilities give logits and cross-entropy.", True
    NO_SLOPE = "no slope along the manifold", "", True
    UNRESOLVED = "signal below its error", f"Give {LARGER}.", True
    UNSTABLE = (
        "learning rate beyond stability",
        "Lower lr, or calibrate where training at this lr has come to rest.",
    )
    UNCERTAIN = "wide error", f"For an error of {WIDE:.0%} give {LARGER}."
    NO_MOMENTUM = "learning rate beyond the law"
    BATCH_NOISE = "noise of small batches", "Prefer the lower momenta of the interval."
    WEIGHT_DECAY = (
        "weight decay",
        "With such weight decay compare with the momentum that has served.",
    )


@dataclass(frozen=True)
class Doubt:
    """A verdict on one calibration.

    Attributes:
        verdict: The verdict.
        message: What was seen, with its numbers.
        budget: Gradient evaluations that would do, where more are asked for.
    """

    verdict: Verdict
    message: str
    budget: int | None = None

    @property
    def remedy(self) -> str:
        """The verdict's, with its number; empty where there is nothing to be done."""
        if self.budget is None:
            return self.verdict.remedy
        enough = f"a budget of about {self.budget:,} gradient evaluations"
        return self.verdict.remedy.replace(LARGER, enough)

    @property
    def fatal(self) -> bool:
        """Whether there is no law, or none yet."""
        return self.verdict.fatal

    def __str__(self) -> str:
        """Verdict and message."""
        return f"{self.verdict}: {self.message}"
