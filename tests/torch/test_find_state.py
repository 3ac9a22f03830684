"""A search leaves everything as it was, and its runs see the same."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from flatfast.torch import LabelNoise, find
from flatfast.torch.batches import pair
from flatfast.torch.finding.batches import SameBatches
from flatfast.torch.finding.grid import Pair
from flatfast.torch.finding.remade import Remade
from flatfast.torch.finding.runs import ShortRuns
from flatfast.torch.finding.schedule import factor_of
from tests.torch.calibrated import classes, network, trained
from tests.torch.test_calibration_state import same, snapshot


def setting(mode=True, dropout=0.2):
    data, noise = classes(), LabelNoise(0.1, classes=4)
    model = network(nn.BatchNorm1d(16), nn.Dropout(dropout)).train(mode)
    model[1].eval()  # a part of the model in another mode
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(TensorDataset(*data), 20, shuffle=True, generator=generator)
    loss = lambda f, y: F.mse_loss(f, noise(y))  # noqa: E731
    model, optimizer = trained(model, loss, data, 3)
    return model, optimizer, loader, noise, loss


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("fails", [None, KeyError, KeyboardInterrupt])
def test_everything_is_left_as_it_was(mode, fails):
    model, optimizer, loader, noise, loss = setting(mode)
    before = snapshot(model, optimizer, loader, noise)
    places = [p.data_ptr() for p in model.parameters()]
    grads = [p.grad for p in model.parameters()]
    if fails is None:
        find(model, loss, loader, budget=300, optimizer=optimizer)
    else:
        calls = []

        def broken(outputs, targets):
            calls.append(np.random.rand() + random.random())  # noqa: NPY002
            if len(calls) > 40:  # in the middle of a run
                raise fails("theirs")
            return loss(outputs, targets)

        with pytest.raises(fails, match="theirs"):
            find(model, broken, loader, budget=300, optimizer=optimizer)
    assert same(before, snapshot(model, optimizer, loader, noise))
    assert [p.data_ptr() for p in model.parameters()] == places
    assert all(p.grad is grad for p, grad in zip(model.parameters(), grads, strict=True))


def test_a_training_goes_on_as_if_nothing_had_been():
    def run(searched):
        noise = LabelNoise(0.1, classes=4)
        loss = lambda f, y: F.mse_loss(f, noise(y))  # noqa: E731
        model, optimizer = trained(network(nn.Dropout(0.1)), loss, classes(), 5)
        if searched:
            find(model, loss, classes(), budget=300, optimizer=optimizer)
        for _ in range(5):
            optimizer.zero_grad()
            loss(model(classes()[0]), classes()[1]).backward()
            optimizer.step()
        return copy.deepcopy((model.state_dict(), optimizer.state_dict()))

    assert same(run(False), run(True))


def test_a_beta_in_a_tensor_is_not_written():
    model = network()
    betas = (torch.tensor(0.85), torch.tensor(0.99))
    optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.01), betas=betas)
    find(model, F.cross_entropy, classes(), budget=300, optimizer=optimizer)
    assert optimizer.param_groups[0]["betas"][0] == torch.tensor(0.85)
    assert optimizer.param_groups[0]["lr"] == torch.tensor(0.01)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_under_no_grad_and_inference_mode(context):
    model, data = network(), classes()
    with context():
        assert find(model, F.cross_entropy, data, budget=300).loss < 1.4


def short_runs(model, loss, data):
    params = list(model.parameters())
    batches, remade = SameBatches(data, params[0].device), Remade(None, params)
    return ShortRuns(model, loss, batches, params, pair, remade, factor_of("cosine"), 0)


def test_runs_of_a_repeat_see_the_same_and_of_another_something_else():
    model, _, loader, _, loss = setting()
    runs = short_runs(model, loss, loader)
    one, other = Pair(0.1, 0.5, 0.2), Pair(0.02, 0.9, 0.2)
    first, _, second = (runs.loss(p, 12, 0) for p in (one, other, one))
    assert first == second
    assert runs.loss(one, 12, 1) != first


def test_label_noise_of_repeats_differs_where_nothing_else_does():
    noise = LabelNoise(0.5)
    runs = short_runs(nn.Linear(2, 1), lambda f, y: F.mse_loss(f, noise(y)),
                      (torch.randn(6, 2), torch.randn(6, 1)))  # fmt: skip
    one = Pair(0.1, 0.5, 0.2)
    losses = [runs.loss(one, 8, repeat) for repeat in (0, 1, 0)]
    assert losses[0] == losses[2]
    assert losses[0] != losses[1]
    assert noise.count == 1 + 1 or noise.count == 0  # of the caller: nothing of the runs


def test_batches_beyond_the_memory_come_round(monkeypatch):
    data = DataLoader(TensorDataset(torch.randn(800, 6), torch.randint(4, (800,))), 10)
    monkeypatch.setattr("flatfast.torch.finding.batches.MOST_BYTES", 40 * 10 * (6 * 4 + 8))
    found = find(network(), F.cross_entropy, data, budget=300)
    assert "the same batches again" in str(found).replace("\n  ", " ")
    batches = SameBatches(data, torch.device("cpu"))
    batches.load(1000)
    assert torch.equal(batches.batch(32)[0], batches.batch(0)[0])  # 8 are for the loss
    assert not torch.equal(batches.batch(31)[0], batches.batch(0)[0])


def test_a_loss_that_holds_on_to_the_model_is_that_of_the_run():
    model = network()

    def loss(outputs, targets):
        return F.cross_entropy(outputs, targets) + 0.1 * model[0].weight.square().sum()

    penalized = find(model, loss, classes(), 0.1, budget=300)
    plain = find(model, F.cross_entropy, classes(), 0.1, budget=300)
    weight = 0.1 * model[0].weight.square().sum().item()
    assert penalized.start == pytest.approx(plain.start + weight, rel=1e-5)
    assert penalized.start - penalized.loss > plain.start - plain.loss  # the weights have shrunk


def test_what_is_frozen_stays_though_it_has_a_gradient_still():
    model = network()
    F.cross_entropy(model(classes()[0]), classes()[1]).backward()
    model[0].requires_grad_(False)  # frozen later on, as for fine-tuning
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    before = copy.deepcopy([(p, p.grad) for p in model.parameters()])
    find(model, F.cross_entropy, classes(), budget=300, optimizer=optimizer)
    assert same(before, [(p, p.grad) for p in model.parameters()])


def test_runs_within_an_autocast_move_the_weights_that_are_read():
    model, data = network(), classes()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(data[0])  # the weights in half precision are kept from here on
        within = find(model, F.cross_entropy, data, 0.3, budget=300)
        assert torch.is_autocast_cache_enabled()
        assert torch.equal(model(data[0]), outputs)
    whole = find(model, F.cross_entropy, data, 0.3, budget=300)
    assert within.loss == pytest.approx(whole.loss, rel=0.05)
    assert within.loss < 0.9 * within.start


def test_batches_that_are_written_in_place_are_the_same_for_every_run():
    data = classes()
    before = copy.deepcopy(data)
    runs = short_runs(
        nn.Sequential(nn.Dropout(0.5, inplace=True), network()), F.cross_entropy, data
    )
    losses = [runs.loss(Pair(0.1, 0.5, 0.2), 8, 0) for _ in range(3)]
    assert losses == [losses[0]] * 3
    assert same(before, data)
