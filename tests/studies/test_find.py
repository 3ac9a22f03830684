"""The study of the finder: its trainings against PyTorch's, its ratios and verdict by hand."""

import math

import numpy as np
import pytest

pytest.importorskip("jax", reason="needs the lab extra")
pytest.importorskip("torch", reason="needs the torch extra")

import jax
import jax.numpy as jnp
import torch
from torch.nn import functional as F

from flatfast.lab.report.theme import THEMES
from studies.find import tables, twins
from studies.find.analysis import analysis, compared, verdict
from studies.find.cases import Training, quick, trainings
from studies.find.example import rebuilt
from studies.find.figure import find
from studies.find.networks import Transformer, convolutional, perceptron
from studies.find.run import STUDY
from studies.find.train import cosine, final_losses, half_way, second_half
from studies.runner import Order, collect, compute


def weights(network):
    return {name: jnp.asarray(p.detach().numpy()) for name, p in network.named_parameters()}


@pytest.mark.parametrize("name", ["perceptron", "convolutional", "transformer"])
def test_twins_give_the_same_outputs(name):
    torch.manual_seed(0)
    images = torch.randn(3, 14, 14, 1)
    if name == "perceptron":
        network, twin, x = perceptron(196, 20, 10), twins.perceptron, images
    elif name == "convolutional":
        network, twin, x = convolutional(14, (4, 6), 10), twins.convolutional, images
    else:
        network, twin = Transformer(11, 8, 12, 2), twins.transformer(2)
        x = torch.randint(11, (3, 8))
    expected = network(x).detach()
    if name == "transformer":
        expected = expected.transpose(1, 2)
    assert np.asarray(jax.jit(twin)(weights(network), x.numpy())) == pytest.approx(
        expected.numpy(), abs=2e-5
    )


def test_runs_together_are_those_of_pytorchs_sgd():
    training = quick()["digits"]
    network, batches = training.network(0), training.batches(0)[:20]
    pairs = [(0.05, 0.9), (0.2, 0.0), (1e6, 0.9)]
    found = final_losses(network, training.outputs, pairs, batches, training.test(), cosine)
    for (lr, momentum), loss in zip(pairs[:2], found, strict=False):
        own = training.network(0)
        optimizer = torch.optim.SGD(own.parameters(), lr=lr, momentum=momentum)
        for number, (x, y) in enumerate(batches):
            optimizer.param_groups[0]["lr"] = lr * cosine(number / len(batches))
            optimizer.zero_grad()
            F.cross_entropy(own(x), y).backward()
            optimizer.step()
        x, y = training.test()
        assert loss == pytest.approx(F.cross_entropy(own(x), y).item(), rel=1e-4)
    assert found[2] == math.inf or found[2] > 100


def test_half_way_and_the_rest_make_a_whole():
    assert second_half(0) == pytest.approx(1)
    for share in (0.0, 0.3, 0.99):
        assert cosine(0.5) * second_half(share) == pytest.approx(cosine(0.5 + share / 2))
    training = quick()["digits"]
    network, batches = training.network(0), training.batches(0)[:8]
    before = [p.detach().clone() for p in network.parameters()]
    half_way(network, (0.1, 0.9), batches)
    assert not any(map(torch.equal, before, network.parameters()))


def test_a_larger_batch_sees_the_same_examples():
    training = quick()["digits"]
    one, two = training.batches(3), training.batches(3, 2)
    assert len(one) == 2 * len(two) == training.steps
    assert torch.equal(torch.cat([one[0][0], one[1][0]]), two[0][0])
    assert all(isinstance(each, Training) for each in trainings().values())


def row(losses, ways):
    pairs = [(step * (1 - m), m) for m in (0.0, 0.9) for step in (0.1, 0.2, 0.4)]
    search = {"evaluations": 100, "horizons": [10, 40]}
    sweep = [
        {"lr": lr, "momentum": m, "loss": loss} for (lr, m), loss in zip(pairs, losses, strict=True)
    ]
    told = {name: {"lr": 0.1, "momentum": 0.5, "loss": loss} for name, loss in ways.items()}
    return {"sweep": sweep, "ways": told, "search": search}


