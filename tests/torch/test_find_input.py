"""What cannot be searched is said, and the model is left as it was."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from flatfast.torch import calibrate, find
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
    with pytest.raises(ValueError, match="learning rate must be above 0 and finite, got 0"):
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
        ({"budget": 10**400}, ValueError, "budget must be at most 1,000,000,000,000 grad"),
        ({"steps": 0}, ValueError, "steps must be at least 1 and at most 1,.*, got 0"),
        ({"steps": 10**400}, ValueError, "steps must be at least 1 and at most 1,000,000,000,000"),
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


@pytest.mark.parametrize("data", [None, 3, "a/path"])
def test_data_that_gives_nothing(model, data):
    with pytest.raises(TypeError, match=f"data must be a DataLoader or .*, got {data!r}"):
        find(model, F.cross_entropy, data)
    with pytest.raises(TypeError, match="data must be a DataLoader"):
        calibrate(model, F.cross_entropy, data, 0.1)


@pytest.mark.parametrize("search", [find, calibrate])
def test_a_model_or_a_loss_that_is_none(model, search):
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got <class .*Broken"):
        search(Broken, F.cross_entropy, classes(), 0.1)
    with pytest.raises(TypeError, match=r"loss_fn must be a function .*, got None"):
        search(model, None, classes(), 0.1)


@pytest.mark.parametrize("momentum", [1.0, 1.5])
def test_a_momentum_of_1_is_refused(model, momentum):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    with pytest.raises(ValueError, match=rf"momentum must be in \[0, 1\), got {momentum:g} in"):
        find(model, F.cross_entropy, classes(), optimizer=optimizer)


def test_dampening_makes_an_average_or_is_refused(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9, dampening=0.9)
    found = find(model, F.cross_entropy, classes(), optimizer=optimizer, budget=300)
    assert all(trial.pair.step == trial.pair.lr for trial in found.trials)
    assert any(trial.pair.lr == pytest.approx(0.4) for trial in found.trials)
    told = str(found).replace("\n  ", " ")
    assert "Horizon: lr = " in told
    assert "lr / (1 - momentum)" not in told
    optimizer.param_groups[0]["dampening"] = 0.5
    with pytest.raises(ValueError, match=r"dampening must be 0.*group 0 has 0.5 with momentum 0.9"):
        find(model, F.cross_entropy, classes(), optimizer=optimizer)
    others = {"params": model[2].parameters(), "dampening": 0.9}
    optimizer = torch.optim.SGD([{"params": model[0].parameters()}, others], lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match="must have dampening, or none"):
        find(model, F.cross_entropy, classes(), optimizer=optimizer)


def test_an_optimizer_of_another_model_is_said_to_be_one(model):
    optimizer = torch.optim.SGD(network().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="depend on others alone: is optimizer= or params= of an"):
        find(model, F.cross_entropy, classes(), optimizer=optimizer)


@pytest.mark.parametrize(
    ("factor", "error", "told"),
    [
        (float("nan"), ValueError, "at least 0 and finite, got nan"),
        (-1, ValueError, r"schedule\(0\) must be at least 0 and finite, got -1"),
        ("half", TypeError, r"schedule\(0\) must be a number, at least 0, got 'half'"),
    ],
)
def test_a_schedule_that_gives_no_factor(model, factor, error, told):
    with pytest.raises(error, match=told):
        find(model, F.cross_entropy, classes(), schedule=lambda share: factor)


@pytest.mark.parametrize(
    ("seed", "error"), [("a", TypeError), (1.5, TypeError), (-1, ValueError), (2**70, ValueError)]
)
def test_a_seed_that_is_none(model, seed, error):
    with pytest.raises(error, match="seed must be"):
        find(model, F.cross_entropy, classes(), seed=seed)
    assert find(model, F.cross_entropy, classes(), 0.1, seed=np.int64(3), budget=300).ok
