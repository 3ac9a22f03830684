"""Muon (Keller Jordan, 2024): momentum whose matrices are orthogonalised before the step.

Weights that are matrices, ``(inputs, outputs)``, move along ``U V^T`` of their averaged gradient,
which five Newton-Schulz iterations give approximately; all others (biases, vectors) move by Adam,
at the same learning rate and momentum.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from flatfast.lab.problem import Params
from flatfast.lab.simulation.optimizers.adam import Adam
from flatfast.lab.simulation.optimizers.rule import Memory, check_not_negative, check_share

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the iteration's polynomial, as PyTorch and Optax have them."""

ITERATIONS = 5

LEAST_NORM = 1e-7
"""A matrix of a smaller norm is not stretched to 1."""


@dataclass(frozen=True)
class Muon:
    """``m <- momentum * m + (1 - momentum) * g``, then ``w <- w - lr * scale * orthogonal(m)``.

    ``scale`` is ``sqrt(max(1, outputs / inputs))``: PyTorch's ``original`` and Optax's default.

    Attributes:
        beta2: Of Adam, for what is no matrix.
        eps: Of Adam, for what is no matrix.
        nesterov: Orthogonalise ``(1 - momentum) * g + momentum * m``, the default elsewhere.

    Raises:
        ValueError: If a setting is out of range.
    """

    beta2: float = 0.999
    eps: float = 1e-8
    nesterov: bool = False

    name: ClassVar[str] = "muon"

    def __post_init__(self) -> None:
        check_share("beta2", self.beta2)
        check_not_negative("eps", self.eps)

    @property
    def _adam(self) -> Adam:
        return Adam(self.beta2, self.eps)

    def begin(self, params: Params) -> Memory:
        """An average of zero for matrices, Adam's memory for the others.

        Raises:
            ValueError: If there is no matrix among the parameters.
        """
        matrices, others = _parted(params)
        if not matrices:
            shapes = ", ".join(str(leaf.shape) for leaf in others)
            raise ValueError(
                f"muon needs parameters that are matrices, got arrays of shape {shapes}"
            )
        return [jnp.zeros_like(leaf) for leaf in matrices], self._adam.begin(others)

    def step(
        self,
        params: Params,
        gradient: Params,
        memory: Memory,
        lr: jax.Array,
        momentum: jax.Array,
        count: jax.Array,
    ) -> tuple[Params, Memory]:
        """See :class:`flatfast.lab.simulation.optimizers.rule.Rule`."""
        new = 1 - momentum
        matrices, others = _parted(params)
        slopes, of_others = _parted(gradient)
        average = [momentum * m + new * g for m, g in zip(memory[0], slopes, strict=True)]
        along = average
        if self.nesterov:
            along = [new * g + momentum * m for m, g in zip(average, slopes, strict=True)]
        moved = [
            w - lr * math.sqrt(max(1.0, w.shape[1] / w.shape[0])) * orthogonal(m)
            for w, m in zip(matrices, along, strict=True)
        ]
        adapted, kept = self._adam.step(others, of_others, memory[1], lr, momentum, count)
        return _together(params, moved, adapted), (average, kept)


def orthogonal(matrix: jax.Array) -> jax.Array:
    """A matrix with its singular values brought near 1.

    Args:
        matrix: (R, C).

    Returns:
        (R, C), the same singular vectors; values that were above about 1% of the Frobenius norm lie
        between 0.7 and 1.2.
    """
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    a, b, c = COEFFICIENTS
    x = wide / jnp.maximum(jnp.linalg.norm(wide), LEAST_NORM)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def _parted(params: Params) -> tuple[list[jax.Array], list[jax.Array]]:
    """The leaves that are matrices, and the others."""
    leaves = jax.tree.leaves(params)
    return [w for w in leaves if w.ndim == 2], [w for w in leaves if w.ndim != 2]


def _together(like: Params, matrices: list[jax.Array], others: list[jax.Array]) -> Params:
    leaves, tree = jax.tree.flatten(like)
    left, right = iter(matrices), iter(others)
    return jax.tree.unflatten(tree, [next(left if w.ndim == 2 else right) for w in leaves])
