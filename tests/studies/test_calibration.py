"""The calibration's benchmark: its PyTorch twins, and its table on made-up sweeps."""

import json
from dataclasses import asdict

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("torch", reason="needs the torch extra")

import torch

from flatfast.calibration import calibrate
from flatfast.calibration.result import DAMPING
from flatfast.lab.calibration import ProblemLandscape
from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problems import load
from flatfast.lab.rows import conform
from flatfast.lab.simulation.simulate import simulate
from flatfast.lab.store import Store
from flatfast.lab.training.supervised import supervised
from flatfast.lab.trajectories import METRIC
from studies.calibration import candidates
from studies.calibration.analysis import summarise
from studies.calibration.calibrated import told
from studies.calibration.cases import ALL, CASES, REDRAWN, REDRAWN_CASES, UNSEEN_CASES, Case
from studies.calibration.curve import read_off
from studies.calibration.measure import centre_file
from studies.calibration.rows import (
    USUAL,
    cases_of,
    complete,
    rate_at,
    redrawn_of,
    steps_over_best,
    unseen_of,
)
from studies.calibration.run import STUDY
from studies.calibration.tables_follow import follow, followed, ratios_of
from studies.calibration.tables_redrawn import redrawn, redrawn_summary
from studies.calibration.tables_two import two_values
from studies.calibration.together import Together
from studies.calibration.twins import twin
from studies.calibration.unseen import UNSEEN
from studies.runner import Order, collect, compute
from tests.made_up import made_up_calibration

TWINS = [
    ("scalar-product", {}),
    ("matrix-sensing", {"dimension": 4, "examples": 5, "start": "init"}),
    ("teacher-student", {"examples": 7, "student_width": 5, "start": "init"}),
    ("digits-mlp", {"examples": 9, "width": 6, "depth": 3, "start": "init"}),
    ("digits-resnet", {"examples": 9, "channels": 2, "start": "init"}),
]


@pytest.mark.parametrize(("name", "settings"), TWINS)
def test_a_twin_is_the_same_model(name, settings):
    problem = load(name, settings)
    model, loss_fn, (inputs, targets), params = twin(problem, seed=0)
    with torch.no_grad():
        for p in model.parameters():  # away from the start, so that nothing is zero
            p += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1))
        ours = (model(inputs) - targets).numpy()
    at = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), params(model))
    assert ours.reshape(-1) == pytest.approx(
        np.asarray(problem.residuals(at)).reshape(-1), rel=1e-3, abs=1e-4
    )
    noise = [float(loss_fn(model(inputs), targets).detach()) for _ in range(3)]
    assert len(set(noise)) == 3


def test_a_twin_whose_labels_flip():
    settings = {"loss": "cross-entropy", "examples": 50, "width": 6, "start": "init"}
    problem = load("digits-mlp", {**settings, "flip_probability": 0.3})
    model, loss_fn, (inputs, labels), params = twin(problem, seed=0)
    at = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), params(model))
    with torch.no_grad():
        outputs = model(inputs)
        assert np.asarray(problem.logits(at)) == pytest.approx(outputs.numpy(), rel=1e-3, abs=1e-4)
        losses = [float(loss_fn(outputs, labels)) for _ in range(400)]
    # The mean over the flips, less its least value, is the lab's loss.
    q = 0.03 + 0.7 * np.eye(10)[0]
    least = -float(q @ np.log(q))
    error = np.std(losses) / 20
    assert np.mean(losses) == pytest.approx(float(problem.loss(at)) + least, abs=4 * error)


def test_parts_have_names_of_their_own(tmp_path):
    names = [part.name for part in STUDY.parts(tmp_path, False)]
    assert len(set(names)) == len(names)
    assert {f"sweep.{case.label}" for case in ALL} < set(names)


LR, BEST = 1e-3, 0.2


