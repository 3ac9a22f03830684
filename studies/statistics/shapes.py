"""Shapes of ``log T_c`` over ``x = log(mu)``, up to constants."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = Callable[[Array], Array]


def two_branch(x: Array) -> Array:
    """``1/mu + mu**2 / 2``, the simplest theory."""
    return np.asarray(np.logaddexp(-x, 2 * x - np.log(2)))


def kink(x: Array) -> Array:
    """Two power laws that meet at an angle."""
    return np.maximum(-x, 2 * x)


def flat_bottom(x: Array) -> Array:
    """A wide bottom, steeper on the right."""
    return np.log(1 + 0.08 * np.exp(-1.6 * x) + 0.064 * np.exp(2 * x))


def cliff(x: Array) -> Array:
    """A gentle fall to the left that ends at a cliff (a swing of the ring leaves the band)."""
    gentle = np.log(0.75 * np.exp(0.25 * x) + 0.25 * np.exp(2 * x))
    return np.where(x < -0.9, np.log(6.0) - (x + 0.9), gentle)


def _oscillator_table() -> tuple[Array, Array]:
    """Settling time of ``x'' = -C x' - x / (4 C)`` from rest at 1, until ``x**2 <= 1/10``."""
    friction = np.geomspace(0.03, 40, 700)[:, None]
    t = np.linspace(0, 600, 30_001)
    root = np.sqrt((friction**2 / 4 - 0.25 / friction).astype(complex) + 1e-9)
    fast, slow = -friction / 2 - root, -friction / 2 + root
    x = ((slow * np.exp(fast * t) - fast * np.exp(slow * t)) / (slow - fast)).real
    outside = x**2 > 0.1
    settled = t[len(t) - 1 - np.argmax(outside[:, ::-1], axis=1)]
    return np.log(friction[:, 0]), np.log(settled)


_LOG_C, _LOG_SETTLED = _oscillator_table()


def oscillator(x: Array) -> Array:
    """The limit equations of the law with one mode: jumps by half a swing."""
    return np.interp(x, _LOG_C, _LOG_SETTLED)


def oscillators(x: Array) -> Array:
    """The same with a spread of frequencies."""
    several = [oscillator(x + shift) for shift in np.linspace(-0.35, 0.35, 15)]
    return np.asarray(np.mean(several, axis=0))


SHAPES: dict[str, Shape] = {
    "two-branch": two_branch,
    "kink": kink,
    "flat bottom": flat_bottom,
    "cliff": cliff,
    "one oscillator": oscillator,
    "many oscillators": oscillators,
}
