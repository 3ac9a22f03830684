"""The recipes: grids that favour no exponent, comparisons that are fair."""

import inspect
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from flatfast.lab.engines.simulator import Simulator
from flatfast.lab.estimation.methods import SCAN, constant_momentum, standard_methods
from flatfast.lab.estimation.ranges import (
    SAFE,
    compared_rates,
    rates_beyond,
    stability_limit,
)
from flatfast.lab.goal import Goal
from flatfast.lab.problems import PROBLEMS, load
from flatfast.lab.recipes import DEPARTURES, RECIPES, recipe_of
from flatfast.lab.recipes.recipe import Recipe, log_points
from flatfast.lab.reproduce import (
    PATIENCE,
    PATIENCE_NEAR,
    SCAN_PATIENCE,
    grid_runs,
    identity_of,
    method_runs,
    plan_of,
    reproduce,
)
from flatfast.lab.simulation.optimizers import Adam
from flatfast.lab.store import Store

EVERY = [(name, size) for name in RECIPES for size in ("quick", "full")]


def test_every_problem_has_its_recipes():
    assert set(RECIPES) - DEPARTURES == set(PROBLEMS)
    for name, size in EVERY:
        recipe = recipe_of(name, size)
        assert recipe.problem == name if name in PROBLEMS else recipe.question
        assert set(recipe.settings) <= set(inspect.signature(PROBLEMS[recipe.problem]).parameters)


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_momenta_are_points_of_one_grid(name, size):
    """Were they spaced relative to lr^(2/3), coarse cells would favour the law."""
    recipe = recipe_of(name, size)
    for lr in recipe.lr:
        momenta = np.array(recipe.momenta(lr))
        assert (momenta >= 0).all()
        assert (momenta < 1).all()
        assert (np.diff(momenta) > 0).all()
        places = recipe.per_decade * np.log10(1 - momenta)
        np.testing.assert_allclose(places, np.round(places), atol=1e-6)
        scaled = (1 - momenta) / lr ** (2 / 3)
        assert scaled.min() >= recipe.scaled_mu[0] * (1 - 1e-9)
        assert scaled.max() <= recipe.scaled_mu[1] * (1 + 1e-9)
    # The optimum can move by any exponent between 1/2 and 1 and still be inside.
    span = math.log(max(recipe.lr) / min(recipe.lr))
    assert math.log(recipe.scaled_mu[1] / recipe.scaled_mu[0]) > span * (1 - 2 / 3)
    assert len(grid_runs(recipe)) == recipe.grid_size()


def test_log_points():
    assert log_points(0.1, 1.0, 2) == pytest.approx((1.0, 10**-0.5, 0.1))
    assert log_points(0.11, 0.99, 1) == ()


CURVATURE = 32.6
METHODS = standard_methods(0.11, 1e-3, (0.1, 0.4))


def test_methods_run_up_to_their_limits_and_above_and_long_enough():
    recipe = replace(recipe_of("matrix-sensing", "quick"), comparison_shared_length=False)
    runs = method_runs(recipe, METHODS, 16.0, CURVATURE)
    for method in METHODS:
        rates = compared_rates(method, CURVATURE, recipe.comparison_lr)
        mine = runs[runs.method == method.name]
        assert sorted(set(mine.lr.tolist())) == sorted({*rates, *rates_beyond(method, CURVATURE)})
        for lr in set(mine.lr.tolist()):
            own = mine[mine.lr == lr]
            assert len(own) == recipe.comparison_seeds
            assert (own.momentum == method.setting(lr).momentum).all()
            patience = PATIENCE if lr in recipe.comparison_lr else PATIENCE_NEAR
            longest = min(patience * 16 * lr ** (-2 / 3), recipe.comparison_steps)
            assert (own.steps == math.ceil(longest)).all()


def test_the_oracles_have_every_momentum_up_to_its_own_limit():
    recipe = replace(recipe_of("matrix-sensing", "quick"), comparison_shared_length=False)
    runs = method_runs(recipe, METHODS, 16.0, CURVATURE)
    runs = runs[runs.method == SCAN]
    momenta = sorted(set(runs.momentum.tolist()))
    # From plain SGD to beyond the law's momentum at the least rate.
    assert momenta[0] == 0.0
    assert 1 - momenta[-1] < 0.11 * min(recipe.comparison_lr) ** (2 / 3)
    for momentum in momenta:
        own = runs.lr[runs.momentum == momentum]
        end = SAFE * stability_limit(constant_momentum(momentum), CURVATURE)
        assert {lr for lr in recipe.comparison_lr if lr <= 0.99 * end} <= set(own.tolist())
        assert own.max() <= 1.005 * end
        # All but the longest memories, which swing there, go to the very end.
        if 1 - momentum > 0.11 * end ** (2 / 3) / 4:
            assert own.max() == pytest.approx(end, rel=5e-3)
    for lr in set(runs.lr.tolist()):
        length = math.ceil(SCAN_PATIENCE * 16 * lr ** (-2 / 3))
        assert (runs.steps[runs.lr == lr] == length).all()