def swept(folder, spread=0.02):
    """A sweep whose times are a parabola in ``log C`` around the best, 1000 steps there."""
    rng = np.random.default_rng(0)
    rows = []
    for method, mus in (
        ("grid", [C * LR ** (2 / 3) for C in BEST * np.geomspace(0.2, 6, 13)]),
        ("constant", [0.1, 1.0]),
    ):
        for mu in mus:
            off = np.log(mu / (BEST * LR ** (2 / 3)))
            for seed in range(8):
                time = 1000 * np.exp(0.3 * off**2 + spread * rng.standard_normal())
                rows.append((method, 1 - mu, seed, time if time < 20_000 else None))
    methods, momenta, seeds, times = zip(*rows, strict=True)
    count = len(rows)
    runs = pa.table(
        {
            "method": methods,
            "lr": [LR] * count,
            "momentum": momenta,
            "seed": seeds,
            "steps": [20_000] * count,
            "steps_run": [20_000] * count,
            "status": ["converged" if t else "not_converged" for t in times],
            "convergence_step": times,
            "diverged_step": pa.nulls(count, pa.int64()),
            "metric_start": [1.0] * count,
            "metric_end": [0.1] * count,
            "threshold": [0.4] * count,
            "record_step": [[0, 10]] * count,
            f"{METRIC}cooled:trace": [[1.0, 0.1]] * count,
        }
    )
    goal = asdict(Goal("cooled:trace", 0.4))
    with Store(folder / "runs", {"problem": {"goal": goal}}) as store:
        store.append(conform(runs))
    centre = [json.loads(made_up_calibration(0.25, LR).to_json())]
    kept = {"weights": 10, "calibrations": centre}
    (folder / centre_file()).write_text(json.dumps(kept))


def calibrated(*prefactors):
    """As if the calibrations had found these."""
    return told([made_up_calibration(C, LR) for C in prefactors])


def test_the_table_of_a_sweep_that_is_known(tmp_path):
    case = Case("digits-mlp", {}, lr=LR, lr_factors=(1.0,))
    swept(tmp_path)
    found = complete(summarise(case, tmp_path), calibrated(0.3, 0.2, 0.4), {})
    (row,) = found["rates"]
    assert row["best_C"] == pytest.approx(BEST, rel=0.05)
    low, high = row["best_C_interval"]
    assert low < BEST < high
    assert found["C"] == [0.3, 0.2, 0.4]
    expected = [np.exp(0.3 * np.log(C / BEST) ** 2) for C in (0.3, 0.2, 0.4)]
    over = row["over_best"]
    assert over["each"] == pytest.approx(expected, rel=0.04)
    assert (over["low"], over["estimate"], over["high"]) == tuple(sorted(over["each"]))
    # Momentum 0.9 does not arrive in the runs' length.
    assert row["constants"]["0.9"] == {"time": None, "diverged": False}
    assert row["over_0.9"]["bound"]
    assert row["over_0.9"]["estimate"] == pytest.approx(1000 * expected[0] / 20_000, rel=0.05)


def test_a_calibration_whose_run_does_not_settle_has_no_ratio(tmp_path):
    case = Case("digits-mlp", {}, lr=LR, lr_factors=(1.0,))
    swept(tmp_path)
    sweep = summarise(case, tmp_path)
    (row,) = complete(sweep, calibrated(0.3, 0.0, 0.0), {})["rates"]
    assert row["over_best"]["each"][1:] == [None, None]
    assert row["over_best"]["estimate"] is None
    assert row["over_0.9"] is None


def test_cases_of_unseen_problems_stand_apart(tmp_path):
    swept(tmp_path)
    case = Case("digits-mlp", {}, lr=LR, lr_factors=(1.0,))
    row = summarise(case, tmp_path)
    (unseen,) = (case for case in UNSEEN_CASES if case.label == "recurrent_data_seed-1")
    labels = case.label, unseen.label
    found = {
        "sweeps": {
            label: {**row, "label": label, "problem": label.split("_")[0]} for label in labels
        },
        "calibrated": {label: calibrated(0.3, 0.2, 0.4) for label in labels},
        "candidates": {},
    }
    assert [each["label"] for each in cases_of(found)] == [case.label]
    assert [each["label"] for each in unseen_of(found)] == [unseen.label]


