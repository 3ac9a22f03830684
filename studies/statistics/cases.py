"""Synthetic sweeps whose exponent is known: shapes of the curve, designs, noise."""

from dataclasses import dataclass

import numpy as np

from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.times import TimeGrid
from studies.statistics.shapes import Array, Shape


@dataclass(frozen=True)
class Design:
    """A sweep and its noise.

    Attributes:
        name: What it stands for.
        rates: Number of learning rates.
        decades: Which they span.
        per_decade: Momenta per decade of mu.
        seeds: Runs per cell.
        noise: Standard deviation of log T_c over seeds.
        shared: Correlation of that noise over the cells of a seed.
        moves: Standard deviation of a seed's shift of log mu*, at each learning rate on its own.
        limit: Run length over the best time.
        gamma: The true exponent.
    """

    name: str
    rates: int = 8
    decades: float = 1.5
    per_decade: int = 8
    seeds: int = 8
    noise: float = 0.1
    shared: float = 0.0
    moves: float = 0.0
    limit: float = 5.0
    gamma: float = LAW


DESIGNS = (
    Design("hardly any noise, 6 momenta per decade", noise=0.02, per_decade=6),
    Design("10% noise, mostly a seed's own", shared=0.8, moves=0.1),
    Design("40% noise, 16 seeds, runs of 3 best times", noise=0.4, seeds=16, shared=0.4, limit=3.0),
    Design("5 learning rates in 1.3 decades, exponent 1/2", rates=5, decades=1.3, gamma=0.5),
)

# The best momentum moves by 1.1 cells from rate to rate: the grid's position about the optima
# drifts through 0.4 cells over the sweep, and its part of the error looks like a slope.
IN_STEP = Design("grid nearly in step with the optima", rates=5, decades=1.1, gamma=0.5)


def sweep(shape: Shape, design: Design, rng: np.random.Generator) -> tuple[TimeGrid, float]:
    """A synthetic sweep, its grid in random position, and the true log C (gamma held)."""
    places = np.linspace(-2, 2, 4001)
    best = places[np.argmin(shape(places))]
    least = float(np.min(shape(places)))
    step = np.log(10) / design.per_decade
    log_lr = np.linspace(-0.5, 0.5, design.rates) * design.decades * np.log(10)
    cells = round((design.gamma * design.decades + 1.8) * design.per_decade)
    log_mu = (np.arange(cells) - (cells - 1) / 2) * step - 5.0
    log_c = -5.0 + step * rng.uniform(-0.5, 0.5)
    log_best = log_c + design.gamma * log_lr

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape)

    away = log_mu[None, :, None] - log_best[:, None, None] + best
    away = away + design.moves * draw(design.rates, 1, design.seeds)
    noise = design.shared * draw(1, 1, design.seeds)
    noise = noise + np.sqrt(1 - design.shared**2) * draw(design.rates, cells, design.seeds)
    excess = shape(away) - least + design.noise * noise
    base = 6.0 - LAW * log_lr
    log_time = np.where(excess > np.log(design.limit), np.inf, excess + base[:, None, None])
    grid = TimeGrid(
        np.exp(log_lr),
        np.exp(log_mu),
        np.arange(design.seeds),
        log_time,
        np.zeros(log_time.shape, dtype=np.bool_),
        np.exp(base) * design.limit,
    )
    return grid, log_c
