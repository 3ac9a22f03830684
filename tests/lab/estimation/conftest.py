"""Synthetic sweeps with a known law, for the tests of the statistics."""

from collections.abc import Callable

import numpy as np
import pytest

from flatfast.lab.estimation.times import TimeGrid


def two_branch(x):
    """Log of ``1/mu + mu**2/2``, minimal (log 3/2) at x = log mu = 0."""
    return np.logaddexp(-x, 2 * x - np.log(2))


def kink(x):
    """Two power laws that meet at x = 0."""
    return np.maximum(-x, 2 * x)


def make_sweep(
    rng=None,
    *,
    shape=two_branch,
    rates=8,
    decades=1.5,
    per_decade=8,
    seeds=8,
    noise=0.0,
    own=0.0,
    limit=6.0,
    gamma=2 / 3,
    log_c=-4.0,
    margin=0.9,
    phase=0.0,
) -> TimeGrid:
    """Times ``T_c = T*(lr) exp(shape(log mu - log mu*) + noise)`` on a grid of momenta.

    ``log mu* = log_c + gamma log lr``; a share ``own`` of the noise's variance is the seed's own,
    the same in all cells. Times beyond ``limit`` best times are censored. The grid
    reaches ``margin`` decades beyond the optima at either end, shifted by ``phase`` cells.
    """
    rng = rng or np.random.default_rng(0)
    log_lr = np.linspace(-0.5, 0.5, rates) * decades * np.log(10)
    log_best = log_c + gamma * log_lr
    step = np.log(10) / per_decade
    reach = margin * np.log(10)
    log_mu = np.arange(log_best.min() - reach, log_best.max() + reach, step) + phase * step
    x = log_mu[None, :, None] - log_best[:, None, None]
    size = (rates, len(log_mu), seeds)
    scatter = np.sqrt(own) * rng.standard_normal((1, 1, seeds))
    scatter = scatter + np.sqrt(1 - own) * rng.standard_normal(size)
    excess = shape(x) - shape(np.zeros(1)) + noise * scatter
    base = (6.0 - gamma * log_lr)[:, None, None]
    log_time = np.where(excess > np.log(limit), np.inf, excess + base)
    return TimeGrid(
        lr=np.exp(log_lr),
        mu=np.exp(log_mu),
        seed=np.arange(seeds),
        log_time=log_time,
        diverged=np.zeros(size, dtype=bool),
        limit=np.exp(base[:, 0, 0]) * limit,
    )


@pytest.fixture
def sweep() -> Callable[..., TimeGrid]:
    """:func:`make_sweep`."""
    return make_sweep


@pytest.fixture
def shapes() -> dict[str, Callable]:
    """Curves of log T_c over log mu."""
    return {"two-branch": two_branch, "kink": kink}
