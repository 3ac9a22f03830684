"""The limit study: simulation, equations, distances and rates, each where the answer is known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.problems import load
from flatfast.lab.simulation.simulate import simulate
from flatfast.theory import SquaredError
from studies import machines, runner
from studies.limit import cases, rank_one
from studies.limit.ensemble import kept, summed_up
from studies.limit.gap import Curve, Distance, distance, largest, rate
from studies.limit.problems import excess, in_units_of_start, matrix_sensing, scalar_product
from studies.limit.run import STUDY, parts_of
from studies.limit.simulation import readings_of_sgd, steps_at
from studies.study import RESULTS, read_json
from tests.theory.test_limit import EPS, on_the_hyperbola, random_on_the_hyperbola
from tests.theory.test_limit import TIMES as HYPERBOLA_TIMES

TIMES = np.linspace(0, 1, 3)


def read_all_of(point):
    return point


def test_steps_without_noise_are_the_labs():
    """Off the manifold, where there is something to descend; runs of two prefactors at once."""
    problem = load("scalar-product", {"noise_std": 0.0, "start": "init", "width": 2})
    model = SquaredError(problem.residuals, problem.start())
    lr, C = 1e-3, np.array([1.0, 3.0])

    def read(point):
        params = model.tree_at(point)
        return jnp.stack([problem.metrics["u_norm"](params), problem.metrics["v_norm"](params)])

    found = readings_of_sgd(
        model,
        model.flat(problem.start()),
        read,
        noise_std=0.0,
        C=C,
        lr=lr,
        times=TIMES,
        runs=1,
        key=jax.random.key(0),
    )
    told = simulate(
        problem,
        lr,
        1 - C * lr ** (2 / 3),
        0,
        steps=int(steps_at(TIMES, lr)[-1]),
        records=2,
        dtype="float64",
        metrics=["u_norm", "v_norm"],
    )
    assert list(told.steps) == list(steps_at(TIMES, lr))
    for k, name in enumerate(("u_norm", "v_norm")):
        np.testing.assert_allclose(found[:, 0, :, k], told.values[name][:, 1:], rtol=1e-12)


def test_noise_is_that_of_a_linear_model():
    """``r = a w``, two examples: the momentum's and the noise's recursion in closed form."""
    a, eps, lr, C = np.array([1.0, 2.0]), 0.3, 0.05, 2.0
    model = SquaredError(lambda w: a * w[0], np.zeros(1))
    runs = 20_000
    found = readings_of_sgd(
        model,
        np.zeros(1),
        read_all_of,
        noise_std=eps,
        C=[C],
        lr=lr,
        times=TIMES,
        runs=runs,
        key=jax.random.key(0),
    )[0, :, -1, 0]
    mu, curvature = C * lr ** (2 / 3), float(np.mean(a**2))
    A = np.array([[1 - lr * curvature, -lr * (1 - mu)], [curvature, 1 - mu]])
    shape = np.array([-lr, 1.0]) * eps * np.linalg.norm(a) / 2
    covariance = np.zeros((2, 2))
    for _ in range(steps_at(TIMES, lr)[-1]):
        covariance = A @ covariance @ A.T + np.outer(shape, shape)
    assert found.var() == pytest.approx(covariance[0, 0], rel=5 * (2 / runs) ** 0.5)
    assert abs(found.mean()) < 4 * (covariance[0, 0] / runs) ** 0.5


def test_parallel_vectors_of_any_width_are_width_one():
    """So the study's width 30 starts with vectors that are not parallel."""
    found = []
    for width in (1, 5):
        model = SquaredError(
            lambda p: jnp.vdot(p["u"], p["v"]) - 1, {"u": np.ones(width), "v": np.ones(width)}
        )
        start = np.repeat([np.e, 1 / np.e], width) / width**0.5
        found.append(
            readings_of_sgd(
                model,
                start,
                in_units_of_start(excess(model), start),
                noise_std=0.5,
                C=[1.0],
                lr=1e-3,
                times=TIMES,
                runs=3,
                key=jax.random.key(0),
            )
        )
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
    u, v = np.split(scalar_product(30).start, 2)
    assert u @ v == pytest.approx(1)
    assert (u @ u, v @ v) == pytest.approx((np.e**2, np.e**-2 + 1))


