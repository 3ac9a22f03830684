"""What the callbacks share, without their frameworks."""

import pytest
import torch
from torch import nn

from flatfast import MomentumLaw
from flatfast.torch import couple
from flatfast.torch.callback import Follower
from tests.made_up import made_up_calibration
from tests.torch.bowl import own


def test_a_calibration_is_made_for_the_learning_rate_that_a_warm_up_leads_to():
    asked, modes = [], []

    def calibrate(model, data, lr):
        asked.append(lr)
        modes.append(model.training)
        return made_up_calibration(C=0.3, lr=lr)

    model = nn.Linear(2, 1).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert optimizer.param_groups[0]["lr"] == 0
    follower = Follower(calibrate=calibrate)
    follower.start([optimizer], 100, model, None)
    assert asked == [0.1]
    assert modes == [True]
    assert not model.training
    assert follower.C == 0.3


def test_each_training_is_calibrated_and_a_resumed_one_is_not():
    asked = []

    def calibrate(model, data, lr):
        asked.append(lr)
        return made_up_calibration(C=lr, lr=lr)

    follower, model = Follower(calibrate=calibrate), nn.Linear(2, 1)
    used = []
    for lr, kept in ((0.1, None), (0.2, None), (0.3, 0.7), (0.4, None)):
        if kept is not None:
            follower.resume(kept)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        follower.start([optimizer], 100, model, None)
        used.append(follower.C)
        assert follower.readings()["momentum"] == MomentumLaw(follower.C)(lr)
        follower.end()
    assert asked == [0.1, 0.2, 0.4]
    assert used == [0.1, 0.2, 0.7, 0.4]


def test_all_optimizers_are_coupled_or_none():
    model = nn.Linear(2, 1)
    first = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.3)
    follower = Follower(C=0.5)
    with pytest.raises(ValueError, match="Adagrad has neither momentum nor betas"):
        follower.start([first, torch.optim.Adagrad(model.parameters())], 100, model, None)
    assert first.param_groups[0]["momentum"] == 0.3
    couple(first, MomentumLaw(0.5))


def test_an_optimizer_that_somebody_has_coupled_is_read():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    couple(optimizer, MomentumLaw(0.5))
    follower = Follower()
    follower.start([optimizer], 100, model, None)
    assert follower.readings()["momentum"] == MomentumLaw(0.5)(0.1)


def test_a_page_is_kept_while_a_training_goes_on(tmp_path):
    page = tmp_path / "run.html"
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    calibrate = lambda model, data, lr: made_up_calibration(C=0.3, lr=lr)  # noqa: E731
    follower = Follower(calibrate=calibrate, page=page)
    follower.start([optimizer], 100, model, None)
    assert "refresh" in page.read_text()
    optimizer.step()
    follower.end()
    text = page.read_text()
    assert "refresh" not in text
    assert "ended after 1 step" in text
    assert "Step 0: C 0.3 (" in text


def test_the_effective_step_of_an_average_is_the_learning_rate():
    model = nn.Linear(2, 1)
    follower = Follower(law=own(MomentumLaw(0.5)))
    with pytest.warns(UserWarning, match="beta1"):
        follower.start([torch.optim.Adam(model.parameters(), lr=0.1)], 100, model, None)
    momentum = MomentumLaw(0.5)(0.1)
    assert follower.readings() == {"lr": 0.1, "momentum": momentum, "effective_step": 0.1}