def test_cases_with_data_drawn_anew_stand_beside_the_usual_one(tmp_path):
    swept(tmp_path)
    case = REDRAWN_CASES[0]
    usual = USUAL[case.label]
    row = summarise(Case("digits-mlp", {}, lr=LR, lr_factors=(1.0,)), tmp_path)
    settings = {usual: {"noise_std": 0.1}, case.label: dict(case.settings)}
    found = {
        "sweeps": {
            label: {**row, "label": label, "problem": "matrix-sensing", "settings": settings[label]}
            for label in settings
        },
        "calibrated": {usual: calibrated(0.6, 0.6, 0.6), case.label: calibrated(0.2, 0.2, 0.2)},
        "candidates": {},
    }
    assert [each["label"] for each in cases_of(found)] == [usual]
    ((first, second),) = redrawn_of(found)
    assert (first["label"], second["label"]) == (usual, case.label)
    apart = [rate_at(case, 1.0)["over_best"]["estimate"] for case in (first, second)]
    assert f"a factor of {max(apart) / min(apart):.2f}" in redrawn_summary(found)
    assert "| matrix-sensing, noise 0.1 | 0.6, 0.2 |" in redrawn(found)
    # One alone is no comparison.
    del found["sweeps"][case.label]
    assert redrawn_of(found) == []


def test_every_case_with_data_drawn_anew_has_a_usual_one():
    labels = {case.label for case in CASES}
    assert set(USUAL.values()) == set(REDRAWN) < labels
    assert not set(USUAL) & labels
    assert all(case.settings["data_seed"] for case in REDRAWN_CASES)


@pytest.mark.parametrize("name", ["attention", "logistic"])
def test_the_trace_of_an_unseen_problem_is_that_of_its_products(name):
    problem = UNSEEN[name](start="init")
    with jax.enable_x64(False):
        at = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())
        told = float(jax.jit(problem.metrics["trace"])(at))
        landscape = ProblemLandscape(problem, at)
        probes = [landscape.probe()[0] for _ in range(60)]
    error = np.std(probes) / 60**0.5
    assert told == pytest.approx(np.mean(probes), abs=4 * error)


def test_steps_of_an_estimate_are_read_off_the_sweep(tmp_path):
    case = Case("digits-mlp", {}, lr=LR, lr_factors=(1.0,))
    swept(tmp_path)
    tried = {"curvature": 0.2, "fit": None, "fit_steps": 7}
    found = complete(summarise(case, tmp_path), calibrated(0.3, 0.3, 0.3), tried)["estimated"]
    assert found["fit"] is None
    assert found["curvature"]["over_best"] == pytest.approx(1.0, abs=0.03)
    assert "fit_steps" not in found
    assert found["calibrated"]["over_best"] == pytest.approx(
        np.exp(0.3 * np.log(0.3 / BEST) ** 2), rel=0.04
    )
    assert found["displacement"]["C"] == pytest.approx(0.3)  # at a reach of 1
    rate = {"C": [0.1, 0.2, 0.4], "time": [None, 100.0, 400.0], "best_time": 100.0}
    assert steps_over_best(rate, 0.15) is None
    assert steps_over_best(rate, 0.2 * 2**0.5) == pytest.approx(2.0)


def test_the_curvature_of_a_hyperbola():
    problem = load("scalar-product", {"width": 1})
    with jax.enable_x64(False):
        landscape = ProblemLandscape(problem)
        found = calibrate(landscape, LR, budget=600)
        C = candidates.curvature(problem, landscape, found)
    start = problem.start()
    x, y = float(start["u"][0]), float(start["v"][0])
    # tr H = x^2 + y^2 on x y = c, by x alone; s is the arc.
    c = x * y
    speed = lambda x: (1 + c**2 / x**4) ** -0.5  # noqa: E731 - dx/ds
    slope = lambda x: (2 * x - 2 * c**2 / x**3) * speed(x)  # noqa: E731
    second = (slope(x + 1e-4) - slope(x - 1e-4)) / 2e-4 * speed(x)
    assert float(problem.metrics["trace"](start)) == pytest.approx(x**2 + y**2)
    kappa = found.noise / found.sharpness / 4 * second
    assert pytest.approx(DAMPING * (4 * kappa) ** (1 / 3), rel=0.03) == C


def test_a_fall_to_a_floor_is_fitted():
    time = np.linspace(3.0, 40.0, 12)
    trace = 5.0 + 20.0 * np.exp(-2 * 0.02 * time)
    assert candidates.fitted(time, trace) == pytest.approx(0.02, rel=1e-3)