def test_any_width_is_width_two():
    """Run by run, from vectors that are not parallel; in the limit too."""
    five, two = (scalar_product(width) for width in (5, 2))
    found = [
        readings_of_sgd(
            problem.model,
            problem.start,
            problem.read,
            noise_std=problem.noise_std,
            C=[1.0],
            lr=1e-3,
            times=TIMES,
            runs=3,
            key=jax.random.key(0),
        )
        for problem in (five, two)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
    np.testing.assert_allclose(five.mean_field(0.5), two.mean_field(0.5), atol=1e-5)


def test_runs_that_are_lost_are_counted_and_left_out():
    readings = np.array([[[1.0], [3.0], [np.nan]], [[0.0], [0.0], [0.0]]])
    found = summed_up([1.0, 2.0], readings)
    assert found.mean[0, 0] == 2
    assert found.covariance[0, 0, 0] == 2
    assert (list(found.runs), list(found.lost)) == ([2, 3], [1, 0])


def test_a_momentum_out_of_range():
    model = SquaredError(lambda w: w, np.zeros(1))
    with pytest.raises(ValueError, match=r"must be in \(0, 1\], got 1.2 at lr 1"):
        readings_of_sgd(
            model,
            np.zeros(1),
            read_all_of,
            noise_std=0,
            C=[1.2],
            lr=1.0,
            times=TIMES,
            runs=1,
            key=jax.random.key(0),
        )


def test_the_rank_one_family_begins_with_the_hyperbola():
    told = rank_one.mean_field(1, C=0.5, eps=EPS, times=HYPERBOLA_TIMES)
    np.testing.assert_allclose(told, 2 * np.sinh(2 * on_the_hyperbola(0.5)[0]), atol=1e-6)
    runs = 4000
    times = np.linspace(0, 4, 3)
    found = rank_one.random_amplitudes(
        1, C=0.5, eps=EPS, times=times, runs=runs, key=jax.random.key(0), step=0.02
    )[:, -1]
    other = random_on_the_hyperbola(0.5, runs, 0.005, 800)
    error = np.hypot(found.std(), other.std()) / runs**0.5
    assert abs(found.mean() - other.mean()) < 4 * error
    assert found.std() == pytest.approx(other.std(), rel=0.08)


def test_the_modes_of_the_rank_one_family():
    """Eigenvalues of the Hessian, at any point of the curve, and the metric along it."""
    m, q = 3, 0.7
    model, noise_std = rank_one.rank_one(m, 0.5)
    w = np.repeat([np.exp(q), np.exp(-q)], m) / m**0.5
    with jax.enable_x64(True):
        J = np.asarray(jax.jacrev(model.residuals_at)(jnp.asarray(w)))
        assert float(model.loss_at(jnp.asarray(w))) < 1e-20
    found = np.linalg.eigvalsh(J @ J.T / model.examples)[-(2 * m - 1) :]
    value, slope = rank_one.sharpness(q)
    np.testing.assert_allclose(found, np.sort(np.repeat(value, [1, m - 1, m - 1])), rtol=1e-9)
    ahead, _ = rank_one.sharpness(q + 1e-6)
    np.testing.assert_allclose((ahead - value) / 1e-6, slope, rtol=1e-4)
    # The noise that drives a mode, eps^2 / 2P, times m modes' worth of sharpness: that of m = 1.
    assert noise_std**2 / model.examples * m == pytest.approx(0.25)


def test_more_modes_are_nearer_to_the_mean_field():
    times, runs = np.linspace(0, 3, 4), 2000
    spread = []
    for m in (1, 6):
        told = rank_one.mean_field(m, C=0.5, eps=0.5, times=times)
        found = rank_one.random_amplitudes(
            m, C=0.5, eps=0.5, times=times, runs=runs, key=jax.random.key(1), step=0.04
        )
        spread.append(found[:, -1].std())
        if m == 6:
            assert abs(found[:, -1].mean() - told[-1]) < 0.02 * told[0]
    assert spread[1] < 0.5 * spread[0]
    with pytest.raises(ValueError, match="times must be regular from 0"):
        rank_one.random_amplitudes(1, C=1, eps=1, times=[0, 1, 3], runs=1, key=jax.random.key(0))


def made_up(gap, runs, seed, readings=12):
    """Mean curves of correlated readings that lie ``gap`` (F,) apart, with their covariances."""
    rng = np.random.default_rng(seed)
    mix = np.tril(np.ones((readings, readings))) / readings**0.5

    def curve(shift):
        samples = shift + rng.standard_normal((runs, readings)) @ mix.T
        return Curve(samples.mean(axis=0), np.cov(samples, rowvar=False) / runs)

    return curve(gap).less(curve(0.0))


@pytest.mark.parametrize("size", [0.0, 0.05, 0.3])
def test_the_distance_of_made_up_samples(size):
    """Unbiased in its square, its standard error that of repetition, and zero is not resolved."""
    gap = size * np.sin(np.arange(12))
    found = [distance(made_up(gap, 200, seed)) for seed in range(200)]
    square = np.array([one.square for one in found])
    error = np.array([one.standard_error for one in found])
    assert abs(square.mean() - np.mean(gap**2)) < 4 * square.std() / 200**0.5
    assert np.median(error) == pytest.approx(square.std(), rel=0.2)
    resolved = np.mean([one.resolved for one in found])
    assert resolved > 0.95 if size == 0.3 else resolved < 0.7
    if size == 0:
        assert resolved < 0.04


def test_the_largest_gap():
    difference = Curve(np.array([0.1, -0.5, 0.2]), np.diag([1.0, 4.0, 9.0]))
    assert largest(difference) == (-0.5, 2.0, 1)


LR = np.geomspace(1e-3, 1e-6, 7)


def synthetic(rng, exponent, error, correction=0.0):
    true = 0.3 * LR**exponent * (1 + correction * LR ** (1 / 3))
    return [
        Distance(s, e, bool(s > 3 * error**2))
        for s, e in zip(
            true**2 + 2 * true * error * rng.standard_normal(7),
            np.hypot(2 * true * error, error**2),
            strict=True,
        )
    ]


@pytest.mark.parametrize(
    ("exponent", "error"), [(1 / 3, 1e-4), (1 / 3, 1.5e-3), (2 / 3, 5e-5), (0.15, 1e-3)]
)
def test_the_rate_of_synthetic_distances(exponent, error):
    rng = np.random.default_rng(0)
    found = [rate(LR, synthetic(rng, exponent, error)) for _ in range(20)]
    assert all(one is not None for one in found)
    inside = np.mean([one.low <= exponent <= one.high for one in found])
    assert inside > 0.8
    assert np.mean([one.estimate for one in found]) == pytest.approx(exponent, abs=0.05)


def test_a_rate_with_a_correction_is_wider():
    rng = np.random.default_rng(0)
    plain = rate(LR, synthetic(rng, 1 / 3, 1e-5))
    bent = rate(LR, synthetic(rng, 1 / 3, 1e-5, correction=6.0))
    assert bent.scatter > 0.01 > plain.scatter
    assert bent.high - bent.low > 3 * (plain.high - plain.low)


def test_no_rate_where_nothing_is_resolved():
    rng = np.random.default_rng(0)
    assert rate(LR, synthetic(rng, 2.0, 1e-2)) is None
    # No power law: up and down by orders of magnitude.
    jagged = [Distance(10.0 ** (6 * (n % 2)), 1e-3, True) for n in range(7)]
    assert rate(LR, jagged) is None
    # Nor does a fall that ends in a plateau have one.
    ended = [(0.069, 1.8e-4), (0.0196, 5e-5), (0.0087, 1.6e-5), (0.0074, 8e-6), (0.0089, 7e-6)]
    ended += [(0.0116, 1e-5)] * 2
    assert rate(LR, [Distance(size**2, error, True) for size, error in ended]) is None


@pytest.fixture
def order(tmp_path):
    def ordered(**more):
        return runner.Order("limit", tmp_path / "runs", tmp_path / "results", **more)

    return ordered


def with_lrs(*lrs):
    """The study of one small case, of these learning rates."""
    tiny = cases.rank_one(2, lrs, runs=50, paths=50)
    return dataclasses.replace(
        STUDY, parts=lambda folder, quick: parts_of(tiny, folder), draw=lambda *_: None
    )


def entry_of(result, name):
    return next(entry for entry in result["cases"] if entry["case"] == name)


def test_parts_are_kept_and_what_they_lack_comes_from_the_result_before(order, tmp_path):
    study = with_lrs(1e-2, 1e-3)
    assert runner.compute(study, order(only=["sgd*"])).computed == [
        "sgd.rank-one-2.0.01",
        "sgd.rank-one-2.0.001",
    ]
    # Without the limit there is nothing to compare.
    assert entry_of(runner.collect(study, order()), "rank-one-2")["rows"] == []
    outcome = runner.compute(study, order())
    assert outcome.computed == ["mean-field.rank-one-2", "random.rank-one-2"]
    assert runner.compute(study, order(again=True)).computed == []
    result = runner.collect(study, order())
    case = entry_of(result, "rank-one-2")
    assert case["modes"] == 3
    assert [(row["C"], row["lr"]) for row in case["rows"][:3]] == [
        (0.3, 1e-2),
        (0.3, 1e-3),
        (0.5, 1e-2),
    ]
    row = case["rows"][0]
    assert (row["runs"], row["lost"]) == (50, 0)
    assert 0 < row["from_random"]["standard_error"] < 0.3
    assert len(case["curves"][0]["mean"]) == 24
    told = kept(order().folder, "mean-field.rank-one-2")
    assert case["curves"][0]["mean_field"] == pytest.approx(told.mean[0], abs=1e-6)
    # In a clean checkout nothing is computed, and the result stays what it is.
    clean = dataclasses.replace(order(), folder=tmp_path / "clean")
    assert runner.compute(study, clean).computed == []
    assert runner.collect(study, clean) == result
    # One learning rate again, with other runs: the others stay.
    again = dataclasses.replace(clean, again=True)
    runner.compute(with_lrs(3e-3), again)
    fresh = entry_of(runner.collect(study, again), "rank-one-2")
    assert [row for row in fresh["rows"] if row["lr"] != 3e-3] == case["rows"]
    assert (len(case["rows"]), len(fresh["rows"])) == (10, 15)
    assert fresh["curves"] == case["curves"]
    assert [entry["all"] for entry in case["rates"]] == [None] * 5


def test_a_figure_of_what_there_is(tmp_path):
    """Panels of cases that are not measured stay empty."""
    result = STUDY.collect(tmp_path, {})
    assert [entry["rows"] for entry in result["cases"]] == [[]] * 5
    STUDY.draw(result, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == ["limit-dark.svg", "limit.svg"]


def test_the_committed_result_stays_without_runs(tmp_path):
    before = read_json(RESULTS / "limit" / "limit.json", {})
    held = set(machines.measured(before))
    assert held
    assert held <= {part.name for part in STUDY.parts(tmp_path, False)}
    assert STUDY.collect(tmp_path, before) == {k: v for k, v in before.items() if k != "machines"}
    assert matrix_sensing().model.residual_count == entry_of(before, "matrix-sensing")["modes"]
