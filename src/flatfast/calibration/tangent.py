"""How much of the sharpness's slope lies along the manifold, by conjugate gradients.

Across the manifold a mode of curvature λ follows a force only as far as its spring allows; it does
so in ``mu / (lr λ)`` steps. Within the drift's own time the modes below a cutoff c have not yet
felt their springs and count as along. So the part along is ``|f g|^2`` with the filter
``f = c / (G + c)``: ``g · f^2 g``. Of a mode far above the cutoff this leaves ``(c / λ)^2``, less
than any drift needs to set its own cutoff (:mod:`.settled`); of ``g · f g`` a drift would be left
where there is none.

Conjugate gradients span a space in which G is a tridiagonal matrix, whatever the cutoff. With what
vectors that are to be multiplied have in it, kept as a few numbers an iteration, all cutoffs are at
hand, and no more vectors are needed for them. The tridiagonal matrix is besides a Gauss quadrature
for ``g · f^2 g``, a lower bound, and with a node put at zero, Gauss-Radau, an upper bound (Golub
and Meurant, *Matrices, Moments and Quadrature*, 2010, chapter 6).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flatfast.calibration.landscape import Landscape, Vector
from flatfast.calibration.settled import rungs_below, settled
from flatfast.estimate import Estimate

Array = NDArray[np.float64]


class Quadrature(NamedTuple):
    """``g · h(G) g / |g|^2`` as a sum over nodes."""

    nodes: Array
    weights: Array

    def share(self, cutoffs: Array) -> Array:
        """Of the squared filter, at each cutoff."""
        found: Array = squared_filter(cutoffs, self.nodes) @ self.weights
        return np.clip(found, 0.0, 1.0)


class Solution(NamedTuple):
    """``(G + c) y = g``, nearly; and what is known of g at any other cutoff.

    Attributes:
        y: (D,).
        lower, upper: Bounds of the share ``|f g|^2 / |g|^2``.
        nodes: (K,) eigenvalues of G in the space of the iterations.
        products_with: (K, N) ``g · f^2 p`` of the N vectors p that were given is the sum over nodes
            of the squared filter times these.
        largest: Largest eigenvalue of G, from below; an eigenvalue lies within its error.
        products: Products made.
    """

    y: Vector
    lower: Quadrature
    upper: Quadrature
    nodes: Array
    products_with: Array
    largest: Estimate
    products: int

    @property
    def smallest(self) -> float:
        """Smallest eigenvalue that g has a part in, from above."""
        return float(self.nodes[0]) if len(self.nodes) else 0.0

    def bounds(self, cutoffs: Array) -> tuple[Array, Array]:
        """Of the share at each cutoff."""
        low = self.lower.share(cutoffs)
        return low, np.maximum(self.upper.share(cutoffs), low)

    def filtered_with(self, cutoffs: Array) -> Array:
        """(M, N) ``g · f^2 p`` at M cutoffs."""
        found: Array = squared_filter(cutoffs, self.nodes) @ self.products_with
        return found


ENOUGH = 0.02
"""Relative distance of the bounds, and of the part across from its solution, at which iterations
end."""

NOTHING = 1e-30
"""Squared residual, relative to the slope's square, that is rounding in double precision too: a
step on from there divides by what may have underflowed."""


UPPER = 0.75
"""Weight of the upper bound of the share in what is taken for it.

Where a slope has a part along the manifold, the iterations find late how flat it is: the share is
nearer to the upper bound (``tests/calibration/test_parts.py``).
"""

SPREAD = (1 / 12 + (UPPER - 0.5) ** 2) ** 0.5
"""Standard error of that in units of the bounds' distance, as if evenly spread between them."""


def between(low: Array, high: Array) -> Array:
    """What is taken for a share of which the bounds are known."""
    return (1 - UPPER) * low + UPPER * high


