"""What a calibration found: the prefactor, what it was made of, what it cost, and its doubts."""

import json
import math
from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from flatfast.law import GAMMA, MomentumLaw, effective_step

DAMPING = 1 / math.sqrt(2)
"""``C / C*``: the damping ratio that is given to the drift's last swing.

At ``1 / sqrt(2)`` an oscillator overshoots by ``exp(-pi)``, 4% of its displacement: a metric that
is quadratic in it never sees the overshoot, whatever the goal. Less damping is faster for a goal
that is known (0.39 for a tenth), by at most a third; but below it runs swing out of the goal again,
and their time doubles at once. Too much damping only creeps.
"""

MODEL_ERROR = 0.6
"""What one point cannot know, as a standard deviation of ``log(best C / C)``.

Where the sharpness ends, and how fast its slow directions relax. The root mean square over the
lab's problems (``results/calibration``), on which it was set, rounded up.
"""

NORMAL_95 = 1.96


class Verdict(StrEnum):
    """Why a calibration is doubted.

    By the first four the law does not apply. By the fifth nothing is known yet: there were too few
    gradients to tell. The others qualify a law that was found.
    """

    OFF_MANIFOLD = "not near the manifold of minimizers"
    NO_LASTING_NOISE = "no lasting noise"
    NO_CURVATURE = "no curvature"
    NO_SLOPE = "no slope along the manifold"
    UNRESOLVED = "signal below its error"
    UNSTABLE = "learning rate beyond stability"
    UNCERTAIN = "wide error"
    NO_MOMENTUM = "learning rate beyond the law"
    BATCH_NOISE = "noise of small batches"
    WEIGHT_DECAY = "weight decay"


FATAL = frozenset(
    {
        Verdict.OFF_MANIFOLD,
        Verdict.NO_LASTING_NOISE,
        Verdict.NO_CURVATURE,
        Verdict.NO_SLOPE,
        Verdict.UNRESOLVED,
    }
)
"""Without a law, for whichever of the two reasons."""


class CalibrationError(RuntimeError):
    """There is no law to be had from a calibration, or none yet; says why, and what to do."""


FALLBACK = "momentum 0.9, or what has served you"
"""What is advised where the law does not apply."""


@dataclass(frozen=True)
class Doubt:
    """A verdict in words.

    Attributes:
        verdict: The verdict.
        message: What was seen, with its numbers.
        remedy: What to do about it, a sentence; empty where there is nothing to be done.
    """

    verdict: Verdict
    message: str
    remedy: str = ""

    @property
    def fatal(self) -> bool:
        """Whether there is no law, or none yet."""
        return self.verdict in FATAL

    def __str__(self) -> str:
        """Verdict and message."""
        return f"{self.verdict}: {self.message}"