def test_both_candidates_on_a_parabola():
    # The landscape of tests/calibration/plain.py with a floor: a constant in the trace.
    pairs, std, floor = 1000, 0.5, 0.03
    init = {"x": np.linspace(0.5, 2.0, pairs), "y": np.zeros(pairs)}

    def trace(params):
        return jnp.sum(params["x"] ** 2 + params["y"] ** 2) / pairs + floor

    problem = supervised(
        "parabola",
        lambda params, inputs: params["x"] * params["y"],
        init,
        np.zeros((pairs, 1)),
        np.zeros(pairs),
        goal=Goal("cooled:trace", 0.4),
        noise_std=std,
        start="init",
        metrics={"trace": trace},
        cooling=Descent(lr=100.0, momentum=0.9, steps=300),
    )
    critical = (4 * std**2 * (2 / pairs) / (4 * pairs)) ** (1 / 3)
    with jax.enable_x64(False):
        landscape = ProblemLandscape(problem)
        found = calibrate(landscape, 20.0, budget=600)
        curved = candidates.curvature(problem, landscape, found)
        fitted, steps = candidates.fit(problem, 20.0, found)
    assert curved == pytest.approx(DAMPING * critical, rel=0.1)
    assert fitted == pytest.approx(DAMPING * critical, rel=0.1)
    assert steps > 100


def test_reading_a_curve_between_its_points():
    x = np.array([0.0, 1.0, 2.0])
    y = np.array([[np.inf, 2.0, 4.0], [1.0, 3.0, np.inf]])
    assert read_off(x, y, 1.5) == pytest.approx([3.0, np.inf])
    assert read_off(x, y, 1.0) == pytest.approx([2.0, 3.0])
    assert read_off(x, y, 0.5) == pytest.approx([np.inf, 2.0])


def test_runs_together_are_those_of_a_sweep():
    problem = load("scalar-product", {"noise_std": 0.4})
    seeds, momenta, lr = np.arange(3), np.array([0.8, 0.9, 0.95]), 0.01
    swept = simulate(problem, lr, momenta, seeds, steps=60, records=2)
    with jax.enable_x64(False):
        runs = Together(problem, lr, seeds, "float32")
        values = [runs.goal()]
        for step in (30, 60):
            runs.to(step - 7, 1 - momenta)  # in stretches of any length
            runs.to(step, 1 - momenta)
            values.append(runs.goal())
    assert pytest.approx(swept.values[problem.goal.metric], rel=1e-4) == np.array(values).T


def test_parts_are_kept_and_rows_of_before_stay(tmp_path, monkeypatch):
    case = Case(
        "scalar-product", {"noise_std": 0.4}, lr=1e-2, seeds=8, records=20, lr_factors=(1.0,)
    )
    for module in ("run", "along", "budgets"):
        monkeypatch.setattr(f"studies.calibration.{module}.QUICK", case)
    monkeypatch.setattr("studies.calibration.online.DURATION", 8.0)
    order = Order("calibration", tmp_path / "runs", tmp_path / "out", quick=True)
    found = compute(STUDY, order)
    assert found.failed == {}
    kinds = {name.split(".")[0] for name in found.computed}
    measured = {"sweep", "calibrated", "candidates", "along", "fall", "follow", "budgets", "online"}
    assert kinds == measured | {"two", "pair-grid", "pair"}
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    (row,) = cases_of(result)
    assert rate_at(row, 1.0)["located"]
    assert result["along"][case.label][0]["trace"] == 1.0
    assert {"curvature", "fit", "calibrated"} <= row["estimated"].keys()
    ratios = ratios_of(result, case.label)
    assert set(ratios) == {"start", "fall", "follow"}
    assert 0.5 < ratios["follow"] < 2
    assert f"following {ratios['follow']:.2f} in the median" in followed(result)
    assert case.problem in follow(result)
    assert case.problem in two_values(result)

    # What is committed is kept where the folder lacks its parts, and replaced where it has them.
    sweep, label = result["sweeps"][case.label], "matrix-sensing_noise_std-0.1"
    before = {
        **result,
        "sweeps": {label: sweep, case.label: sweep, "gone": sweep},
        "calibrated": {label: {"C": [7.0]}, case.label: {"C": [7.0]}},
        "online": {"another": {}},
    }
    again = STUDY.collect(order.folder, before)
    assert list(again["sweeps"]) == [label, case.label]
    assert again["calibrated"][label] == {"C": [7.0]}
    assert again["calibrated"][case.label] == result["calibrated"][case.label]
    assert next(iter(again["online"])) == "another"
    assert len(again["online"]) == 2
    assert STUDY.collect(tmp_path / "empty", again) == again
    with pytest.raises(ValueError, match="measure all cases anew"):
        STUDY.collect(tmp_path / "empty", {**again, "damping": 0.5})
