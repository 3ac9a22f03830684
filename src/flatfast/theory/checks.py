"""Checks of what a user gives: numbers and times that must be finite, positive, in order."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def check_positive(name: str, value: float) -> None:
    """Check that a number is positive and finite.

    Raises:
        ValueError: If it is not.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")


def check_noise(noise_std: float) -> None:
    """Check the standard deviation of label noise, which may be zero.

    Raises:
        ValueError: If it is negative or not finite.
    """
    if not 0 <= noise_std < math.inf:
        raise ValueError(f"noise_std must be finite and at least 0, got {noise_std}")


def checked_times(times: ArrayLike) -> jax.Array:
    """Times at which a path is to be read, (N,).

    Raises:
        ValueError: If they are not finite, do not increase from 0 or later, or end at 0.
    """
    read = np.asarray(times, np.float64)
    if read.ndim != 1 or not read.size:
        raise ValueError(f"times must have shape (N,) with N >= 1, got {read.shape}")
    if not np.isfinite(read).all():
        raise ValueError(f"times must be finite, got {read[~np.isfinite(read)][0]}")
    if read[0] < 0 or (np.diff(read) <= 0).any() or not read[-1] > 0:
        raise ValueError(
            f"times must increase, from 0 or later to an end above 0, got {read[0]:g} to "
            f"{read[-1]:g}"
        )
    return jnp.asarray(read)