@dataclass(frozen=True, repr=False)
class Calibration:
    """The prefactor of ``1 - momentum = C lr^(2/3)``, measured at one point.

    ``str()`` tells it in words, ``law`` is to be used, :meth:`figure` draws it.

    Attributes:
        C: The prefactor; NaN where nothing could be measured.
        C_error: Its relative standard error, from draws of noise and probes.
        kappa: Rate of the drift in time ``(lr / (1 - momentum))^2`` times steps.
        critical: ``(4 kappa)^(1/3)``, at which the end of the drift is critically damped.
        lr: Learning rate that was asked for; C depends on it weakly.
        sharpness: ``tr G``, with its relative standard error.
        sharpness_error: See ``sharpness``.
        noise: Trace of the covariance of the gradient's lasting noise, with its relative error.
        noise_error: See ``noise``.
        noise_total: The same for all noise of a step, that of the batch's choice included.
        slope: ``|∇ tr G|^2``.
        along: Its part along the manifold, with its relative standard error.
        along_error: See ``along``.
        share_low: Bounds of the share of the slope that is along.
        share_high: See ``share_low``.
        cutoff: Curvature below which modes count as along.
        largest: Largest curvature.
        reach: How far along the manifold the sharpness would end if it went on as a parabola, in
            units of the weights' length; NaN without a slope.
        off: Change of the sharpness on the way to the manifold, relative, with its standard error.
        off_error: See ``off``.
        misfit: Squared slope of the loss in the outputs, relative to that of outputs dealt to wrong
            examples: 0 on the manifold, 1 where nothing has been learnt; NaN where not known.
        misfit_error: Its standard error.
        evaluations: Cost in gradient evaluations of one batch.
        seconds: Cost in seconds.
        weight_decay: That of the optimizer and of the loss itself, which is weighed against the
            noise; NaN where none was told and the loss has none.
        doubts: What speaks against using it.
    """

    C: float
    C_error: float
    kappa: float
    critical: float
    lr: float
    sharpness: float
    sharpness_error: float
    noise: float
    noise_error: float
    noise_total: float
    slope: float
    along: float
    along_error: float
    share_low: float
    share_high: float
    cutoff: float
    largest: float
    reach: float
    off: float
    off_error: float
    misfit: float
    misfit_error: float
    evaluations: int
    seconds: float
    weight_decay: float = math.nan
    doubts: tuple[Doubt, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is a law."""
        return not self._fatal

    @property
    def unresolved(self) -> bool:
        """Whether nothing is known yet: no law, for want of gradients alone."""
        return bool(self._fatal) and {d.verdict for d in self._fatal} == {Verdict.UNRESOLVED}

    @property
    def _fatal(self) -> list[Doubt]:
        return [doubt for doubt in self.doubts if doubt.fatal]

    @property
    def interval(self) -> tuple[float, float]:
        """Where the best C lies, 95%: statistical error and what one point cannot know."""
        spread = NORMAL_95 * math.hypot(self.C_error, MODEL_ERROR)
        return self.C * math.exp(-spread), self.C * math.exp(spread)

    @property
    def law(self) -> MomentumLaw:
        """The law with this C.

        Raises:
            CalibrationError: If there is none.
        """
        if self.refusal is not None:
            advice = "" if self.unresolved else f"use {FALLBACK}: "
            raise CalibrationError(advice + self.refusal)
        return MomentumLaw(self.C)

    @property
    def refusal(self) -> str | None:
        """Why there is no law, all reasons, and what to do; None if there is one."""
        if self.ok:
            return None
        because = "; ".join(str(doubt) for doubt in self._fatal)
        return " ".join([f"{self.outcome}, because {because}.", *self.remedies])

    @property
    def outcome(self) -> str:
        """Whether the law applies, in a few words; or that this is not known yet."""
        if self.unresolved:
            return (
                f"nothing is known yet, {self.evaluations:,} gradient evaluations are too few to "
                "tell the 2/3 law's C here"
            )
        return "the 2/3 law applies" if self.ok else "the 2/3 law does not apply here"

    @property
    def remedies(self) -> list[str]:
        """What to do about the doubts, each once."""
        return list(dict.fromkeys(doubt.remedy for doubt in self.doubts if doubt.remedy))

    def decay_share(self, weight_decay: float) -> float:
        """How fast weight decay moves the weights along the manifold, over how fast noise does.

        Both at ``lr`` and the law's momentum: decay by ``weight_decay lr / (1 - momentum)`` a step.
        """
        step = effective_step(self.lr, MomentumLaw(self.C)(self.lr))
        return weight_decay * step * self.relaxation_steps

    @property
    def relaxation_steps(self) -> float:
        """Steps in which the drift relaxes to 1/e at ``lr`` and the law's momentum."""
        return 4 * DAMPING**2 / self.critical * float(self.lr**-GAMMA)

    def to_json(self) -> str:
        """As JSON, for :meth:`from_json`; what is not finite is null."""
        return json.dumps({name: _plain(value) for name, value in asdict(self).items()}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Calibration":
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: If it is something else.
        """
        found: dict[str, Any] = json.loads(text)
        names = {field.name for field in fields(cls)}
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if not isinstance(found, dict) or not needed <= set(found) <= names:
            raise ValueError("this is not a calibration's JSON: its fields are others")
        found = {k: math.nan if v is None else v for k, v in found.items()}
        found["doubts"] = tuple(
            Doubt(Verdict(doubt["verdict"]), doubt["message"], doubt.get("remedy", ""))
            for doubt in found.get("doubts", ())
        )
        return cls(**found)

    def figure(self, path: str | Path | None = None) -> Any:
        """Draw what was measured and the law it implies; needs Matplotlib.

        Args:
            path: Where to save it, if anywhere.

        Returns:
            The Matplotlib figure.
        """
        from flatfast.calibration.figure import draw

        return draw(self, path)

    def __repr__(self) -> str:
        if not self.ok:
            what = "nothing known yet" if self.unresolved else "no law"
            fatal = ", ".join(doubt.verdict for doubt in self._fatal)
            return f"Calibration({what} at lr {self.lr:g}: {fatal})"
        low, high = self.interval
        momentum = self.law(self.lr)
        return (
            f"Calibration(C={self.C:.3g}, 95% {low:.2g} to {high:.2g}: "
            f"momentum {momentum:.4g} at lr {self.lr:g})"
        )

    def __str__(self) -> str:
        """In words."""
        from flatfast.calibration.words import told

        return told(self)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
