"""What a calibration found: the prefactor, what it was made of, what it cost, and its doubts."""

import math
from dataclasses import dataclass

from flatfast.calibration.pair import Pair
from flatfast.calibration.verdict import Doubt, Verdict
from flatfast.calibration.window import Window
from flatfast.estimate import Estimate
from flatfast.law import GAMMA, MomentumLaw, effective_step

DAMPING = 1 / math.sqrt(2)
"""``C / C*``: how much of critical damping is given to the drift's last swing.

The damping ratio is ``(C / C*)^(3/2)``, since the pull weakens as C grows
(:mod:`flatfast.theory.oscillator`). At ``1 / sqrt(2)`` the oscillator overshoots by 10% of its
displacement, and a metric that is quadratic in it by 1%, which hardly a goal sees. Less damping is
faster for a goal that is known (0.39 for a tenth), by at most a third; but below it runs swing out
of the goal again, and their time doubles at once. Too much damping only creeps.
"""

MODEL_ERROR = 0.6
"""What one point cannot know, as a standard deviation of ``log(best C / C)``.

Where the sharpness ends, and how fast its slow directions relax. The root mean square over the
lab's problems (``results/calibration``), on which it was set, rounded up.
"""

NORMAL_95 = 1.96


class CalibrationError(RuntimeError):
    """There is no law to be had from a calibration, or none yet; says why, and what to do."""


FALLBACK_MOMENTUM = 0.9
"""What most training has, and what is said to use where nothing better is known."""

FALLBACK = f"momentum {FALLBACK_MOMENTUM:g}, or what has served you"
"""What is advised where the law does not apply."""


@dataclass(frozen=True)
class Ahead:
    """A look ahead, for a fall of the sharpness that was asked for.

    Attributes:
        fall: Share of the sharpness that training is to take off.
        start: C where training is.
        there: C where the look ahead has ended; NaN where there is no law, or not far enough.
        share: Sharpness there, as a share of the start's.
        exponent: Of C in the sharpness, between the two and on the safe side; NaN likewise.
        error: Relative standard error of ``start``.
    """

    fall: float
    start: float
    there: float
    share: float
    exponent: float
    error: float


@dataclass(frozen=True, repr=False)
class Result:
    """The prefactor of ``1 - momentum = C lr^(2/3)``, measured at one point.

    Attributes:
        C: The prefactor, and its error from draws of noise and probes; NaN where nothing could be
            measured.
        kappa: Rate of the drift in time ``(lr / (1 - momentum))^2`` times steps.
        critical: ``(4 kappa)^(1/3)``, at which the end of the drift is critically damped.
        lr: Learning rate that was asked for, or that of the pair; C depends on it weakly. NaN where
            none was given and there is no law.
        sharpness: ``tr G``.
        noise: Trace of the covariance of the gradient's lasting noise.
        noise_total: The same for all noise of a step, that of the batch's choice included.
        slope: ``|∇ tr G|^2``.
        along: Its part along the manifold.
        share_low: Bounds of the share of the slope that is along.
        share_high: See ``share_low``.
        cutoff: Curvature below which modes count as along.
        largest: Largest curvature, from below; a curvature lies within its error (NaN where an
            earlier version did not keep it).
        reach: How far along the manifold the sharpness would end if it went on as a parabola, in
            units of the weights' length; NaN without a slope.
        off: Change of the sharpness on the way to the manifold, over the sharpness.
        misfit: Squared slope of the loss in the outputs, over that of outputs dealt to wrong
            examples: 0 on the manifold, 1 where nothing has been learnt; NaN where not known.
        evaluations: Cost in gradient evaluations of one batch.
        seconds: Cost in seconds.
        weight_decay: That of the optimizer and of the loss itself, which is weighed against the
            noise; NaN where none was told and the loss has none.
        lasts: What was taken for lasting noise: ``"fresh"``, what is drawn anew at each look at a
            batch, or ``"all"``, the choice of the batch too.
        settles: Least ``1 - momentum`` at which batches let a run settle near a minimum of this
            sharpness, ``lr tr G / (2 B)``; 0 where a step takes all examples, NaN if not known.
        damps: The ``1 - momentum`` at which the slowest mode that matters settles soonest,
            ``2 sqrt(lr λ)``, measured where no noise lasts; NaN elsewhere, or if not known.
        momentum: The one in use, where it was told; NaN if it was not.
        doubts: What speaks against using it.
        ahead: What C rests on where it is that of a goal ahead; None where it is that of one point.
        pair: Learning rate and momentum together, where no learning rate was given; None where one
            was, or where there is no law.
    """

    C: Estimate
    kappa: float
    critical: float
    lr: float
    sharpness: Estimate
    noise: Estimate
    noise_total: float
    slope: float
    along: Estimate
    share_low: float
    share_high: float
    cutoff: float
    largest: Estimate
    reach: float
    off: Estimate
    misfit: Estimate
    evaluations: int
    seconds: float
    weight_decay: float = math.nan
    lasts: str = "fresh"
    settles: float = math.nan
    damps: float = math.nan
    momentum: float = math.nan
    doubts: tuple[Doubt, ...] = ()
    ahead: Ahead | None = None
    pair: Pair | None = None

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
    def window(self) -> Window | None:
        """What bounds momentum where there is no law, as no noise lasts; None elsewhere.

        Also where neither bound is known.
        """
        ordinary = any(doubt.verdict is Verdict.NO_LASTING_NOISE for doubt in self.doubts)
        known = self.settles > 0 or self.damps > 0
        return Window(self.settles, self.damps) if ordinary and known else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the best C lies, 95%: statistical error and what one point cannot know."""
        spread = NORMAL_95 * math.hypot(self.C.relative, MODEL_ERROR)
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

    def __repr__(self) -> str:
        if not self.ok:
            what = "nothing known yet" if self.unresolved else "no law"
            fatal = ", ".join(doubt.verdict for doubt in self._fatal)
            at = "" if math.isnan(self.lr) else f" at lr {self.lr:g}"
            return f"{type(self).__name__}({what}{at}: {fatal})"
        low, high = self.interval
        momentum = self.law(self.lr)
        return (
            f"{type(self).__name__}(C={self.C:.3g}, 95% {low:.2g} to {high:.2g}: "
            f"momentum {momentum:.4g} at lr {self.lr:g})"
        )
