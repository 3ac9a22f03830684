"""What cannot be searched is said, and the model is left as it was."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from flatfast.torch import find
from tests.torch.calibrated import classes, network
from tests.torch.valley import ONE, Valley, half_square


@pytest.fixture
def model():
    made = network()
    before = [p.detach().clone() for p in made.parameters()]
    yield made
    assert all(map(torch.equal, before, made.parameters()))
    assert all(p.grad is None for p in made.parameters())


def test_an_iterator_is_refused_unread(model):
    read = []

    def batches():
        for batch in [classes()] * 1000:
            read.append(1)
            yield batch

    with pytest.raises(ValueError, match="read again, got generator"):
        find(model, F.cross_entropy, batches())
    assert read == []


def test_data_that_ends_is_named(model):
    class Once(IterableDataset):
        def __init__(self):
            self.left = iter([classes()] * 20)

        def __iter__(self):
            return self.left

    with pytest.raises(ValueError, match="gone through only once"):
        find(model, F.cross_entropy, DataLoader(Once(), batch_size=None), budget=400)


def test_too_small_a_budget_says_which_would_do(model):
    with pytest.raises(ValueError, match=r"at least \d+ gradient evaluations") as told:
        find(model, F.cross_entropy, classes(), budget=50)
    least = int(re.search(r"at least (\d+)", str(told.value))[1])
    with pytest.raises(ValueError, match=f"at least {least} "):
        find(model, F.cross_entropy, classes(), budget=least - 1)
    found = find(model, F.cross_entropy, classes(), budget=least)
    assert found.horizons == (4, 16)
    assert found.evaluations <= least


class Broken(nn.Module):
    """Its outputs are no numbers once its weight has moved, however little."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        return inputs * (1 + self.w) * (torch.nan if self.w.item() else 1.0)


@pytest.mark.parametrize("lr", [None, 0.1])
def test_every_run_that_diverges(lr):
    broken = Broken()
    with pytest.raises(RuntimeError, match=r"every run diverged in \d+ steps, at learning rates"):
        find(broken, F.mse_loss, (torch.ones(4, 1), torch.zeros(4, 1)), lr, budget=300)
    assert broken.w.item() == 0


def test_a_start_far_too_large_is_left_behind():
    valley = Valley()
    optimizer = torch.optim.SGD(valley.parameters(), lr=1e9, momentum=0.9)
    found = find(valley, half_square, ONE, optimizer=optimizer, budget=900)
    assert found.loss < 0.5 * found.start
    assert found.lr < 10


@pytest.mark.parametrize("lr", [0, -0.1, float("inf"), float("nan")])
def test_a_learning_rate_must_be_positive(model, lr):
    with pytest.raises(ValueError, match="lr must be positive and finite"):
        find(model, F.cross_entropy, classes(), lr)


def test_an_optimizer_whose_rate_is_0(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(ValueError, match="learning rate must be above 0, got 0"):
        find(model, F.cross_entropy, classes(), optimizer=optimizer)


def test_a_warm_up_that_begins_at_0_is_told_by_its_peak():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 100)
    assert optimizer.param_groups[0]["lr"] == 0
    found = find(model, F.cross_entropy, classes(), optimizer=optimizer, budget=300)
    assert any(trial.pair.step == pytest.approx(0.4) for trial in found.trials)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_not_finite_at_the_start(model, bad):
    with pytest.raises(ValueError, match=f"finite at the start, got {bad}"):
        find(model, lambda f, y: F.cross_entropy(f, y) * bad, classes())


def test_other_bad_arguments(model):
    data = classes()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    cases = [
        ({"budget": 1.5}, TypeError, "budget must be a whole number"),
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"schedule": "linear"}, ValueError, "'constant' or a function, got 'linear'"),
        ({"schedule": 3}, TypeError, "schedule must be"),
        ({"optimizer": 3}, TypeError, "must be a torch.optim.Optimizer, got int"),
        ({"optimizer": optimizer, "params": []}, ValueError, "optimizer or params, not both"),
        ({"optimizer": torch.optim.Adagrad(model.parameters())}, ValueError, "no momentum"),
    ]
    for options, error, told in cases:
        with pytest.raises(error, match=told):
            find(model, F.cross_entropy, data, **options)
    with pytest.raises(ValueError, match="wrap it in a DataLoader"):
        find(model, F.cross_entropy, TensorDataset(*data))
    with pytest.raises(ValueError, match="one number"):
        find(model, lambda f, y: F.cross_entropy(f, y, reduction="none"), data)
    with pytest.raises(ValueError, match="must depend on the parameters"):
        find(model, lambda f, y: F.cross_entropy(f.detach(), y), data)


def test_an_optimizer_that_cannot_be_made_anew(model):
    class Own(torch.optim.Optimizer):
        def __init__(self, params, needed):
            super().__init__(params, {"lr": 0.1, "momentum": 0.9})

    with pytest.raises(TypeError, match="Own cannot be made anew"):
        find(model, F.cross_entropy, classes(), optimizer=Own(model.parameters(), 1))


def test_a_minimum_is_told():
    valley = Valley()
    with torch.no_grad():
        valley.w.zero_()
    with pytest.raises(ValueError, match="nothing says how long a step should be"):
        find(valley, half_square, ONE)
    found = find(valley, half_square, ONE, 0.1, budget=300)
    assert not found.ok
    assert str(found).startswith("Keep what has served: none of ")
