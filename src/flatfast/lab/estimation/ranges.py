"""At which learning rates a rule for the momentum is compared: up to its own stability limit.

Heavy ball with momentum m is stable in a mode of curvature ``s`` below ``lr = 2 (1 + m) / s``. A
rule's momentum depends on the learning rate, so its limit is a root. The curvature is the largest
where the runs start; as they go to flatter places the limit rises, and minibatches or noise do not
move it there.

A rule's best learning rate is looked for up to :data:`SAFE` times its limit, closely spaced near
the limit, where most rules are fastest. Above the limit runs are thrown off the manifold and land
elsewhere, sometimes sooner and sometimes never ("catapults"): that is another effect than a rule's,
and is compared apart.
"""

import math

from flatfast.lab.estimation.methods import Method

SAFE = 0.95
"""Share of its stability limit up to which a rule is compared."""

NEAR = tuple(SAFE * 2 ** (-k / 4) for k in range(4))
"""Shares of its limit at which a rule is compared besides the learning rates common to all."""

BEYOND = (1.05, 1.2, 1.4)
"""Shares of its limit at which a rule is compared with catapults."""

_POINTS = 400


def stability_limit(method: Method, curvature: float) -> float:
    """The least learning rate at which heavy ball with the rule's momentum is not stable.

    Args:
        method: The rule.
        curvature: Largest Hessian eigenvalue, positive.

    Returns:
        The learning rate, between ``2 / curvature`` (no momentum) and ``4 / curvature``.

    Raises:
        ValueError: If ``curvature`` is not positive and finite.
    """
    if not (math.isfinite(curvature) and curvature > 0):
        raise ValueError(f"curvature must be positive and finite, got {curvature}")

    def above(lr: float) -> bool:
        return lr * curvature >= 2 * (1 + method.setting(lr).momentum)

    # A rule need not be monotone: the first crossing is looked for, then halved down to.
    ends = [2 / curvature * 2 ** (k / _POINTS) for k in range(_POINTS + 1)]
    first = next((k for k, lr in enumerate(ends) if above(lr)), _POINTS)
    low, high = ends[max(first - 1, 0)], ends[first]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) else (middle, high)
    return high


def compared_rates(
    method: Method,
    curvature: float,
    common: tuple[float, ...],
    shares: tuple[float, ...] = NEAR,
) -> list[float]:
    """Where a rule is compared: the common learning rates within its range, and more near its end.

    Args:
        method: The rule.
        curvature: Largest Hessian eigenvalue where the runs start.
        common: Learning rates at which all rules are run, as far as they are within their ranges.
        shares: Of its limit, the greatest first.

    Returns:
        Learning rates, ascending.
    """
    limit = stability_limit(method, curvature)
    near = [_rounded(share * limit) for share in shares]
    return sorted({*near, *(lr for lr in common if lr <= near[0])})


def rates_beyond(method: Method, curvature: float) -> list[float]:
    """Where a rule is compared with catapults: above its limit, up to 1.4 times it."""
    limit = stability_limit(method, curvature)
    return [_rounded(share * limit) for share in BEYOND]


def _rounded(lr: float) -> float:
    """Three digits, so that it can be quoted exactly and runs are found again."""
    return float(f"{lr:.3g}")
