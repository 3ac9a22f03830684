"""The training benchmark: its readings on made-up curves, and its runs on a tiny scale."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the torch extra")

from studies.runner import Order, collect, compute, missing
from studies.training import cases
from studies.training.analysis import MARGIN, summarise, tuned_lr
from studies.training.curves import final, gather, steps_to
from studies.training.ensemble import train_together
from studies.training.figure import draw
from studies.training.methods import (
    CYCLED,
    EXPONENTS,
    FIXED,
    HALF,
    LAW,
    PAIRS,
    REFERENCE,
    SAME_STEP,
    Method,
    transferred,
)
from studies.training.run import STUDY
from studies.training.runs import joined
from studies.training.tasks import TASKS, Kind
from studies.training.train import Run, train
from tests.made_up import image_folder

DIGITS = TASKS["digits"]
KIND = Kind("made up", 20, 0, 0.5, False, 1000, 10)
RATES = (0.01, 0.02, 0.04)


def rising(steps_to_half, end, images, seed):
    """Right answers that approach ``end``: half of the way after so many steps."""
    steps = np.arange(0, KIND.steps + 1, KIND.every)
    noise = np.random.default_rng(seed).normal(0, 0.002, len(steps))
    accuracy = 0.5 + (end - 0.5) * (1 - 2.0 ** (-steps / steps_to_half)) + noise
    return [round(images * a) for a in accuracy]


def row(pair, lr, seed, steps_to_half, end):
    method = dataclasses.asdict(Method(*pair, lr))
    return {
        "task": "digits",
        "kind": dataclasses.asdict(KIND),
        "method": method,
        "seed": seed,
        "finite": True,
        "validation": rising(steps_to_half, end, DIGITS.validation, (seed, 0)),
        "test": rising(steps_to_half, end, DIGITS.test, (seed, 1)),
    }


def made_up():
    """The reference is best at 0.02; the law is twice as fast at 0.04, and ends as high."""
    rows = []
    for seed in range(6):
        for lr, speed, end in zip(RATES, (400, 100, 100), (0.8, 0.9, 0.85), strict=True):
            rows.append(row(REFERENCE, lr, seed, speed, end))
        for lr, speed in zip(RATES, (110, 100, 50), strict=True):
            rows.append(row((LAW, "constant"), lr, seed, speed, 0.9))
    return rows


def test_steps_to():
    curve = np.concatenate([np.zeros(10), np.ones(90)])
    assert steps_to(1.0, curve, every=10) == 100
    assert steps_to(1.1, curve, every=10) == np.inf
    blip = np.zeros(100)
    blip[20] = 1.0  # one evaluation does not make it, of 6 in its window
    assert steps_to(0.9, blip, every=10) == np.inf


def test_final_is_the_mean_over_the_last_tenth():
    assert final(np.concatenate([np.zeros(90), np.arange(10.0)])) == 4.5


def test_the_summary_finds_what_was_put_in():
    found = summarise(made_up(), DIGITS, KIND)
    assert found["tuned_lr"] == 0.02
    assert pytest.approx(0.1 / 0.02 ** (2 / 3)) == found["C"]
    assert found["accuracy_to_reach"] == pytest.approx(0.9 - MARGIN, abs=0.002)
    (against,) = found["law_against"]
    ratio = against["best"]["steps_ratio"]
    assert ratio["low"] <= 2 <= ratio["high"]
    assert ratio["estimate"] == pytest.approx(2, rel=0.15)
    assert against["best"]["final_gain"]["estimate"] == pytest.approx(0, abs=0.002)
    slow = against["at"][0]["steps_ratio"]  # the reference never arrives at 0.01
    assert slow == {"estimate": None, "low": None, "high": None}
    # At 0.01 the reference has come half of the way to 0.8 two and a half times, less at its mean.
    gains = [0.9 - (0.5 + 0.3 * (1 - 2.0**-2.38)), 0.0, 0.05]
    assert against["mean_final_gain"]["estimate"] == pytest.approx(np.mean(gains), abs=0.002)
    law = next(method for method in found["methods"] if method["method"] == LAW)
    assert law["best"]["lr_for_steps"] == 0.04


def test_only_seeds_that_all_have_count():
    rows = made_up()
    rows.remove(next(r for r in rows if r["seed"] == 5 and r["method"]["name"] == LAW))
    assert summarise(rows, DIGITS, KIND)["seeds"] == 5


def test_an_infinite_loss_counts_as_chance():
    cut = row(REFERENCE, 0.01, 0, 100, 0.9)
    cut["test"] = cut["test"][:5]
    curves = gather([cut], DIGITS, KIND)[REFERENCE][0.01]
    assert final(curves.test) == pytest.approx(0.1)


def test_figures_are_drawn(tmp_path):
    draw({"kinds": [summarise(made_up(), DIGITS, KIND)]}, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        f"digits-{what}{end}.svg" for what in ("final", "steps") for end in ("", "-dark")
    }


# --- Runs ----------------------------------------------------------------------------------------

TINY = Kind("tiny", 30, 0, 0.5, False, 20, 5)


@pytest.mark.parametrize(
    "kind",
    [TINY, dataclasses.replace(TINY, batch_size=5, noise_std=0.0)],
    ids=["label noise", "minibatch"],
)
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_every_method_trains_reproducibly(kind, pair):
    method = Method(*pair, 0.02, 0.5 if pair[0] in EXPONENTS else None)
    first, second = (train(Run("digits", kind, method, 1)) for _ in range(2))
    assert first == second
    assert len(first["test"]) == 5
    assert first["finite"]


def rule(name, reference_lr, lr):
    return Method(name, "constant", lr, transferred(name, reference_lr).C)


@pytest.mark.parametrize("name", EXPONENTS)
def test_a_rule_at_its_own_pair_is_the_reference(name):
    lr = 0.02
    same = [train(Run("digits", TINY, m, 1)) for m in (rule(name, lr, lr), Method(*REFERENCE, lr))]
    # But for the last steps, in which the rule's memory ends with the run.
    assert same[0]["test"][:3] == same[1]["test"][:3]


def test_rules_differ_in_the_exponent():
    """At four times the learning rate each has four to its exponent times the reference's mu."""
    mu = 1 - FIXED[REFERENCE[0]]
    for name, exponent in ((HALF, 1 / 2), (LAW, 2 / 3), (SAME_STEP, 1.0)):
        optimizer, _ = rule(name, 0.01, 0.04).optimizer(_layer(), 100)
        optimizer.step()
        used = 1 - optimizer.param_groups[0]["momentum"]
        assert used == pytest.approx(mu * 4**exponent)


