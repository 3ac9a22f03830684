"""How much of the sharpness's slope lies along the manifold, by conjugate gradients.

Across the manifold a mode of curvature λ follows a force only as far as its spring allows; it does
so in ``mu / (lr λ)`` steps. Within the drift's own time the modes below a cutoff have not yet felt
their springs and count as along. So the part along is that of the filter ``c / (G + c)``, c being
the cutoff, and one solution of ``(G + c) y = g`` gives it.

Conjugate gradients that stop early bracket it: their tridiagonal matrix is a Gauss quadrature for
``g · c / (G + c) g``, a lower bound, and with a node put at zero, Gauss-Radau, an upper bound
(Golub and Meurant, *Matrices, Moments and Quadrature*, 2010, chapter 6).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flatfast.calibration.landscape import Landscape, Vector


class Solution(NamedTuple):
    """``(G + c) y = g``, nearly.

    Attributes:
        y: (D,).
        low, high: Bounds of the share ``g · c / (G + c) g / |g|^2``.
        largest: Largest eigenvalue of G, from below.
        smallest: Smallest eigenvalue that g has a part in, from above.
        products: Products made.
    """

    y: Vector
    low: float
    high: float
    largest: float
    smallest: float
    products: int

    @property
    def share(self) -> float:
        """Between the bounds, at their geometric mean."""
        return float(np.sqrt(self.low * self.high))


ENOUGH = 0.02
"""Relative distance of the bounds, and of the part across from its solution, at which iterations
end."""

NOTHING = 1e-30
"""Squared residual, relative to the slope's square, that is rounding in double precision too: a
step on from there divides by what may have underflowed."""


def solve(landscape: Landscape, g: Vector, cutoff: float, iterations: int) -> Solution:
    """Conjugate gradients from zero.

    Args:
        landscape: Makes products with G.
        g: (D,), not zero.
        cutoff: c, positive.
        iterations: Most products.
    """
    r, d = g, g
    y = g * 0.0
    squared = whole = float(r @ r)
    steps: list[float] = []
    ratios: list[float] = []
    low, high = 0.0, 1.0
    nodes = np.zeros(1)
    for _ in range(iterations):
        q = landscape.product(d) + d * cutoff
        step = squared / float(d @ q)
        y, r = y + d * step, r - q * step
        rest = float(r @ r)
        steps.append(step)
        ratios.append(rest / squared)
        nodes, low, high = _bounds(steps, ratios, cutoff)
        # The part across, which tells how far off the manifold is, is to be solved for as well.
        across = (1 - low) * whole
        if rest <= NOTHING * whole:
            break
        if rest <= ENOUGH**2 * across and high - low <= ENOUGH * low:
            break
        d, squared = r + d * ratios[-1], rest
    return Solution(y, low, high, float(nodes[-1]), float(max(nodes[0], 0.0)), len(steps))


def _bounds(
    steps: list[float], ratios: list[float], cutoff: float
) -> tuple[NDArray[np.float64], float, float]:
    """Eigenvalues of the tridiagonal matrix of G, and the quadratures of the filter."""
    a, b = np.asarray(steps), np.asarray(ratios)
    diagonal = 1 / a
    diagonal[1:] += b[:-1] / a[:-1]
    off = np.sqrt(b) / a
    diagonal = diagonal - cutoff
    nodes, low = _quadrature(diagonal, off[:-1], cutoff)
    # A node at zero: solve T delta = off^2 e_k for the last entry of the enlarged matrix.
    T = _tridiagonal(diagonal, off[:-1])
    right = np.zeros(len(a))
    right[-1] = off[-1] ** 2
    last = np.linalg.lstsq(T, right, rcond=None)[0][-1]
    _, high = _quadrature(np.append(diagonal, last), off, cutoff)
    return nodes, min(low, 1.0), float(np.clip(high, low, 1.0))


def _quadrature(
    diagonal: NDArray[np.float64], off: NDArray[np.float64], cutoff: float
) -> tuple[NDArray[np.float64], float]:
    nodes, vectors = np.linalg.eigh(_tridiagonal(diagonal, off))
    weights = vectors[0] ** 2
    return nodes, float(weights @ (cutoff / (np.maximum(nodes, 0.0) + cutoff)))


def _tridiagonal(diagonal: NDArray[np.float64], off: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    return found
