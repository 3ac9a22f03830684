"""The largest curvature: right where it is known, at a cost that keeps to its share, and unseen."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from flatfast.calibration.landscape import PRODUCT
from flatfast.torch import Gauge, LabelNoise, LargestCurvature
from flatfast.torch.gauge import Curvature
from tests.torch.bowl import sgd, train, weight


def linear(features=6, examples=40):
    """A linear model, whose squared error has the Hessian ``2 X^T X / N``."""
    torch.manual_seed(0)
    model = nn.Linear(features, 1, bias=False)
    x = torch.randn(examples, features) * torch.linspace(0.3, 2, features)
    return model, x, torch.randn(examples, 1)


def test_a_squared_error_of_a_linear_model():
    model, x, y = linear()
    exact = torch.linalg.eigvalsh(2 * x.T @ x / len(x))[-1].item()
    found = LargestCurvature(model, F.mse_loss, (x, y))()
    assert exact - found.residual <= found.value <= exact * (1 + 1e-5)
    assert found.value == pytest.approx(exact, rel=0.02)
    assert found.evaluations % PRODUCT == 0


def test_batches_of_a_loader_are_averaged():
    model, x, y = linear()
    loader = DataLoader(TensorDataset(x, y), batch_size=10)
    exact = torch.linalg.eigvalsh(2 * x.T @ x / len(x))[-1].item()
    found = LargestCurvature(model, F.mse_loss, loader, products=6, batches=9)()
    assert found.value == pytest.approx(exact, rel=0.02)
    assert found.evaluations % (PRODUCT * 4) == 0  # there are four


def test_cross_entropy_against_the_whole_matrix():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    x, y = torch.randn(20, 5), torch.randint(3, (20,))
    params = dict(model.named_parameters())

    def outputs(flat):
        parts = flat.split([p.numel() for p in params.values()])
        given = {n: v.view_as(p) for (n, p), v in zip(params.items(), parts, strict=True)}
        return torch.func.functional_call(model, given, (x,))

    here = torch.cat([p.detach().reshape(-1) for p in params.values()])
    jacobian = torch.func.jacrev(outputs)(here)
    p = outputs(here).softmax(1)
    S = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    G = torch.einsum("bid,bij,bje->de", jacobian, S, jacobian) / len(x)
    exact = torch.linalg.eigvalsh(G)[-1].item()
    found = LargestCurvature(model, F.cross_entropy, (x, y))()
    assert found.value == pytest.approx(exact, rel=0.02)
    assert found.value <= exact * (1 + 1e-5)


def test_it_goes_on_from_the_last_vector_and_follows_a_change():
    model, x, y = linear(features=30, examples=200)
    measure = LargestCurvature(model, F.mse_loss, (x, y))
    first = measure()
    again = measure()
    assert again.evaluations < first.evaluations
    assert again.value == pytest.approx(first.value, rel=0.03)
    x.mul_(torch.linspace(3, 0.2, 30))  # another direction is now the most curved
    exact = torch.linalg.eigvalsh(2 * x.T @ x / len(x))[-1].item()
    assert measure().value == pytest.approx(exact, rel=0.03)


def test_nothing_else_is_changed():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
    noise = LabelNoise(0.1)
    model.add_module("noise", noise)
    model[1].eval()
    x, y = torch.randn(24, 4), torch.randn(24, 1)
    loader = DataLoader(
        TensorDataset(x, y), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(3)
    )
    layers = nn.Sequential(*list(model.children())[:4])
    loss = lambda f, y: F.mse_loss(f, noise(y))  # noqa: E731
    loss(layers(x), y).backward()
    measure = LargestCurvature(layers, loss, loader)

    def state():
        return {
            "weights": [p.clone() for p in model.parameters()],
            "gradients": [p.grad.clone() for p in model.parameters()],
            "buffers": copy.deepcopy(model.state_dict()),
            "modes": [m.training for m in model.modules()],
            "torch": torch.get_rng_state(),
            "loader": loader.generator.get_state(),
        }, (random.getstate(), str(np.random.get_state()))  # noqa: NPY002 - the user's

    before = state()
    for _ in range(2):
        assert measure().value > 0
    torch.testing.assert_close(state()[0], before[0], rtol=0, atol=0)
    assert state()[1] == before[1]


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_share_is_kept_and_the_first_is_in_advance(share):
    asked = []

    def made_up():
        asked.append(gauge.steps)
        return Curvature(3.0, 0.1, 10, 0.0)

    w = weight()
    optimizer = sgd(w)
    gauge = Gauge(optimizer, curvature=made_up, share=share)
    for _ in range(300):
        gauge.readings()
        train(w, optimizer, 1)
    period = round(10 / share)
    assert asked == list(range(0, 300, period))
    assert 10 * len(asked) <= share * gauge.steps + 10
    found = gauge.readings()
    assert found["curvature"] == 3.0
    assert found["curvature_step"] == asked[-1]
    assert found["curvature_over_limit"] == pytest.approx(3 / 38)
    assert "curvature 3" in str(gauge)
    assert gauge.postfix()["curvature/limit"] == "0.08"


def test_training_with_curvature_is_that_without(tmp_path):
    def run(measured):
        model, x, y = linear()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        curvature = LargestCurvature(model, F.mse_loss, (x, y)) if measured else None
        gauge = Gauge(optimizer, curvature=curvature, share=0.9)
        gauge.page(tmp_path / "run.html", every=1e-9)
        for _ in range(20):
            optimizer.zero_grad()
            F.mse_loss(model(x) + torch.randn(len(x), 1), y).backward()
            gauge.readings()
            optimizer.step()
        return model.weight.detach().clone()

    assert torch.equal(run(True), run(False))


def test_arguments():
    model, x, y = linear()
    with pytest.raises(ValueError, match="batches must be at least 1, got 0"):
        LargestCurvature(model, F.mse_loss, (x, y), batches=0)
    with pytest.raises(ValueError, match="products must be at least 2, got 1"):
        LargestCurvature(model, F.mse_loss, (x, y), products=1)
    with pytest.raises(ValueError, match="no parameter requires a gradient"):
        LargestCurvature(nn.Linear(1, 1).requires_grad_(False), F.mse_loss, (x, y))


def test_a_model_of_zero_curvature():
    model = nn.Linear(2, 1)
    found = LargestCurvature(
        model, lambda f, y: 0 * (f * y).sum(), (torch.ones(3, 2), torch.ones(3, 1))
    )()
    assert found.value == 0
