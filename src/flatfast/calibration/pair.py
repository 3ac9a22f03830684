"""Learning rate and momentum together: the law's momentum, just below where steps are stable.

Along the law the time of the drift falls as ``lr^(-2/3)``, so that the fastest pair is the one with
the largest learning rate at which training stays in the valley. A mode of curvature λ is stable
below ``lr λ = 2 (1 + momentum)``, and the pair solves

    lr λ_max (1 + margin) = 2 (1 + momentum),    momentum = 1 - C lr^(2/3).

The margin has three parts. :data:`ROOM` is kept free in any case. The largest curvature is known
from below, with the error of its iterations. And the weights fluctuate about the valley: label
noise keeps the variance ``lr s^2 / (2 (1 - momentum))`` in every direction across it, by which the
sharpness varies, by a share delta of it. To first order that averages out over the momentum's
memory; ``SWING delta^2`` is allowed for. (What the largest curvature itself varies by would take
its own slope.) Along the law delta falls as ``lr^(1/6)`` only: where it is large, from about
:data:`LOUD` on, no learning rate near the limit is safe, and a few runs of a hundred are thrown
off.

Where a step takes a part of the examples, those that it leaves out add noise that grows with the
fluctuation itself, and ``lr tr G / (2 B (1 - momentum))`` has to stay below :data:`BATCH`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from flatfast.law import MomentumLaw
from flatfast.timescales import stability_limit

ROOM = 0.05
"""Share of the limit that is kept free, whatever the noise."""

SWING = 12.0
"""Of the squared fluctuation, in the margin.

Chosen on four problems of the lab, with fluctuations of 0.01, 0.04, 0.06 and 0.25: the first three
lose no run at 0.95 of the limit, on the last the share lost falls from a fifth at 0.72 of the limit
to a hundredth at 0.45 (``python -m studies calibration --only 'pair*'``).
"""

LOUD = 0.08
"""Fluctuation of the sharpness, as a share of it, from which on some runs are lost.

On the scalar product a few of a hundred are at 0.09 and at 0.25; below 0.06 none was seen
(``results/calibration``).
"""

BATCH = 0.5
"""``lr tr G / (2 B mu)`` from which on the examples that a batch leaves out add to the noise."""

DIGITS = 3
"""Of the learning rate, which is rounded down."""


@dataclass(frozen=True)
class Pair:
    """A learning rate and the law's momentum at it.

    Attributes:
        lr: Learning rate.
        momentum: The law's there.
        margin: Share by which the largest curvature may exceed what was measured.
        fluctuation: Standard deviation of the sharpness about the valley there, as a share of it.
        limit: The learning rate up to which this momentum is stable at the measured curvature.
        bound: What holds the learning rate down: ``curvature``, or the noise of ``batches``.
    """

    lr: float
    momentum: float
    margin: float
    fluctuation: float
    limit: float
    bound: str


@dataclass(frozen=True)
class Valley:
    """What bounds the learning rate at a point.

    Attributes:
        largest: Largest curvature, positive.
        error: Its error, as a share.
        sharpness: ``tr G``.
        slope: ``|∇ tr G|^2``.
        noise: Trace of the covariance of the gradient's lasting noise.
        batch: Examples of a step; infinite where these are all.
    """

    largest: float
    error: float
    sharpness: float
    slope: float
    noise: float
    batch: float = math.inf

    def margin(self, lr: float, momentum: float) -> float:
        """By how much the largest curvature may exceed what was measured, as a share."""
        return ROOM + self.error + SWING * self.fluctuation(lr, momentum) ** 2

    def fluctuation(self, lr: float, momentum: float) -> float:
        """Standard deviation of the sharpness about the valley, as a share of it."""
        variance = lr * self.noise / self.sharpness / (2 * (1 - momentum))
        return math.sqrt(variance * max(self.slope, 0.0)) / self.sharpness

    def excess(self, lr: float, momentum: float) -> float:
        """See :func:`batch_excess`."""
        return batch_excess(lr, momentum, self.sharpness, self.batch)


def batch_excess(lr: float, momentum: float, sharpness: float, batch: float) -> float:
    """``lr tr G / (2 B mu)``: what batches add to a fluctuation, over the fluctuation itself."""
    return lr * sharpness / (2 * batch * (1 - momentum))


def fastest(law: MomentumLaw, valley: Valley) -> Pair:
    """The law's pair with the largest learning rate that is stable.

    Args:
        law: Of the calibrated C.
        valley: What bounds the learning rate; its curvature is positive.
    """

    def steady(lr: float) -> bool:
        momentum = law(lr)
        return lr * (1 + valley.margin(lr, momentum)) < float(
            stability_limit(momentum, valley.largest)
        )

    def calm(lr: float) -> bool:
        return valley.excess(lr, law(lr)) < BATCH

    highest = 4 / valley.largest
    by_curvature, by_batches = _last(steady, highest), _last(calm, highest)
    lr = _rounded_down(min(by_curvature, by_batches))
    momentum = law(lr)
    return Pair(
        lr=lr,
        momentum=momentum,
        margin=valley.margin(lr, momentum),
        fluctuation=valley.fluctuation(lr, momentum),
        limit=float(stability_limit(momentum, valley.largest)),
        bound="batches" if by_batches < by_curvature else "curvature",
    )


def _last(holds: Callable[[float], bool], highest: float) -> float:
    """The largest learning rate up to which something holds, by halving in its logarithm."""
    if holds(highest):
        return highest
    low, high = math.log(highest) - 60.0, math.log(highest)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(math.exp(middle)) else (low, middle)
    return math.exp(low)


def _rounded_down(value: float) -> float:
    unit = 10.0 ** (math.floor(math.log10(value)) - DIGITS + 1)
    return float(f"{math.floor(value / unit) * unit:.{DIGITS}g}")
