"""What is read off losses, on losses of which the truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from flatfast.torch.finding.grid import COMPLEMENTS, NINE, Grid, Place
from flatfast.torch.finding.reading import carried, quantile, read, scatter
from flatfast.torch.finding.search import REPEATS, Level, Search

GRID = Grid(first=1.0, given=False, averages=False)


def level(horizon, loss, places):
    return Level(horizon, {place: [loss(place)] * REPEATS for place in places})


def cross(step, rung):
    return [Place(step + by, rung) for by in (-1, 0, 1)] + [
        Place(step, rung + by) for by in (-1, 1)
    ]


def test_places_are_momenta_that_people_write():
    momenta = [GRID.pair(Place(0, rung)).momentum for rung in range(6)]
    assert momenta == [0, 0.6, 0.8, 0.9, 0.95, 0.975]
    assert GRID.pair(Place(0, NINE)).momentum == 0.9
    assert GRID.pair(Place(2, NINE)).step == 4
    assert GRID.pair(Place(2, NINE)).lr == pytest.approx(0.4)


def test_student_quantiles():
    for free in range(1, 40):
        assert quantile(free) == pytest.approx(stats.t.ppf(0.95, free), rel=2e-3)


@pytest.mark.parametrize("move", [0.0, -0.5, -1.0])
def test_the_move_of_a_parabolas_optimum_is_found(move):
    def loss_at(optimum):
        return lambda place: 2 + (place.step - optimum) ** 2 + (place.rung - 2) ** 2 / 50

    short = level(8, loss_at(0.2), cross(0, 2))
    after = 0.2 + 2 * move  # in factors of two, over a factor of four in steps
    long = level(32, loss_at(after), cross(round(after), 2))
    assert read(GRID, short, long).exponent == pytest.approx(move)


def test_the_step_is_carried_to_more_steps_alone():
    assert carried(100, 100) == 1
    assert carried(100, 50) == 1
    assert carried(100, 10_000) == pytest.approx(100**-0.25)


def test_scatter_is_that_of_the_losses():
    rng = np.random.default_rng(0)
    variances = []
    for _ in range(500):
        shared = rng.normal(0, 5, REPEATS)
        losses = rng.normal(0, 1e-9, (4, 1)) + shared + rng.normal(0, 0.3, (4, REPEATS))
        own = {Place(0, rung): row.tolist() for rung, row in enumerate(losses)}
        found, free = scatter(Level(32, own))
        variances.append(found**2)
        assert free == 3
    error = 0.09 * math.sqrt(2 / 3 / 500)
    assert np.mean(variances) == pytest.approx(0.09, abs=3.5 * error)


def test_a_pair_as_good_is_rarely_said_to_be_worse():
    """Each comparison is meant to err in 5%; the choice of the best adds to that."""
    rng = np.random.default_rng(1)
    trials, lost = 1000, 0
    for _ in range(trials):
        noise = rng.normal(0, 0.1, (4, REPEATS)) + rng.normal(0, 1, REPEATS)
        means = np.array([1.0, 1.0, 1.5, 2.0])[:, None]  # the first two are the best
        losses = Level(32, {Place(0, r): row.tolist() for r, row in enumerate(means + noise)})
        good = read(GRID, losses, losses).as_good
        lost += Place(0, 0) not in good or Place(0, 1) not in good
        assert Place(0, 3) not in good or quantile(3) * 0.1 > 0.2
    assert lost / trials <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / trials)


def test_ends_of_what_was_run_are_told():
    best = Place(0, 2)
    loss = lambda place: abs(place.step) + abs(place.rung - 2)  # noqa: E731
    everywhere = level(8, loss, cross(0, 2))
    assert read(GRID, everywhere, level(32, loss, cross(0, 2))).bounds == ()
    alone = level(32, loss, [best])
    assert read(GRID, everywhere, alone).bounds == ()  # the short runs were worse on all sides
    assert read(GRID, level(8, loss, [best]), alone).bounds == (
        "less momentum",
        "more momentum",
        "smaller learning rates",
        "larger learning rates",
    )
    top = Place(0, 0)  # no momentum at all is no end of a grid
    only = level(32, loss, [top])
    assert "less momentum" not in read(GRID, only, only).bounds


class Counted:
    """Runs by a formula."""

    def __init__(self, formula):
        self.spent, self.formula, self.asked = 0.0, formula, []

    def cost(self, horizon):
        return horizon

    def loss(self, place, horizon, repeat):
        self.spent += horizon
        self.asked.append((place, horizon, repeat))
        return self.formula(place, horizon)


@pytest.mark.parametrize("far", [-6, -1, 0, 6])
def test_the_grid_grows_to_the_optimum_and_the_budget_is_kept(far):
    runs = Counted(lambda p, _: 1 + 0.1 * (p.step - far) ** 2 + 0.01 * (p.rung - 2) ** 2)
    search = Search(GRID, runs.loss, runs, 3000)
    search.run()
    assert search.long.best == Place(far, 2)
    assert runs.spent <= 3000
    assert len(set(runs.asked)) == len(runs.asked)  # nothing is run twice
    assert search.long.horizon == 4 * search.short.horizon


class Evaluated(Counted):
    """As many evaluations of the loss as short runs have."""

    def cost(self, horizon):
        return horizon + min(8, max(horizon // 2, 1)) / 3


@pytest.mark.parametrize("given", [False, True])
def test_runs_are_as_long_as_the_budget_allows(given):
    def planned(horizon):  # 12 short runs and 3 again, 4 long ones twice; where lr is given fewer
        short, long = (9, 6) if given else (15, 8)
        return short * runs.cost(horizon // 4) + long * runs.cost(horizon)

    grid, runs = replace(GRID, given=given), Evaluated(None)
    for budget in range(250, 3000, 7):
        search = Search(grid, runs.loss, runs, budget)
        horizon = search.long.horizon
        assert (horizon % 4, search.short.horizon) == (0, horizon // 4)
        assert planned(horizon) <= budget < planned(horizon + 4)


def test_an_absurd_budget_is_planned_by_few_looks_at_the_cost():
    runs = Counted(None)
    looks = []
    runs.cost = lambda horizon: looks.append(horizon) or float(horizon)
    assert Search(GRID, runs.loss, runs, 10**12).long.horizon > 10**10
    assert len(looks) < 200


def test_a_cliff_of_divergence_is_not_in_the_way():
    def formula(place, horizon):
        return math.inf if place.step > -6 else 1 + 0.1 * (place.step + 8) ** 2

    runs = Counted(formula)
    search = Search(GRID, runs.loss, runs, 3000)
    search.run()
    assert search.long.best.step == -8
    assert all(place.rung < len(COMPLEMENTS) for place in search.long.losses)