@pytest.mark.parametrize("kind", [0, 1], ids=["label noise", "minibatch"])
def test_runs_together_are_the_runs_alone(kind):
    kind = (TINY, dataclasses.replace(TINY, batch_size=5, noise_std=0.0))[kind]
    methods = (
        rule(SAME_STEP, 0.02, 0.05),
        Method(CYCLED, "one cycle", 0.1),
        Method(LAW, "cosine", 0.05, 0.5),
        Method(*REFERENCE, 1e6),  # diverges at once, and leaves the others alone
    )
    runs = [Run("digits", kind, method, seed) for seed in (0, 1) for method in methods]
    for together, alone in zip(train_together(runs), map(train, runs), strict=True):
        assert together.keys() == alone.keys()
        assert {k: together[k] for k in ("method", "seed", "finite")} == {
            k: alone[k] for k in ("method", "seed", "finite")
        }
        # Sums are made in another order; an image on the fence may fall on the other side.
        np.testing.assert_allclose(together["test"], alone["test"], atol=2)
        np.testing.assert_allclose(together["validation"], alone["validation"], atol=1)


def test_runs_together_are_of_one_kind():
    runs = [
        Run("digits", kind, Method(*REFERENCE, 0.02), 0)
        for kind in (TINY, dataclasses.replace(TINY, steps=10))
    ]
    with pytest.raises(ValueError, match="one task and one kind"):
        train_together(runs)


