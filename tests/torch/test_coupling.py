"""Momentum follows the learning rate, whoever changes it."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

from flatfast import MomentumLaw
from flatfast.calibration import CalibrationError
from flatfast.torch import couple
from flatfast.torch.groups import LEAST
from tests.made_up import made_up_calibration
from tests.torch.bowl import LAW, START, by_hand, loss_of, sgd, train, weight


def one_cycle(optimizer):
    return schedulers.OneCycleLR(optimizer, max_lr=0.4, total_steps=40, cycle_momentum=False)


def sequential(optimizer):
    parts = [
        schedulers.LinearLR(optimizer, 0.01, total_iters=10),
        schedulers.ExponentialLR(optimizer, 0.9),
    ]
    return schedulers.SequentialLR(optimizer, parts, milestones=[10])


SCHEDULES = {
    "LambdaLR": lambda o: schedulers.LambdaLR(o, lambda step: 1 / (1 + step)),
    "restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, T_0=7, T_mult=2),
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, T_max=40),
    "SequentialLR": sequential,
    "OneCycleLR": one_cycle,
    "from 0": lambda o: schedulers.LambdaLR(o, lambda step: step / 10),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("before", [True, False], ids=["couple first", "schedule first"])
def test_follows_a_scheduler(name, before):
    w = weight()
    optimizer = sgd(w)
    if before:
        couple(optimizer, LAW)
    scheduler = SCHEDULES[name](optimizer)
    if not before:
        couple(optimizer, LAW)
    rates, path = train(w, optimizer, 40, after=lambda step: scheduler.step())
    assert len(set(rates)) > 5
    assert path == pytest.approx(by_hand(rates, LAW(rates)), rel=1e-9)


def test_follows_reduce_on_plateau():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    rates, path = train(w, optimizer, 20, after=lambda step: scheduler.step(1.0))
    assert len(set(rates)) > 3
    assert path == pytest.approx(by_hand(rates, LAW(rates)), rel=1e-9)


@pytest.mark.parametrize("tensor", [False, True], ids=["number", "tensor in place"])
def test_follows_a_hand(tensor):
    w = weight()
    optimizer = sgd(w, lr=torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1)
    couple(optimizer, LAW)
    wanted = [0.1, 0.1, 0.3, 0.02, 0.02, 0.5, 0.1, 0.1]

    def turn(step):
        lr = wanted[min(step + 1, len(wanted) - 1)]
        if tensor:
            optimizer.param_groups[0]["lr"].fill_(lr)
        else:
            optimizer.param_groups[0]["lr"] = lr

    rates, path = train(w, optimizer, len(wanted), after=turn)
    assert rates == wanted
    assert path == pytest.approx(by_hand(wanted, LAW(wanted)), rel=1e-9)


def test_nothing_else_changes():
    """At the law's own momentum the run is the plain one, bit for bit."""
    paths = []
    for coupled in (True, False):
        w = weight()
        optimizer = sgd(w, momentum=LAW(0.1), weight_decay=0.01, nesterov=True)
        if coupled:
            couple(optimizer, LAW)
        paths.append(train(w, optimizer, 50)[1])
    assert paths[0] == paths[1]


# --- Which momentum ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax"])
def test_the_first_beta_of_the_adam_family(kind):
    w = weight()
    optimizer = getattr(torch.optim, kind)([w], lr=0.1, betas=(0.8, 0.97))
    with pytest.warns(UserWarning, match=rf"{kind} .* beta1.* from 0.8 to 0.8923") as told:
        coupling = couple(optimizer, LAW)
    assert len(told) == 1
    train(w, optimizer, 3)
    assert optimizer.param_groups[0]["betas"] == (LAW(0.1), 0.97)
    coupling.remove()
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.97)


def test_betas_that_are_tensors_are_written_in_place():
    w = nn.Parameter(torch.ones(2))
    betas = torch.tensor(0.8), torch.tensor(0.97)
    optimizer = torch.optim.Adam([w], lr=torch.tensor(0.1), betas=betas, foreach=False)
    with pytest.warns(UserWarning, match="beta1"):
        coupling = couple(optimizer, LAW)
    for lr in (0.1, 0.1, 0.2):
        w.grad = torch.ones(2)
        optimizer.param_groups[0]["lr"].fill_(lr)
        optimizer.step()
    assert optimizer.param_groups[0]["betas"][0] is betas[0]
    assert float(betas[0]) == pytest.approx(LAW(0.2))
    coupling.remove()
    assert float(betas[0]) == pytest.approx(0.8)


def test_the_second_beta_is_nobody_s_business():
    w = weight()
    optimizer = torch.optim.Adam([w], lr=0.1)
    with pytest.warns(UserWarning, match="beta1"):
        couple(optimizer, LAW)
    train(w, optimizer, 2)
    optimizer.param_groups[0]["betas"] = (LAW(0.1), 0.9)
    train(w, optimizer, 1)
    assert optimizer.param_groups[0]["betas"] == (LAW(0.1), 0.9)


def test_a_calibration_is_a_law():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, made_up_calibration(C=0.3, lr=0.1))
    train(w, optimizer, 1)
    assert optimizer.param_groups[0]["momentum"] == MomentumLaw(0.3)(0.1)
    with pytest.raises(CalibrationError, match="no lasting noise"):
        couple(sgd(weight()), made_up_calibration(C=0.3, lr=0.1, doubt="no lasting noise"))


def test_rmsprop_that_had_no_momentum():
    w = weight()
    optimizer = torch.optim.RMSprop([w], lr=0.1)
    couple(optimizer, LAW)
    train(w, optimizer, 3)
    assert optimizer.param_groups[0]["momentum"] == LAW(0.1)
    assert "momentum_buffer" in optimizer.state[w]


