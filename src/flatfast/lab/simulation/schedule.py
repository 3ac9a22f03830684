"""Learning rate and momentum that change during a run."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp

Schedule: TypeAlias = Callable[
    [jax.Array, jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]
]
"""Learning rate and momentum at the peak, number of the step (from 0) and length of the run, to the
learning rate and momentum of the step."""


@dataclass(frozen=True)
class OneCycle:
    """One cycle: the learning rate up and then down, the momentum against it.

    Smith and Topin (arXiv 1708.07120), in the definitions and with the defaults of
    ``torch.optim.lr_scheduler.OneCycleLR``: cosines from ``peak / div_factor`` to the peak over the
    first ``pct_start`` of the steps, and from there to ``peak / (div_factor * final_div_factor)``;
    the momentum from ``max_momentum`` to its value at the peak and back.

    Attributes:
        pct_start: Share of the steps in which the learning rate rises, in (0, 1).
        max_momentum: Momentum of the first and of the last step, in [0, 1).
        div_factor: Peak over the first learning rate.
        final_div_factor: First over the last learning rate.

    Raises:
        ValueError: If a value is out of range.
    """

    pct_start: float = 0.3
    max_momentum: float = 0.95
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        if not 0 < self.pct_start < 1:
            raise ValueError(f"pct_start must be in (0, 1), got {self.pct_start}")
        if not 0 <= self.max_momentum < 1:
            raise ValueError(f"max_momentum must be in [0, 1), got {self.max_momentum}")
        for name in ("div_factor", "final_div_factor"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be positive and finite, got {getattr(self, name)}")

    def __call__(
        self, lr: jax.Array, momentum: jax.Array, step: jax.Array, length: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Learning rate and momentum of a step.

        Args:
            lr: Learning rate at the peak.
            momentum: Momentum at the peak.
            step: Number of the step, from 0.
            length: Steps of the whole run.
        """
        at, last = step.astype(lr.dtype), length.astype(lr.dtype) - 1
        peak = self.pct_start * (last + 1) - 1
        rising = at <= peak
        way = jnp.where(rising, at / peak, (last - at) / (last - peak))
        # (1 - cos(pi way)) / 2, without the cancellation that would swallow the smallest rates.
        height = jnp.sin(math.pi / 2 * way) ** 2
        first = lr / self.div_factor
        foot = jnp.where(rising, first, first / self.final_div_factor)
        return (
            foot + (lr - foot) * height,
            self.max_momentum + (momentum - self.max_momentum) * height,
        )
