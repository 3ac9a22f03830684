"""The page's numbers: formulas against Python's, the kernel against the lab's committed runs."""

import json
import math
import subprocess

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import chi2, mannwhitneyu

from flatfast import timescales
from flatfast.lab.estimation.convergence import convergence
from flatfast.lab.goal import Goal
from flatfast.lab.problems.scalar_product import scalar_product
from flatfast.law import MomentumLaw
from tests.explorer.paths import EXPLORER, NODE, ROOT, SUMMARY

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node, which is not installed here")

CURVATURE = math.e**2 + math.e**-2
GOAL = 2.5
STEPS = 18567  # of the lab's runs at this learning rate
LR = 1e-4


def page(*calls):
    """What functions of the page answer: each call is its name and its arguments."""
    done = subprocess.run(
        [NODE, str(EXPLORER / "answers.js")],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def numbers(values):
    return np.array(values, dtype=np.float64)  # it reads "Infinity" too


@pytest.fixture(scope="module")
def settings():
    """Learning rate, 1 - momentum, curvature, noise, batch: overdamped to beyond stability."""
    draw = np.random.default_rng(0)
    lr, mu = 10 ** draw.uniform(-6, 0.3, 400), 10 ** draw.uniform(-5, 0, 400)
    curvature, noise = 10 ** draw.uniform(-1, 1, 400), 10 ** draw.uniform(-1, 0, 400)
    return lr, mu, curvature, noise, draw.integers(1, 17, 400)


def test_time_across_is_that_of_the_library(settings):
    lr, mu, curvature, _, _ = settings
    momentum = 1 - mu
    found = numbers(
        page(*(["tau1", a, 1 - m, c] for a, m, c in zip(lr, momentum, curvature, strict=True)))
    )
    expected = timescales.tau_1(lr, momentum, curvature)
    assert np.isinf(expected).any()
    assert np.isfinite(expected).mean() > 0.5
    # Python makes |1 - x|^2 of parts as large as lr curvature and loses digits, the page does not.
    lost = 8 * np.finfo(float).eps * lr * curvature / mu
    finite = np.isfinite(expected)
    assert (np.isinf(found) == ~finite).all()
    assert (np.abs(found[finite] / expected[finite] - 1) < (1e-12 + lost)[finite]).all()
    on_page = (lr < 1e-2) & (mu > 3e-5) & finite
    assert on_page.sum() > 100
    np.testing.assert_allclose(found[on_page], expected[on_page], rtol=1e-12)


def test_other_formulas_are_those_of_the_library(settings):
    lr, mu, curvature, noise, batch = settings
    momentum = 1 - mu
    rows = list(zip(lr, 1 - momentum, curvature, noise, map(int, batch), strict=True))
    found = page(
        *(["tau2", a, m, 0.18, e, b] for a, m, _, e, b in rows),
        *(["variance", a, m, e, b] for a, m, _, e, b in rows),
        *(["stabilityLimit", m, c] for _, m, c, _, _ in rows),
        *(["law", a, 0.593] for a, *_ in rows),
    )
    along, spread, limit, law = numbers(found).reshape(4, -1)
    expected = timescales.tau_2(lr, momentum, 0.18, noise, batch)
    np.testing.assert_allclose(along, expected, rtol=1e-12)
    expected = timescales.label_noise_variance(lr, momentum, noise, batch)
    np.testing.assert_allclose(spread, expected, rtol=1e-12)
    np.testing.assert_allclose(limit, timescales.stability_limit(momentum, curvature), rtol=1e-12)
    expected = [1 - MomentumLaw(0.593, max_momentum=1 - 1e-9)(a) for a in lr]
    np.testing.assert_allclose(law, expected, rtol=0, atol=1e-12)


def test_flow_time_is_that_of_the_flow():
    """By quadrature: at ``(e^q, e^-q)``, ``dw/ds = -grad tr H`` is ``dq/ds = -2 tanh 2q``."""
    end = math.acosh(1 + (CURVATURE - 2) / math.e / 2) / 2
    time, _ = quad(lambda q: 1 / (2 * math.tanh(2 * q)), end, 1)
    assert page(["flowTime"]) == pytest.approx([time], rel=1e-12)


@pytest.mark.parametrize(("lr", "noise", "batch"), [(1e-5, 0.5, 1), (1e-3, 0.2, 4), (1e-2, 1, 1)])
def test_two_times_meet_where_python_finds_it(lr, noise, batch):
    flow, found, closed = page(
        ["flowTime"], ["meeting", lr, noise, batch], ["crossing", lr, 0.18, noise, batch]
    )

    def gap(log_mu):
        momentum = 1 - math.exp(log_mu)
        along = timescales.tau_2(lr, momentum, flow, noise, batch)
        return math.log(along / timescales.tau_1(lr, momentum, CURVATURE))

    assert found == pytest.approx(math.exp(brentq(gap, math.log(1e-5), 0, xtol=1e-14)), rel=1e-9)
    # 2 / mu equals tau_2 at the crossing in closed form.
    along = timescales.tau_2(lr, 1 - closed, 0.18, noise, batch)
    assert along == pytest.approx(2 / closed, rel=1e-11)


def test_a_run_without_noise_is_that_of_the_lab():
    problem = scalar_product()
    u, v, push_u, push_v, lr, mu = 1.9, 0.3, 0.0, 0.0, 0.02, 0.07
    for _ in range(200):
        error = u * v - 1
        push_u, push_v = (1 - mu) * push_u + error * v, (1 - mu) * push_v + error * u
        u, v = u - lr * push_u, v - lr * push_v
    (found,) = page(["descended", [1.9, 0.3], 200, lr, mu])
    assert found == pytest.approx([u, v], rel=1e-12)
    (trace,) = page(["sharpness", u, v])
    metric = problem.metrics["projected_trace"]
    assert trace == pytest.approx(float(metric({"u": np.array([u]), "v": np.array([v])})), rel=1e-5)


def test_steps_to_the_goal_are_counted_as_the_lab_counts_them():
    draw = np.random.default_rng(1)
    steps = np.linspace(0, 4000, 120).round().astype(int)
    runs = np.empty((60, 120))
    mu = 10 ** draw.uniform(-3, -1, 60)
    for run in runs:
        swing = np.cos(steps / draw.uniform(100, 900)) ** 2
        run[:] = 2 + 5.5 * swing * np.exp(-steps / draw.uniform(300, 3000))
        run *= np.exp(draw.normal(0, 0.03, 120))
    runs[:, 0] = 7.5
    runs[3, 40:] = np.nan
    runs[4, 20] = np.inf
    lab = convergence(
        steps,
        runs,
        1 - mu,
        Goal("trace", GOAL, relative=False),
        recorded=np.full(60, 120),
        diverged=np.zeros(60, bool),
    )
    finite = np.where(np.isfinite(runs), runs, 1e308)
    found = numbers(
        page(
            *(
                ["settled", steps.tolist(), run.tolist(), 1 - (1 - m), GOAL]
                for run, m in zip(finite, mu, strict=True)
            )
        )
    )
    keeps = np.isfinite(runs).all(axis=1)
    expected = np.where(np.isfinite(lab.step), lab.step, np.inf)
    assert 10 < np.isfinite(expected[keeps]).sum() < 56
    np.testing.assert_allclose(found[keeps], expected[keeps], rtol=1e-9)
    assert np.isinf(found[3])  # diverged


@pytest.fixture(scope="module")
def lab_runs():
    """1 - momentum to the lab's T_c at this learning rate, infinite where there is none."""
    table = pq.read_table(ROOT / "results" / "scalar-product" / "runs.parquet")
    here = pc.and_(pc.equal(table["method"], "grid"), pc.equal(table["lr"], LR))
    rows = table.filter(here).to_pylist()
    assert {row["steps"] for row in rows} == {STEPS}
    times: dict[float, list[float]] = {}
    for row in rows:
        time = row["convergence_step"]
        times.setdefault(1 - row["momentum"], []).append(math.inf if time is None else time)
    return {mu: np.array(found) for mu, found in times.items()}


def against_the_lab(lab_runs, noise):
    """The page's runs against the lab's at ten momenta: one normal deviate of the ranks each."""
    near = [mu for mu in sorted(lab_runs) if 0.25 < mu / LR ** (2 / 3) < 1.6]
    size = {"runs": 512, "steps": STEPS, "records": 256}
    goals = [GOAL / 2]
    answers = page(
        *(
            [
                "convergence",
                {"lr": LR, "mu": mu, "noise": noise, "batch": 1},
                {**size, "seed": i},
                goals,
            ]
            for i, mu in enumerate(near)
        )
    )
    deviates = []
    for mu, (times,) in zip(near, answers, strict=True):
        # Ranks take a time that is beyond the run as the longest, whatever it is.
        ours = np.minimum(numbers(times), 1e9)
        theirs = np.minimum(lab_runs[mu], 1e9)
        ranks = mannwhitneyu(ours, theirs, method="asymptotic")
        count = len(ours) * len(theirs)
        mean, error = count / 2, math.sqrt(count * (len(ours) + len(theirs) + 1) / 12)
        deviates.append((ranks.statistic - mean) / error)
    return np.array(deviates)


def test_runs_take_the_time_of_the_lab_s(lab_runs):
    deviates = against_the_lab(lab_runs, 0.5)
    assert len(deviates) == 10
    assert chi2.sf((deviates**2).sum(), 10) > 1e-3
    assert abs(deviates.sum()) / math.sqrt(10) < 3


def test_that_comparison_sees_a_tenth_more_noise(lab_runs):
    deviates = against_the_lab(lab_runs, 0.55)
    assert abs(deviates.sum()) / math.sqrt(10) > 5


def test_the_optimum_is_that_of_the_lab():
    """By the page's own estimator, at the lab's largest learning rate, within both intervals."""
    (shares, scale, curves) = page(["SHARES"], ["scale", 0.5, 1], ["curve", LR, 0.5, 1, 128, 3])
    (found,) = page(["optimum", [share * scale for share in shares], curves[1]])
    lab = json.loads(SUMMARY.read_text("utf-8"))["best_mu"][-1]
    assert lab["eta"] == LR
    low, high = (found["at"][end] * LR ** (2 / 3) for end in ("low", "high"))
    assert low < lab["high"]
    assert lab["low"] < high
    assert high / low < 1.5


def test_units_of_the_page_s_own_functions():
    done = subprocess.run(
        [NODE, "--test", "test/"],
        cwd=EXPLORER,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