def solve(
    landscape: Landscape,
    g: Vector,
    cutoff: float,
    iterations: int,
    onto: Sequence[Vector] = (),
    whole: float | None = None,
) -> Solution:
    """Conjugate gradients from zero.

    Args:
        landscape: Makes products with G.
        g: (D,), not zero.
        cutoff: c, positive.
        iterations: Most products.
        onto: Vectors (D,) whose products with the filtered g are wanted.
        whole: The cutoff of a drift that all of g drives: the bounds are then wanted where the
            part along sets the cutoff, see :mod:`.settled`, and not at c.
    """
    r, d = g, g
    y = g * 0.0
    squared = first = float(r @ r)
    steps: list[float] = []
    ratios: list[float] = []
    rows: list[list[float]] = []
    rungs = np.array([cutoff]) if whole is None else rungs_below(whole)
    found = None
    for number in range(iterations):
        # Of the orthonormal basis of a tridiagonal matrix whose off-diagonal is positive.
        sign = (-1) ** number / squared**0.5
        rows.append([sign * float(r @ p) for p in onto])
        q = landscape.product(d) + d * cutoff
        step = squared / float(d @ q)
        y, r = y + d * step, r - q * step
        rest = float(r @ r)
        steps.append(step)
        ratios.append(rest / squared)
        found = _solution(y, steps, ratios, cutoff, np.array(rows) * first**0.5)
        # The part across, which tells how far off the manifold is, is to be solved for as well.
        across = (1 - float(found.lower.share(np.array([cutoff]))[0])) * first
        if rest <= NOTHING * first:
            break
        if rest <= ENOUGH**2 * across and _closed(found, rungs, whole):
            break
        d, squared = r + d * ratios[-1], rest
    if found is None:
        raise ValueError(f"iterations must be at least 1, got {iterations}")
    return found


def _closed(found: Solution, rungs: Array, whole: float | None) -> bool:
    """Whether the bounds have met where they are wanted."""
    low, high = found.bounds(rungs)
    if whole is None:
        return bool(high[0] - low[0] <= ENOUGH * low[0])
    at = settled(rungs, high, whole)
    if at is None:
        return True  # nothing along even by the upper bound
    low, high = found.bounds(np.array([at]))
    return bool(high[0] - low[0] <= ENOUGH * low[0])


def _solution(
    y: Vector, steps: list[float], ratios: list[float], cutoff: float, rows: Array
) -> Solution:
    """From the tridiagonal matrix of G, its bounds, and the rows of what it is multiplied with."""
    a, b = np.asarray(steps), np.asarray(ratios)
    diagonal = 1 / a
    diagonal[1:] += b[:-1] / a[:-1]
    off = np.sqrt(b) / a
    diagonal = diagonal - cutoff
    nodes, vectors = _decomposed(diagonal, off[:-1])
    # A node at zero: solve T delta = off^2 e_k for the last entry of the enlarged matrix.
    T = _tridiagonal(diagonal, off[:-1])
    right = np.zeros(len(a))
    right[-1] = off[-1] ** 2
    last = np.linalg.lstsq(T, right, rcond=None)[0][-1]
    more, outer = _decomposed(np.append(diagonal, last), off)
    return Solution(
        y,
        Quadrature(nodes, vectors[0] ** 2),
        Quadrature(more, outer[0] ** 2),
        nodes,
        vectors[0][:, None] * (vectors.T @ rows),
        # The residual of the steepest of the matrix's eigenvectors.
        Estimate(nodes[-1], abs(off[-1] * vectors[-1, -1])),
        len(a),
    )


def squared_filter(cutoffs: Array, nodes: Array) -> Array:
    """(M, K) ``(c / (λ + c))^2``."""
    c = cutoffs[:, None]
    found: Array = (c / (nodes + c)) ** 2
    return found


def _decomposed(diagonal: Array, off: Array) -> tuple[Array, Array]:
    """Eigenvalues, none below zero, and eigenvectors."""
    nodes, vectors = np.linalg.eigh(_tridiagonal(diagonal, off))
    return np.maximum(nodes, 0.0), vectors


def _tridiagonal(diagonal: Array, off: Array) -> Array:
    found: Array = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    return found
