"""The rules that are compared: what momentum each uses at a learning rate.

A comparison at equal learning rates alone would be too easy: at a small one, any fixed momentum
loses by as much as one likes. Each rule's own best learning rate belongs beside it
(:mod:`flatfast.lab.estimation.comparison`), looked for up to the rule's own stability limit
(:mod:`flatfast.lab.estimation.ranges`). Plain SGD at the law's effective step is no rule of its
own: it is plain SGD at another learning rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, isfinite, sqrt

from flatfast.law import GAMMA, ORDER

GRID = "grid"
"""Name of the runs of the main sweep, which belong to no method."""

REFERENCE = "law"
"""Name of the method that the others are compared with."""

CORRECTED = "law with correction"
"""Name of the law with its first correction at finite learning rate."""

SCAN = "momentum scan"
"""Name of the runs over a row of momenta at the compared learning rates, which the oracles need."""

ONE_CYCLE = "OneCycle"
"""Name of the method whose learning rate and momentum follow one cycle."""

PEAK_MOMENTUM = 0.85
"""Momentum of one cycle where its learning rate is highest, PyTorch's default."""

BEST_AT_EACH_LR = "best momentum at each lr"
"""Name of the oracle that knows the best momentum of the scan at every learning rate."""

BEST_CONSTANT = "best constant momentum"
"""Name of the oracle that knows the best pair of the scan, and keeps its momentum."""


@dataclass(frozen=True)
class Setting:
    """The momentum of a method at a learning rate; ``note`` says where it had to be changed."""

    momentum: float
    note: str = ""


@dataclass(frozen=True)
class Method:
    """A rule that gives the momentum from the learning rate.

    Attributes:
        name: Name in tables, and in the ``method`` column of its runs.
        source: Where the rule comes from.
        setting: Learning rate to :class:`Setting`.
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
        lambda lr: _with_mu(constant * _checked(lr) ** gamma),
    )


def law_with_correction(constant: float, slope: float) -> Method:
    """The law with its first correction, ``1 - momentum = C lr**(2/3) exp(a lr**(1/3))``.

    Args:
        constant: C, the limit at small learning rates.
        slope: a.

    Raises:
        ValueError: If ``constant`` is not positive and finite, or ``slope`` not finite.
    """
    _check_positive("constant", constant)
    if not isfinite(slope):
        raise ValueError(f"slope must be finite, got {slope}")
    return Method(
        CORRECTED,
        f"1 - momentum = {constant:.4g} lr^(2/3) exp({slope:.3g} lr^(1/3)), both from the sweep",
        lambda lr: _with_mu(constant * _checked(lr) ** GAMMA * exp(slope * lr**ORDER)),
    )


def constant_momentum(momentum: float) -> Method:
    """The same momentum at every learning rate.

    Raises:
        ValueError: If ``momentum`` is out of [0, 1).
    """
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"momentum must be in [0, 1), got {momentum}")

    def setting(lr: float) -> Setting:
        _checked(lr)
        return Setting(momentum)

    return Method(f"momentum {momentum:g}", "the usual constant", setting)


def plain_sgd() -> Method:
    """No momentum."""
    return Method("plain SGD", "no momentum", constant_momentum(0.0).setting)


def square_root_rule() -> Method:
    """``1 - momentum = 2 sqrt(lr)``, momentum 0 from lr 1/4 on."""
    return Method(
        "1 - beta = 2 sqrt(lr)",
        "arXiv 2603.28921",
        lambda lr: _with_mu(2.0 * sqrt(_checked(lr))),
    )


def other_exponent(name: str, gamma: float, constant: float, reference_lr: float) -> Method:
    """``1 - momentum`` proportional to ``lr**gamma``, equal to the law at ``reference_lr``.

    Args:
        name: Name of the method.
        gamma: Its exponent; 1 keeps the effective step ``lr / (1 - momentum)``.
        constant: C of the 2/3 law.
        reference_lr: Where the two are equal.

    Raises:
        ValueError: If ``constant`` or ``reference_lr`` is not positive and finite.
    """
    _check_positive("constant", constant)
    _check_positive("reference_lr", reference_lr)
    slope = constant * reference_lr ** (GAMMA - gamma)
    power = {1.0: "lr", 0.5: "lr^(1/2)"}.get(gamma, f"lr^{gamma:g}")
    return Method(
        name,
        f"1 - momentum = {slope:.4g} {power}, equal to the law at lr {reference_lr:.4g}",
        lambda lr: _with_mu(slope * _checked(lr) ** gamma),
    )


def one_cycle() -> Method:
    """One cycle: the learning rate up to its peak and down to nothing, the momentum against it.

    Learning rate and momentum of its runs are those at the peak; the length of a cycle is part of
    the method (:mod:`flatfast.lab.estimation.cycles`).
    """
    at_the_peak = constant_momentum(PEAK_MOMENTUM).setting
    return Method(
        ONE_CYCLE,
        "arXiv 1708.07120, PyTorch's OneCycleLR: momentum 0.95 to 0.85 to 0.95; time is the length "
        "of the shortest cycle that arrives",
        at_the_peak,
    )


def standard_methods(
    constant: float, reference_lr: float, corrected: tuple[float, float] | None = None
) -> tuple[Method, ...]:
    """The law and the rules it is compared with, the law first.

    The oracles are not among them: they choose among the runs of the scan.

    Args:
        constant: C of the law.
        reference_lr: Learning rate at which the rules of other exponents equal the law.
        corrected: C and a of the law with its first correction; None leaves it out.

    Returns:
        The methods.

    Raises:
        ValueError: If an argument is not positive and finite.
    """
    return (
        law(constant),
        *(() if corrected is None else (law_with_correction(*corrected),)),
        constant_momentum(0.9),
        constant_momentum(0.99),
        plain_sgd(),
        square_root_rule(),
        other_exponent("exponent 1/2", 1 / 2, constant, reference_lr),
        other_exponent("constant effective step", 1.0, constant, reference_lr),
    )


def _with_mu(mu: float) -> Setting:
    if mu >= 1.0:
        return Setting(0.0, f"1 - momentum would be {mu:.3g}; momentum 0 was used")
    return Setting(1.0 - mu)


def _checked(lr: float) -> float:
    _check_positive("lr", lr)
    return lr


def _check_positive(name: str, value: float) -> None:
    if not (isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")


def _power(gamma: float) -> str:
    return "(2/3)" if abs(gamma - GAMMA) < 1e-12 else f"{gamma:.4g}"