WAYS = ("found", "measured", "0.9 at its step")


def made_up(found=1.01):
    rows = {}
    for seed, scale in enumerate((1.0, 2.0, 3.0)):
        losses = [scale * each for each in (1.3, 1.0, 1.2, 1.4, 1.05, 5.0)]
        losses[5] = None if seed == 0 else losses[5]
        ways = dict.fromkeys(WAYS, scale * found)
        for training in trainings():
            for state in ("scratch", "half-way"):
                rows[f"{state}.{training}.{seed}"] = row(losses, ways)
    return rows


def test_ratios_are_to_the_best_over_seeds():
    rows = [made_up()[f"scratch.digits.{seed}"] for seed in range(3)]
    told = compared(rows, 1000)
    assert (told["best"]["lr"], told["best"]["momentum"]) == pytest.approx((0.2, 0.0))
    assert told["best"]["ends"] == []
    assert told["best"]["loss"] == pytest.approx(6 ** (1 / 3))
    assert told["ways"]["found"]["estimate"] == pytest.approx(1.01)
    assert told["ways"]["found"]["low"] == pytest.approx(1.01)  # the seeds agree
    assert told["nine"]["estimate"] == pytest.approx(1.05)
    assert told["cost"] == pytest.approx(0.1)
    rows[1]["ways"]["found"]["loss"] = None
    assert compared(rows, 1000)["ways"]["found"] is None


@pytest.mark.parametrize(("found", "yes"), [(0.99, True), (1.019, True), (1.03, False)])
def test_the_verdict_is_that_of_the_bars(found, yes):
    told = analysis(made_up(found))
    assert len(told["cases"]) == 8
    assert told["verdict"]["median"] == pytest.approx(found)
    assert told["verdict"]["yes"] is yes
    assert ("it is." in tables.verdict(told)) is yes


def test_one_bad_case_or_a_high_cost_is_a_no():
    cases = analysis(made_up(1.0))["cases"]
    assert verdict(cases)["yes"]
    assert not verdict([*cases[:-1], {**cases[-1], "cost": 0.151}])["yes"]
    worse = {**cases[-1]["ways"], "found": {"estimate": 1.11}}
    assert not verdict([*cases[:-1], {**cases[-1], "ways": worse}])["yes"]
    gone = verdict([*cases[:-1], {**cases[-1], "ways": {**worse, "found": None}}])
    assert not gone["yes"]
    assert gone["diverged"] == 1


def test_larger_searches_are_laid_beside_the_sweep_of_their_seed():
    rows = made_up()
    for seed, scale in ((2, 3.0), (0, 1.0)):  # one is not measured yet
        own = row([1.0] * 6, dict.fromkeys(WAYS, 1.03 * scale))
        rows[f"larger.digits.{seed}"] = {"0.5": {**own, "sweep": []}}
    told = analysis(rows)
    (more,) = told["more"]
    assert more["seeds"] == 2
    assert more["share"] == 0.5
    assert more["ways"]["found"]["estimate"] == pytest.approx(1.03)
    assert "| digits | 1.010 (1.01 to 1.01) | 1.030 (" in tables.more(told)


def test_tables_and_figure_of_made_up_rows():
    told = analysis(made_up())
    assert tables.cases(told).count("\n") == 11
    assert tables.changes(told) == "not measured yet"
    assert len(find(told, THEMES[0]).axes) == 2


def test_a_part_is_computed_and_collected(tmp_path):
    order = Order(
        "find", tmp_path / "runs", tmp_path / "out", quick=True, only=["scratch*", "example"]
    )
    assert compute(STUDY, order).failed == {}
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    assert set(result["rows"]) == {"scratch.digits.0"}
    assert result["cases"][0]["ways"]["found"]["estimate"] < 3
    assert STUDY.collect(tmp_path / "empty", result)["rows"] == result["rows"]
    again = rebuilt(result["example"]["found"])
    assert str(again) == result["example"]["words"]
    assert (tmp_path / "out" / "example.png").exists()
