"""The rules that are compared: what learning rate and momentum each uses at a nominal rate.

A comparison at equal learning rates alone would be too easy: at a small one, any fixed momentum
loses by as much as one likes. And a plain SGD at the law's *effective* step ``lr / (1 - momentum)``
drifts as fast as the law does, where it is stable. So both belong into the comparison
(:mod:`flatfast.lab.estimation.comparison`), and so does each rule's own best learning rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, sqrt

from flatfast.law import GAMMA

GRID = "grid"
"""Name of the runs of the main sweep, which belong to no method."""

REFERENCE = "law"
"""Name of the method that the others are compared with."""

SCAN = "momentum scan"
"""Name of the runs over a row of momenta at the compared learning rates, which the oracles need."""

BEST_AT_EACH_LR = "best momentum at each lr"
"""Name of the oracle that knows the best momentum of the scan at every learning rate."""

BEST_CONSTANT = "best constant momentum"
"""Name of the oracle that knows the one momentum of the scan that is best over all of them."""


@dataclass(frozen=True)
class Setting:
    """What a method uses at a nominal learning rate; ``note`` says where it had to be changed."""

    lr: float
    momentum: float
    note: str = ""


@dataclass(frozen=True)
class Method:
    """A rule that gives the momentum from the learning rate.

    Attributes:
        name: Name in tables, and in the ``method`` column of its runs.
        source: Where the rule comes from.
        setting: Nominal learning rate to :class:`Setting`.
    """

    name: str
    source: str
    setting: Callable[[float], Setting]


def law(constant: float, gamma: float = GAMMA) -> Method:
    """The law ``1 - momentum = C lr**gamma``, momentum 0 where that is 1 or more.

    Raises:
        ValueError: If ``constant`` is not positive and finite.
    """
    _check_positive("constant", constant)
    return Method(
        REFERENCE,
        f"arXiv 2210.16400: 1 - momentum = {constant:.4g} lr^{_power(gamma)}",
        lambda lr: _with_mu(lr, constant * _checked(lr) ** gamma),
    )


def constant_momentum(momentum: float) -> Method:
    """The same momentum at every learning rate.

    Raises:
        ValueError: If ``momentum`` is out of [0, 1).
    """
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"momentum must be in [0, 1), got {momentum}")
    return Method(
        f"momentum {momentum:g}",
        "the usual constant",
        lambda lr: Setting(_checked(lr), momentum),
    )


def plain_sgd() -> Method:
    """No momentum, at the nominal learning rate."""
    return Method("plain SGD", "no momentum, same lr", lambda lr: Setting(_checked(lr), 0.0))


def plain_sgd_same_effective_step(constant: float, gamma: float = GAMMA) -> Method:
    """No momentum, at the effective step ``lr / (1 - momentum)`` that the law has at this rate.

    The drift depends on the effective step alone, so this is as fast as the law where it is stable.

    Raises:
        ValueError: If ``constant`` is not positive and finite.
    """
    _check_positive("constant", constant)

    def setting(lr: float) -> Setting:
        mu = min(constant * _checked(lr) ** gamma, 1.0)
        return Setting(lr / mu, 0.0, f"lr {lr / mu:.4g} = {lr:.4g} / {mu:.4g}")

    return Method(
        "plain SGD, same effective step",
        "no momentum, lr / (1 - momentum) of the law",
        setting,
    )


def square_root_rule() -> Method:
    """``1 - momentum = 2 sqrt(lr)``, momentum 0 from lr 1/4 on."""
    return Method(
        "1 - beta = 2 sqrt(lr)",
        "arXiv 2603.28921",
        lambda lr: _with_mu(lr, 2.0 * sqrt(_checked(lr))),
    )


def linear_rule(constant: float, reference_lr: float, gamma: float = GAMMA) -> Method:
    """``1 - momentum`` proportional to lr, equal to the law at ``reference_lr``.

    Raises:
        ValueError: If ``constant`` or ``reference_lr`` is not positive and finite.
    """
    _check_positive("constant", constant)
    _check_positive("reference_lr", reference_lr)
    slope = constant * reference_lr ** (gamma - 1.0)
    return Method(
        "1 - beta = C1 lr",
        f"constant memory in effective time; C1 = {slope:.4g} equals the law at "
        f"lr {reference_lr:.4g}",
        lambda lr: _with_mu(lr, slope * _checked(lr)),
    )


def standard_methods(constant: float, reference_lr: float) -> tuple[Method, ...]:
    """The law and the rules it is compared with, the law first.

    The oracles are not among them: they choose among the runs of the scan.

    Args:
        constant: C of the law.
        reference_lr: Learning rate at which the linear rule equals the law.

    Returns:
        The methods.

    Raises:
        ValueError: If an argument is not positive and finite.
    """
    return (
        law(constant),
        constant_momentum(0.9),
        constant_momentum(0.99),
        plain_sgd(),
        plain_sgd_same_effective_step(constant),
        square_root_rule(),
        linear_rule(constant, reference_lr),
    )


def _with_mu(lr: float, mu: float) -> Setting:
    if mu >= 1.0:
        return Setting(lr, 0.0, f"1 - momentum would be {mu:.3g}; momentum 0 was used")
    return Setting(lr, 1.0 - mu)


def _checked(lr: float) -> float:
    _check_positive("lr", lr)
    return lr


def _check_positive(name: str, value: float) -> None:
    if not (isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")


def _power(gamma: float) -> str:
    return "(2/3)" if abs(gamma - GAMMA) < 1e-12 else f"{gamma:.4g}"
