"""What bounds momentum in ordinary training, where there is no law.

Minibatch noise that fades with the residuals leaves two bounds of ``mu = 1 - momentum``:

* *Settling.* Near a minimum the smallest residual shrinks as long as ``mu`` is above
  ``lr tr H / (2 B)``: below, batches throw the run out again, and it leaves for a flatter place or
  wanders. It is linear stability in the mean square, for batches of B drawn from many examples.
* *Damping.* A mode of curvature λ settles soonest at ``mu = 2 sqrt(lr λ)``: with less friction it
  swings, with more it creeps. The one that counts is the slowest that still matters.

How the best mu of sweeps lies beside them is measured in ``studies/ordinary``; :attr:`Window.best`
says what held there, which describes those sweeps and promises nothing.
"""

import math
from dataclasses import dataclass

import numpy as np

from flatfast.calibration.landscape import Landscape, samples
from flatfast.calibration.noise import Noise
from flatfast.calibration.pair import batch_excess
from flatfast.calibration.tangent import solve

MATTERS = 0.1
"""Share of what there is to fall of the loss, by the gradient, that is left to slower modes."""

FLAT = 1e-4
"""Curvature, as a share of ``tr G``, below which a mode is not looked at."""

SETTLED = (1.9, 8.2)
"""Multiples of the first bound between which the best mu of all sweeps lay."""

DAMPED = (0.58, 1.2)
"""The same of the second: the best mu was above both lower ends, and below one of the upper."""

SEEN = 2.0
"""Squared mean gradient over its error's square from which on its modes are seen."""


@dataclass(frozen=True)
class Window:
    """Two bounds of ``mu = 1 - momentum`` at a learning rate.

    Attributes:
        settles: Least mu at which batches let a run settle, ``lr tr H / (2 B)``; 0 where a step
            takes all examples.
        damps: The mu at which the slowest mode that matters settles soonest, ``2 sqrt(lr λ)``; NaN
            where the gradient was too noisy to tell it.
    """

    settles: float
    damps: float

    @property
    def best(self) -> tuple[float, float]:
        """Where the best mu lay beside these bounds in every sweep; both may exceed 1.

        With the second bound unknown the upper end is that of the first alone, and the best may lie
        above it.
        """
        damps = 0.0 if math.isnan(self.damps) else self.damps
        low = max(SETTLED[0] * self.settles, DAMPED[0] * damps)
        return low, max(SETTLED[1] * self.settles, DAMPED[1] * damps)

    def place(self, mu: float) -> str:
        """Where a mu lies: ``"below"`` the best ones, ``"within"`` or ``"above"`` them."""
        low, high = self.best
        return "below" if mu < low else "above" if mu > high else "within"


def window_of(
    landscape: Landscape, noise: Noise, sharpness: float, lr: float, products: int
) -> tuple[Window, int]:
    """Measure both bounds.

    Args:
        landscape: Makes products, and knows its batch.
        noise: Gradients seen so far, whose mean is asked for its modes.
        sharpness: ``tr G``.
        lr: The learning rate.
        products: Most products.

    Returns:
        The window, and the products made.
    """
    damps, made = slowest_damping(landscape, noise, sharpness, lr, products)
    return Window(settling(landscape, sharpness, lr), damps), made


def settling(landscape: Landscape, sharpness: float, lr: float) -> float:
    """The first bound: ``lr tr G / (2 B)``, 0 where a step takes all examples."""
    if not samples(landscape):
        return 0.0
    return batch_excess(lr, 0.0, sharpness, landscape.batch_size)


def slowest_damping(
    landscape: Landscape, noise: Noise, sharpness: float, lr: float, products: int
) -> tuple[float, int]:
    """The second bound, NaN where it cannot be told, and products made."""
    curvature, made = slowest(landscape, noise, sharpness, products)
    return 2 * math.sqrt(lr * curvature), made


def slowest(
    landscape: Landscape, noise: Noise, sharpness: float, products: int
) -> tuple[float, int]:
    """Curvature of the slowest mode that matters for the fall of the loss, and products made.

    In the quadratic model the loss has ``g_i^2 / (2 λ_i)`` to fall in a mode. Conjugate gradients
    from the mean gradient give these as a sum over nodes; that node is taken below which
    :data:`MATTERS` of the whole lies. NaN where the mean gradient is not told from its noise.
    """
    mean = noise.mean
    square = float(mean @ mean)
    error = noise.total * landscape.batches_per_step / len(noise.fresh)
    if not (sharpness > 0 and products > 0 and square > SEEN * error):
        return math.nan, 0
    found = solve(landscape, mean, FLAT * sharpness, products)
    nodes, weights = found.lower
    kept = nodes > FLAT * sharpness
    if not kept.any():
        return math.nan, found.products
    order = np.argsort(nodes[kept])
    curvature = nodes[kept][order]
    falls = np.cumsum(weights[kept][order] / curvature)
    place = int(np.searchsorted(falls / falls[-1], MATTERS))
    return float(curvature[place]), found.products