def test_an_optimizer_without_momentum():
    with pytest.raises(ValueError, match="Adagrad has neither momentum nor betas in parameter gr"):
        couple(torch.optim.Adagrad([weight()]), LAW)


def test_dampening_is_refused():
    with pytest.raises(ValueError, match=r"parameter group 0 has 0\.5"):
        couple(sgd(weight(), dampening=0.5), LAW)


def test_no_optimizer():
    with pytest.raises(TypeError, match="got Linear"):
        couple(nn.Linear(1, 1), LAW)


def test_no_law():
    with pytest.raises(TypeError, match=r"got 0\.9"):
        couple(sgd(weight()), 0.9)


def test_a_negative_learning_rate_is_named():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    optimizer.param_groups[0]["lr"] = -0.1
    loss_of(w).backward()
    with pytest.raises(ValueError, match=r"lr must be at least 0 and finite, got -0\.1"):
        optimizer.step()


# --- The ends of the range -----------------------------------------------------------------------


@pytest.mark.parametrize("momentum_before", [0.0, 0.9])
def test_momentum_0_keeps_the_buffer(momentum_before):
    """lr 9 asks for momentum 0; what follows must remember exactly those gradients."""
    w = weight()
    optimizer = sgd(w, lr=9.0, momentum=momentum_before)
    couple(optimizer, LAW)
    rates = [9.0, 9.0, 0.1, 0.1, 9.0, 0.1]

    def turn(step):
        optimizer.param_groups[0]["lr"] = rates[min(step + 1, 5)]

    _, path = train(w, optimizer, len(rates), after=turn)
    assert LAW(9.0) == 0
    assert path == pytest.approx(by_hand(rates, LAW(rates)), rel=1e-9)


def test_what_is_written_for_0_is_read_as_0():
    w = weight()
    optimizer = sgd(w, lr=9.0)
    coupling = couple(optimizer, LAW)
    train(w, optimizer, 1)
    assert 0 < optimizer.param_groups[0]["momentum"] == LEAST
    assert coupling.groups()[0].momentum == 0
    assert coupling.groups()[0].memory == 1


def test_learning_rate_0_gives_the_ceiling():
    w = weight()
    optimizer = sgd(w, lr=0.0)
    couple(optimizer, LAW)
    train(w, optimizer, 1)
    assert optimizer.param_groups[0]["momentum"] == LAW.max_momentum < 1


def test_the_memory_ends_with_the_training():
    """A cosine to 0: without a length the ceiling holds, with one nothing outlasts the steps."""
    steps, used = 50, {}
    for total in (None, steps):
        w = weight()
        optimizer = sgd(w)
        scheduler = schedulers.CosineAnnealingLR(optimizer, T_max=steps)
        coupling = couple(optimizer, LAW, total_steps=total)
        memories = []

        def note(step, memories=memories, coupling=coupling, scheduler=scheduler):
            memories.append(coupling.groups()[0].memory)
            scheduler.step()

        train(w, optimizer, steps, after=note)
        used[total] = memories
    assert used[None][-1] > 200
    left = [steps - step for step in range(steps)]
    assert all(m <= n * (1 + 1e-9) for m, n in zip(used[steps], left, strict=True))
    assert used[None][:25] == used[steps][:25]  # and before the end nothing differs


def test_more_steps_than_announced_follow_the_law_and_say_so_once():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW, total_steps=2)
    train(w, optimizer, 2)
    assert coupling.groups()[0].memory == 1
    with pytest.warns(UserWarning, match="goes on after total_steps = 2") as told:
        train(w, optimizer, 3)
    assert len(told) == 1
    assert coupling.groups()[0].momentum == LAW(0.1)
    with pytest.raises(ValueError, match="total_steps must be at least 1, got 0"):
        couple(sgd(weight()), LAW, total_steps=0)


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


def out_of_range(told):
    return [warning for warning in told if "out of the law's range" in str(warning.message)]


def test_a_learning_rate_where_the_floor_holds_is_said_once(recwarn):
    parameter = weight()
    optimizer = sgd(parameter, lr=0.1)
    couple(optimizer, MomentumLaw(0.46))
    for lr in (0.1, 0.0, 1e-9, 3.0, 10.0, 20.0):  # the ceiling is every warm-up's
        assert not out_of_range(recwarn) or lr > 10
        optimizer.param_groups[0]["lr"] = lr
        loss_of(parameter).backward()
        optimizer.step()
    (told,) = out_of_range(recwarn)
    assert "lr 10 is out" in str(told.message)
    assert "from 3.58e-05 to 3.21; here momentum is 0, which is plain SGD" in str(told.message)
    assert told.filename == __file__


@pytest.mark.parametrize(
    ("law", "lr"),
    [
        (MomentumLaw.from_reference(0.1, 0.0), 0.1),  # at the end of the range, not beyond
        (MomentumLaw(1.0, min_momentum=0.9, max_momentum=0.9), 1.0),  # one momentum everywhere
        (lambda lr: 0.0, 1.0),  # somebody's own
    ],
)
def test_a_momentum_at_the_floor_that_needs_no_word(law, lr, recwarn):
    optimizer = sgd(weight(), lr=lr)
    couple(optimizer, law)
    optimizer.step()
    assert not out_of_range(recwarn)


def test_the_end_of_the_training_is_not_out_of_range(recwarn):
    """There the memory is cut to the steps that are left, and momentum is 0 at the last."""
    optimizer = sgd(weight(), lr=0.1)
    couple(optimizer, MomentumLaw(0.46), total_steps=1)
    optimizer.step()
    assert not out_of_range(recwarn)
