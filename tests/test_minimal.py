"""The paper in one file agrees with the library, which computes everything another way."""

import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from flatfast import timescales

SCRIPT = Path(__file__).parent.parent / "examples" / "minimal.py"


@pytest.fixture(scope="module")
def minimal():
    return SimpleNamespace(**runpy.run_path(str(SCRIPT), run_name="minimal"))


@pytest.fixture(scope="module")
def trained(minimal):
    """Runs at one learning rate from far below the best momentum's mu to far above it."""
    mu = np.array([0.002, 0.006, 0.02])
    at, traces = minimal.train(1e-3, mu, 6, 3000, np.random.default_rng(0))
    return mu, at, traces


def test_the_time_across(minimal):
    mu = np.geomspace(1e-4, 0.5, 30)
    curvature = minimal.START[0] ** 2 + minimal.START[1] ** 2
    expected = timescales.tau_1(1e-3, 1 - mu, curvature)
    np.testing.assert_allclose(minimal.across(1e-3, mu), expected, rtol=1e-6)


def test_the_time_along(minimal, trained):
    theory = pytest.importorskip("flatfast.theory", reason="needs the lab extra")
    _, at, traces = trained
    spacing = at[1] - at[0]
    for mine, runs in zip(minimal.along(at, traces), np.moveaxis(traces, 1, 0), strict=True):
        expected = theory.relaxation_time(at, runs.T, end=minimal.FLAT).time
        assert mine - spacing <= expected <= mine


def test_settling(minimal, trained):
    pytest.importorskip("pyarrow", reason="needs the lab extra")
    from flatfast.lab.estimation.convergence import convergence
    from flatfast.lab.goal import Goal

    mu, at, traces = trained
    goal = Goal("projected_trace", minimal.GOAL, relative=False, smoothing=0)
    runs = traces.reshape(len(at), -1).T
    found = convergence(
        at,
        runs,
        np.repeat(1 - mu, traces.shape[-1]),
        goal,
        recorded=np.full(len(runs), len(at)),
        diverged=np.zeros(len(runs), bool),
    )
    mine = minimal.settling(at, traces).ravel()
    expected = np.where(np.isnan(found.step), np.inf, found.step)
    assert np.isfinite(mine).any()
    late = mine[np.isfinite(mine)] - expected[np.isfinite(mine)]
    assert (np.isfinite(mine) == np.isfinite(expected)).all()
    assert late.min() >= -1e-6
    assert late.max() <= at[1] - at[0]


def test_the_trace_is_the_lab_s(minimal, trained):
    problems = pytest.importorskip("flatfast.lab.problems", reason="needs the lab extra")
    problem = problems.load("scalar-product")
    u, v = np.random.default_rng(0).uniform(0.2, 3, (2, 20))
    for one, other in zip(u, v, strict=True):
        params = {"u": np.array([one]), "v": np.array([other])}
        expected = float(problem.metrics["projected_trace"](params))
        assert minimal.trace(one, other) == pytest.approx(expected, rel=1e-5)
    assert problem.goal.threshold == minimal.GOAL
    assert problem.settings["noise_std"] == minimal.NOISE


def test_the_fastest_momentum(minimal):
    mu = np.geomspace(0.01, 1, 9)
    place, time = minimal.best(mu, 50 * np.exp(0.3 * np.log(mu / 0.17) ** 2))
    assert (place, time) == pytest.approx((0.17, 50), rel=1e-6)


def test_its_law_is_the_lab_s(minimal):
    """C at two learning rates, of few runs, within a quarter of the committed sweep's."""
    committed = json.loads((SCRIPT.parents[1] / "results/scalar-product/summary.json").read_text())
    ratios = []
    for lr in (1e-4, 3e-4):
        mu = minimal.SCALED * lr ** (2 / 3)
        steps = int(minimal.LENGTH * lr ** (-2 / 3))
        at, traces = minimal.train(lr, mu, 24, steps, np.random.default_rng(1))
        place, _ = minimal.best(mu, np.median(minimal.settling(at, traces), axis=-1))
        ratios.append(place / lr ** (2 / 3) / committed["best_C"]["estimate"])
    assert ratios == pytest.approx([1, 1], rel=0.25)


def test_what_has_diverged_never_settles(minimal):
    at = np.arange(4.0)
    traces = np.array([[7.5, 7.5, 7.5], [1, 3, 7.5], [1, np.inf, 1], [1, np.nan, 1]])
    settled = minimal.settling(at, traces[:, None])
    assert settled.tolist() == [[1, np.inf, 2]]


def test_where_two_times_meet(minimal):
    """On the lines 2/mu and (mu/lr)^2/8 exactly; a time that is never reached is passed over."""
    mu, lr = np.geomspace(1e-3, 1, 8), 0.01
    slide = (mu / lr) ** 2 / 8
    assert minimal.meeting(mu, 2 / mu, slide) == pytest.approx(16 ** (1 / 3) * lr ** (2 / 3))
    slide[-1] = np.inf
    assert minimal.meeting(mu, 2 / mu, slide) == pytest.approx(16 ** (1 / 3) * lr ** (2 / 3))


def test_the_plot(minimal):
    x = np.geomspace(1, 100, 5)
    rows = minimal.plot({"up": x, "down": 100 / x, "gone": np.full(5, np.inf) * x}, x, 9, 21)
    first, *between, last, axis, ends = rows.splitlines()
    assert first.rstrip() == "    100 |d" + " " * 19 + "u"
    assert {row[:9] for row in between} == {"        |"}
    assert axis == "        +" + "-" * 21
    assert last.rstrip() == "      1 |u" + " " * 19 + "d"
    assert ends == " " * 9 + "1" + " " * 17 + "100"


def test_what_it_prints(minimal, monkeypatch, capsys):
    """The best C beside that of the crossing, and an exponent with its error."""
    smaller = {"SEEDS": 6, "LENGTH": 12, "LRS": np.geomspace(1e-4, 1e-3, 3)}
    for name, value in smaller.items():
        monkeypatch.setitem(minimal.main.__globals__, name, value)
    minimal.main()
    *_, law, exponent = capsys.readouterr().out.splitlines()
    found = re.fullmatch(
        r"1 - momentum = (.+) lr\^\(2/3\); the two times meet at (.+) lr\^\(2/3\)", law
    )
    best, meeting = map(float, found.groups())
    assert 0.4 < meeting / best < 1.6
    error = r"exponent [\d.]+ \+- [\d.]+ \(standard error of the fitted line\)"
    assert re.fullmatch(error, exponent)