def test_runs_close_to_the_limits_may_share_a_length():
    """The longest: no run is shorter than it would be, and batches are few."""
    shared = recipe_of("matrix-sensing", "quick")
    own = replace(shared, comparison_shared_length=False)
    few, many = (method_runs(r, METHODS, 16.0, CURVATURE) for r in (shared, own))
    assert (few.lr == many.lr).all()
    assert (few.steps >= many.steps).all()
    common = np.isin(few.lr, shared.comparison_lr)
    assert (few.steps == many.steps)[common].all()
    assert len(set(few.steps[~common].tolist())) == 2 < len(set(many.steps[~common].tolist()))


def test_unknown_recipes():
    with pytest.raises(ValueError, match="no experiment 'digit'; did you mean digits-mlp"):
        recipe_of("digit", "quick")


def test_nesterov_is_the_one_thing_changed(tmp_path):
    heavy = Recipe(
        "scalar-product", lr=(0.02,), scaled_mu=(0.3, 1), per_decade=4, seeds=2, duration=9
    )
    heavy = replace(heavy, records=20)
    recipe = replace(heavy, nesterov=True)
    problem = load("scalar-product", {})
    before, after = identity_of(heavy, problem), identity_of(recipe, problem)
    assert before["nesterov"] is False
    assert after == {**before, "nesterov": True}
    with Store(tmp_path, after) as store:
        rows = reproduce(recipe, problem, store).sort_by([("momentum", "ascending")])
    runs = grid_runs(recipe)
    for nesterov in (True, False):
        path = Simulator(problem, records=20, nesterov=nesterov).run(runs)
        same = sorted(path.values[problem.goal.metric][:, -1]) == pytest.approx(
            sorted(rows["metric_end"].to_pylist())
        )
        assert same is nesterov


def test_nesterov_is_not_compared_by_the_limits_of_heavy_ball():
    recipe = recipe_of("matrix-sensing", "quick")
    with pytest.raises(ValueError, match=r"comparison_lr must be empty with nesterov, .*0\.001"):
        replace(recipe, nesterov=True)
    for name in RECIPES:
        if name.endswith("-nesterov"):
            full = recipe_of(name, "full")
            own = recipe_of(full.problem, "full")
            assert full.nesterov
            assert (full.problem, full.goal) == (own.problem, own.goal)
            assert set(full.lr) <= set(own.lr)
            # One lattice: cells of the one are cells of the other.
            assert full.per_decade == own.per_decade
            assert full.scaled_mu[0] < own.scaled_mu[0]


@pytest.mark.parametrize("size", ["quick", "full"])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_choose_its_own_points(name, size):
    recipe = recipe_of(name, size)
    plan = plan_of(recipe.adaptively(), SimpleNamespace(goal=Goal("trace", 0.4)))
    assert plan.rates == tuple(sorted(recipe.lr, reverse=True))


def test_normalized_is_the_same_runs_at_other_learning_rates():
    heavy = recipe_of("matrix-sensing", "full")
    recipe = heavy.normalized()
    middle = math.sqrt(math.prod(heavy.scaled_mu))
    for lr, averaged in zip(heavy.lr, recipe.lr, strict=True):
        mu = middle * lr ** (2 / 3)
        assert averaged == pytest.approx(lr / mu, rel=5e-3)
        assert middle**3 * averaged**2 == pytest.approx(mu, rel=1e-2)
        assert recipe.steps(averaged) == pytest.approx(heavy.steps(lr), rel=1e-2)
    assert recipe.grid_size() == pytest.approx(heavy.grid_size(), rel=0.3)
    known = identity_of(recipe, load("matrix-sensing", {}))
    assert known["optimizer"] == {"name": "normalized-sgd"}
    assert "curvature" not in known["comparison"]


def test_only_sgd_is_compared_or_adaptive():
    recipe = recipe_of("matrix-sensing", "quick")
    for changed in ({}, {"comparison_lr": (), "adaptive": True}):
        with pytest.raises(ValueError, match=r"with another optimizer than sgd, .* for adam"):
            replace(recipe, optimizer=Adam(), **changed)
