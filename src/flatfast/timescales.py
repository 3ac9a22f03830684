"""The two times whose balance is the law, in closed form.

Heavy-ball SGD in PyTorch's convention: ``p <- momentum * p + g``, ``w <- w - lr * p``; ``mu`` is
``1 - momentum``. Near a manifold of zero-loss minimizers its motion splits in two.

*Across* the manifold, every Hessian mode of eigenvalue ``curvature`` (lambda) is a damped
oscillator whose roots obey ``z^2 - (1 + momentum - lr lambda) z + momentum = 0``. ``tau_1`` is the
time of its slowest decay.

*Along* the manifold, label noise of standard deviation ``eps`` on P examples drives a drift towards
smaller trace of the Hessian, at a rate that depends on ``lr / mu`` alone. ``tau_2`` is its time.

``tau_1`` falls with mu, ``tau_2`` grows with it; they meet where ``mu^3`` is proportional to
``lr^2``. Sources: Cowsik, Can and Glorioso (arXiv 2210.16400), sections 2 and 3; Li, Wang and Arora
(ICLR 2022); Damian, Ma and Lee (NeurIPS 2021).

All functions take numbers or arrays and broadcast; times are in steps.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Real: TypeAlias = np.float64 | NDArray[np.float64]
"""A float for numbers, an array for arrays."""


def stability_limit(
    momentum: ArrayLike, curvature: ArrayLike = 1.0, *, nesterov: bool = False
) -> Real:
    """The learning rate at and above which a mode diverges: ``2 (1 + momentum) / curvature``.

    With Nesterov momentum it is ``2 (1 + momentum) / ((1 + 2 momentum) curvature)``.

    Args:
        momentum: In [0, 1).
        curvature: Eigenvalue of the Hessian, positive.
        nesterov: Whether the momentum is Nesterov's.

    Raises:
        ValueError: If an argument is out of range.
    """
    beta, lam = _momentum(momentum), _positive("curvature", curvature)
    limit: Real = 2 * (1 + beta) / lam
    return limit / (1 + 2 * beta) if nesterov else limit


def roots(
    lr: ArrayLike, momentum: ArrayLike, curvature: ArrayLike = 1.0, *, nesterov: bool = False
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """The two factors ``z`` by which a mode's motions change per step.

    Args:
        lr: Learning rate, positive.
        momentum: In [0, 1).
        curvature: Eigenvalue of the Hessian, positive.
        nesterov: Whether the momentum is Nesterov's; its equation is
            ``z^2 - (1 + momentum) (1 - lr lambda) z + momentum (1 - lr lambda) = 0``.

    Returns:
        The root of larger modulus and the other; of a conjugate pair, the upper one first.

    Raises:
        ValueError: If an argument is out of range.
    """
    near, far = _distances_from_one(lr, momentum, curvature, nesterov)
    slow, fast = 1 - near, 1 - far
    swap = (np.abs(fast) > np.abs(slow)) | ((near.imag != 0) & (slow.imag < fast.imag))
    return np.where(swap, fast, slow)[()], np.where(swap, slow, fast)[()]


def tau_1(
    lr: ArrayLike, momentum: ArrayLike, curvature: ArrayLike = 1.0, *, nesterov: bool = False
) -> Real:
    """Time in which a mode decays to 1/e, in steps: ``-1 / log max|z|``, exactly.

    The time across the manifold is that of its slowest mode: take the maximum over eigenvalues.

    Args:
        lr: Learning rate, positive.
        momentum: In [0, 1).
        curvature: Eigenvalue of the Hessian, positive.
        nesterov: Whether the momentum is Nesterov's.

    Returns:
        Steps; infinite at and above the stability limit, 0 for a mode that is gone in one step.

    Raises:
        ValueError: If an argument is out of range.
    """
    near, far = _distances_from_one(lr, momentum, curvature, nesterov)
    with np.errstate(divide="ignore"):
        rate = -np.maximum(_log_modulus_of_complement(near), _log_modulus_of_complement(far))
        time = np.where(rate > 0, 1 / np.where(rate > 0, rate, 1), np.inf)
    unstable = np.asarray(lr) >= stability_limit(momentum, curvature, nesterov=nesterov)
    result: Real = np.where(unstable, np.inf, time)[()]
    return result


def tau_1_underdamped(momentum: ArrayLike) -> Real:
    """``tau_1`` of an underdamped mode for small mu: ``2 / mu`` steps, whatever its curvature.

    Raises:
        ValueError: If ``momentum`` is not in [0, 1).
    """
    return 2 / (1 - _momentum(momentum))


def tau_1_overdamped(lr: ArrayLike, momentum: ArrayLike, curvature: ArrayLike = 1.0) -> Real:
    """``tau_1`` of a strongly overdamped mode: ``mu / (lr lambda)`` steps.

    Raises:
        ValueError: If an argument is out of range.
    """
    mu = 1 - _momentum(momentum)
    return mu / (_positive("lr", lr) * _positive("curvature", curvature))


def overdamped_below(lr: ArrayLike, momentum: ArrayLike) -> Real:
    """The curvature below which modes are overdamped: ``(1 - sqrt(momentum))^2 / lr``.

    About ``mu^2 / (4 lr)`` for small mu. Above it modes are underdamped, up to
    ``(1 + sqrt(momentum))^2 / lr``.

    Raises:
        ValueError: If an argument is out of range.
    """
    beta = _momentum(momentum)
    border: Real = ((1 - beta) / (1 + np.sqrt(beta))) ** 2 / _positive("lr", lr)
    return border


def regime(lr: float, momentum: float, curvature: float) -> str:
    """How a mode moves: ``overdamped``, ``underdamped``, ``alternating`` or ``unstable``.

    ``alternating`` is the narrow band below the stability limit in which both roots are real and
    negative: the mode changes sign at every step.

    Raises:
        ValueError: If an argument is out of range.
    """
    if lr >= stability_limit(momentum, curvature):
        return "unstable"
    first, _ = roots(lr, momentum, curvature)
    if complex(first).imag != 0:
        return "underdamped"
    return "overdamped" if complex(first).real >= 0 else "alternating"


def stationary_variance(
    lr: ArrayLike, momentum: ArrayLike, curvature: ArrayLike, noise_variance: ArrayLike
) -> Real:
    """Variance at which a mode settles under gradient noise, exactly.

    ``lr s (1 + momentum) / (lambda mu (2 (1 + momentum) - lr lambda))`` for noise of variance ``s``
    per step.

    Args:
        lr: Learning rate, positive.
        momentum: In [0, 1).
        curvature: Eigenvalue of the Hessian, positive.
        noise_variance: Variance of the gradient's noise along the mode, per step, at least 0.

    Returns:
        The variance of the displacement; infinite at and above the stability limit.

    Raises:
        ValueError: If an argument is out of range.
    """
    rate, beta = _positive("lr", lr), _momentum(momentum)
    lam, noise = _positive("curvature", curvature), _not_negative("noise_variance", noise_variance)
    slack = 2 * (1 + beta) - rate * lam
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = rate * noise * (1 + beta) / (lam * (1 - beta) * slack)
    result: Real = np.where(slack > 0, variance, np.inf)[()]
    return result


def label_noise_variance(
    lr: ArrayLike, momentum: ArrayLike, noise_std: ArrayLike, examples: ArrayLike
) -> Real:
    """Variance across the manifold under label noise, to leading order: ``lr eps^2 / (2 P mu)``.

    The same in every direction, because label noise of variance ``eps^2`` on P examples (the batch,
    if smaller) is larger where the manifold is steeper: ``eps^2 lambda / P`` along a mode.

    Raises:
        ValueError: If an argument is out of range.
    """
    mu = 1 - _momentum(momentum)
    noise, count = _not_negative("noise_std", noise_std), _positive("examples", examples)
    return _positive("lr", lr) * noise**2 / (2 * count * mu)


def tau_2(
    lr: ArrayLike,
    momentum: ArrayLike,
    flow_time: ArrayLike,
    noise_std: ArrayLike,
    examples: ArrayLike,
) -> Real:
    """Time of the drift along the manifold, in steps: ``(4 P / eps^2) (mu / lr)^2 S``.

    Args:
        lr: Learning rate, positive.
        momentum: In [0, 1).
        flow_time: ``S``, the time that the flow ``dw/ds = -grad tr H`` along the manifold needs for
            the drift in question: a property of the problem.
        noise_std: Standard deviation of the label noise, positive.
        examples: Examples in a step.

    Raises:
        ValueError: If an argument is out of range.
    """
    mu, noise = 1 - _momentum(momentum), _positive("noise_std", noise_std)
    per_flow_time = 4 * _positive("examples", examples) / noise**2
    return per_flow_time * (mu / _positive("lr", lr)) ** 2 * _positive("flow_time", flow_time)


def kappa_from_pilot(lr: ArrayLike, momentum: ArrayLike, relaxation_steps: ArrayLike) -> Real:
    """The drift's own rate from one pilot run: ``(mu / lr)^2 / N``.

    Args:
        lr: The pilot's learning rate, positive.
        momentum: The pilot's momentum, in [0, 1).
        relaxation_steps: ``N``, the steps in which the slow drift relaxed to 1/e, positive.

    Returns:
        ``kappa``, which has no learning rate and no momentum in it. The pilot must have been slow
        enough for its drift to be overdamped.

    Raises:
        ValueError: If an argument is out of range.
    """
    mu = 1 - _momentum(momentum)
    steps = _positive("relaxation_steps", relaxation_steps)
    return (mu / _positive("lr", lr)) ** 2 / steps


def prefactor_from_kappa(kappa: ArrayLike) -> Real:
    """The law's C from the drift's rate: ``(4 kappa)^(1/3)``, critical damping of the slow motion.

    Raises:
        ValueError: If ``kappa`` is not positive.
    """
    return np.cbrt(4 * _positive("kappa", kappa))


def prefactor_from_curvature(
    noise_std: ArrayLike, trace_curvature: ArrayLike, examples: ArrayLike
) -> Real:
    """The law's C from the problem: ``(eps^2 h / P)^(1/3)``.

    Args:
        noise_std: ``eps``, standard deviation of the label noise, positive.
        trace_curvature: ``h``, curvature of the Hessian's trace along the manifold: the relaxation
            rate of the flow ``dw/ds = -grad tr H``.
        examples: P, the examples in a step.

    Raises:
        ValueError: If an argument is out of range.
    """
    kappa = (
        _positive("noise_std", noise_std) ** 2
        * _positive("trace_curvature", trace_curvature)
        / (4 * _positive("examples", examples))
    )
    return prefactor_from_kappa(kappa)


def _distances_from_one(
    lr: ArrayLike, momentum: ArrayLike, curvature: ArrayLike, nesterov: bool
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """``1 - z`` of both roots, the smaller first.

    With ``z = 1 - x`` the equation is ``x^2 - (mu + k g) x + g = 0``, ``g = lr lambda``, k = 1 for
    heavy ball and 1 + momentum for Nesterov: no digit is lost where everything is slow and z is
    close to 1.
    """
    beta = _momentum(momentum)
    g = _positive("lr", lr) * _positive("curvature", curvature)
    both = (1 - beta) + (1 + beta if nesterov else 1) * g
    root = np.sqrt((both**2 - 4 * g).astype(np.complex128))
    far = np.asarray((both + root) / 2, np.complex128)
    return np.asarray(g / far, np.complex128), far


def _log_modulus_of_complement(x: NDArray[np.complex128]) -> NDArray[np.float64]:
    """``log|1 - x|``, precise for small x; ``|1 - x|^2 = 1 + (|x|^2 - 2 Re x)``."""
    with np.errstate(divide="ignore"):
        return np.log1p(np.maximum(np.abs(x) ** 2 - 2 * x.real, -1)) / 2


def _momentum(value: ArrayLike) -> NDArray[np.float64]:
    return _checked("momentum", value, lambda v: (v >= 0) & (v < 1), "in [0, 1)")


def _positive(name: str, value: ArrayLike) -> NDArray[np.float64]:
    return _checked(name, value, lambda v: (v > 0) & np.isfinite(v), "positive and finite")


def _not_negative(name: str, value: ArrayLike) -> NDArray[np.float64]:
    return _checked(name, value, lambda v: (v >= 0) & np.isfinite(v), "at least 0 and finite")


def _checked(
    name: str,
    value: ArrayLike,
    valid: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    range_: str,
) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    good = valid(array)
    if not np.all(good):
        raise ValueError(f"{name} must be {range_}, got {array[~good].flat[0]}")
    return array
