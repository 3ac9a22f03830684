"""What can be coupled, and to which law; where it is written."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from flatfast import MomentumLaw
from flatfast.calibration import CalibrationError
from flatfast.torch import Calibrator, Gauge, auto_momentum, couple
from tests.made_up import made_up_calibration
from tests.torch.assertions import assert_used
from tests.torch.bowl import LAW, START, loss_of, own, sgd, train, weight


def test_betas_that_are_tensors_are_written_in_place():
    w = nn.Parameter(torch.ones(2))
    betas = torch.tensor(0.8), torch.tensor(0.97)
    optimizer = torch.optim.Adam([w], lr=torch.tensor(0.1), betas=betas, foreach=False)
    with pytest.warns(UserWarning, match="beta1"):
        coupling = couple(optimizer, own(LAW))
    for lr in (0.1, 0.1, 0.2):
        w.grad = torch.ones(2)
        optimizer.param_groups[0]["lr"].fill_(lr)
        optimizer.step()
    assert optimizer.param_groups[0]["betas"][0] is betas[0]
    assert_used(optimizer)
    coupling.remove()
    assert float(betas[0]) == pytest.approx(0.8)


def test_the_second_beta_is_nobody_s_business():
    w = weight()
    optimizer = torch.optim.Adam([w], lr=0.1)
    with pytest.warns(UserWarning, match="beta1"):
        couple(optimizer, own(LAW))
    train(w, optimizer, 2)
    optimizer.param_groups[0]["betas"] = (LAW(0.1), 0.9)
    train(w, optimizer, 1)
    assert optimizer.param_groups[0]["betas"] == (LAW(0.1), 0.9)


def test_a_calibration_is_a_law():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, made_up_calibration(C=0.3, lr=0.1))
    train(w, optimizer, 1)
    assert_used(optimizer, MomentumLaw(0.3))
    with pytest.raises(CalibrationError, match="no lasting noise"):
        couple(sgd(weight()), made_up_calibration(C=0.3, lr=0.1, doubt="no lasting noise"))


def test_an_optimizer_without_momentum():
    with pytest.raises(ValueError, match="Adagrad has neither momentum nor betas in parameter gr"):
        couple(torch.optim.Adagrad([weight()]), LAW)


def test_dampening_between_sum_and_average_is_refused():
    with pytest.raises(ValueError, match=r"parameter group 0 has 0\.5 with momentum 0\.9"):
        couple(sgd(weight(), dampening=0.5), LAW)
    with pytest.raises(ValueError, match="dampening must be 0: what is measured"):
        auto_momentum(sgd(weight(), dampening=0.9), lambda lr: made_up_calibration(C=0.3, lr=lr))


@pytest.mark.parametrize("law", [LAW, LAW.in_convention("normalized")])
def test_dampening_that_equals_the_momentum_is_an_average(law):
    """The path is heavy ball's at lr (1 - momentum), whose momentum is the law's there."""
    lr = 2.0
    averaged = LAW.in_convention("normalized")(lr)
    w, twin = weight(), weight()
    optimizer = sgd(w, lr=lr, momentum=0.7, dampening=0.7)
    optimizer.state[w]["momentum_buffer"] = torch.zeros_like(w)
    coupling = couple(optimizer, law)
    _, path = train(w, optimizer, 5)
    heavy = sgd(twin, lr=lr * (1 - averaged))
    couple(heavy, law)
    assert train(twin, heavy, 5)[1] == pytest.approx(path, rel=1e-12)
    (group,) = optimizer.param_groups
    assert group["momentum"] == group["dampening"] == averaged
    assert heavy.param_groups[0]["momentum"] == pytest.approx(averaged, rel=1e-12)
    assert "convention='normalized'" in repr(coupling)
    assert "momentum averages gradients" in repr(coupling)
    (told,) = coupling.groups()
    assert told.effective_step == lr
    coupling.remove()
    assert group["momentum"] == group["dampening"] == 0.7


def test_the_same_law_reads_alike_of_a_sum_and_an_average():
    """A gauge's C, of a group that nothing follows."""
    w = weight()
    optimizer = sgd(w, lr=2.0, momentum=0.8, dampening=0.8)
    (told,) = Gauge(optimizer).groups()
    law = MomentumLaw.from_reference(2.0, 0.8, convention="normalized")
    assert pytest.approx((law.C,)) == (told.C,)


def test_no_optimizer():
    with pytest.raises(TypeError, match="got Linear"):
        couple(nn.Linear(1, 1), LAW)


def test_no_law():
    with pytest.raises(TypeError, match=r"got 0\.9"):
        couple(sgd(weight()), 0.9)
    with pytest.raises(TypeError, match=r"got the class Calibrator: give .*, Calibrator\(\.\.\.\)"):
        couple(sgd(weight()), Calibrator)


def test_a_negative_learning_rate_is_named():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    optimizer.param_groups[0]["lr"] = -0.1
    loss_of(w).backward()
    with pytest.raises(ValueError, match=r"lr must be at least 0 and finite, got -0\.1"):
        optimizer.step()


@pytest.mark.parametrize("given", [math.nan, 1, 1.2, math.inf, -0.1])
def test_a_law_that_leaves_the_range_is_not_followed(given):
    w = weight()
    optimizer = sgd(w, lr=0.25)
    coupling = couple(optimizer, lambda lr: given)
    loss_of(w).backward()
    for use in (optimizer.step, coupling.groups):
        with pytest.raises(ValueError, match=rf"gives momentum {given:g} at learning rate 0\.25"):
            use()
    assert w.item() == START
    assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("given", [None, "0.9", [0.9]])
def test_a_law_that_gives_no_number(given):
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, lambda lr: given)
    with pytest.raises(TypeError, match="the law must give a number, got"):
        optimizer.step()


def test_a_law_may_give_numbers_of_any_kind():
    for kind in (np.float32, torch.tensor):
        w = weight()
        optimizer = sgd(w)
        couple(optimizer, lambda lr, kind=kind: kind(0.75))
        train(w, optimizer, 1)
        assert type(optimizer.param_groups[0]["momentum"]) is float
        assert optimizer.param_groups[0]["momentum"] == 0.75