def test_only_one_cycle_cycles():
    optimizer, scheduler = Method(CYCLED, "one cycle", 0.1).optimizer(_layer(), 100)
    momenta = set()
    for _ in range(100):
        optimizer.step()
        scheduler.step()
        momenta.add(round(optimizer.param_groups[0]["momentum"], 3))
    assert min(momenta) == 0.85
    assert max(momenta) > 0.94


def _layer():
    from torch import nn

    return nn.Linear(1, 1)


def test_fashion_mnist_from_a_folder(tmp_path, monkeypatch):
    task = dataclasses.replace(TASKS["fashion"], validation=10, test=20)
    monkeypatch.delenv("FLATFAST_DATA", raising=False)
    assert "FLATFAST_DATA" in task.needs()
    image_folder(tmp_path / "fashion_mnist", "image", (28, 28), 60, 10)
    monkeypatch.setenv("FLATFAST_DATA", str(tmp_path))
    monkeypatch.setattr("studies.training.tasks.FASHION_IMAGES", 60)
    assert task.needs() == ""
    train_set, validation, test_set = task.split(30, seed=0)
    assert train_set.inputs.shape == (30, 784)
    assert abs(train_set.inputs.mean()) < 1e-5
    assert (len(validation.classes), len(test_set.classes)) == (10, 20)


@pytest.fixture
def tiny(monkeypatch):
    """One kind of run, two methods, two learning rates."""
    task = dataclasses.replace(DIGITS, kinds=(TINY,), lrs=RATES[:2])
    monkeypatch.setattr("studies.training.run.tasks", lambda quick: (task,))
    pairs = (REFERENCE, (LAW, "constant"))
    monkeypatch.setattr("studies.training.cases.PAIRS", pairs)
    monkeypatch.setattr("studies.training.analysis.PAIRS", pairs)
    monkeypatch.setitem(TASKS, "digits", task)
    monkeypatch.setattr("studies.training.changed.TUNED", {TINY.name: 0.01})
    monkeypatch.setattr("studies.training.changed.SEEDS", 1)
    return task


def test_parts_are_kept_and_rows_of_before_stay(tiny, tmp_path):
    order = Order("training", tmp_path / "runs", tmp_path / "out", quick=True)
    first = [part.name for part in missing(STUDY, order)]
    assert first[0] == "digits.tiny.momentum-0.9.constant.seeds-0-0"
    assert not any(".law." in name for name in first)  # follows from the first
    found = compute(STUDY, order)
    assert set(found.computed) == {*first, "digits.tiny.law.constant.seeds-0-0"}
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    (kind,) = result["kinds"]
    assert {method["method"] for method in kind["methods"]} == {LAW, REFERENCE[0]}
    assert [entry["change"] for entry in result["changed"]][1] == {"lr": 4, "batch": 1.0}
    lines = (order.out / "digits.jsonl").read_text().splitlines()
    assert len(lines) == 4

    # Without its parts at hand, all of the result comes from the rows beside it.
    elsewhere = dataclasses.replace(order, folder=tmp_path / "empty")
    written = json.loads(order.result.read_text())
    collect(STUDY, elsewhere)
    assert json.loads(order.result.read_text()) == written
    assert (order.out / "digits.jsonl").read_text().splitlines() == lines


def test_newer_rows_take_the_place_of_those_of_before():
    first, second, third = (row(REFERENCE, lr, 0, 100, 0.9) for lr in RATES)
    again = dict(first, test=[])
    found = joined({"digits": [first, second]}, {"digits": [third, again], "changed": [third]})
    assert found == {"digits": [again, second, third], "changed": [third]}


def test_a_group_holds_every_learning_rate_of_two_seeds():
    kind = DIGITS.kinds[2]
    groups = cases.reference(DIGITS, kind, quick=False)
    assert [len(runs) for runs in groups.values()] == [16, 16, 16]
    others = cases.others(DIGITS, kind, 0.02, quick=False)
    assert len(others) == 3 * (len(PAIRS) - 1)
    assert {run.method.C is None for runs in others.values() for run in runs} == {True, False}


def test_tuning_takes_the_highest_validation_accuracy():
    assert tuned_lr(gather(made_up(), DIGITS, KIND)[REFERENCE]) == 0.02
