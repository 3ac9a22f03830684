"""Yielding to another hand in checkpoints, copies, groups, compiled steps and callbacks."""

import copy
import warnings

import pytest
import torch
from torch import nn

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import auto_momentum, couple
from flatfast.torch.callback import Follower
from tests.torch.assertions import assert_same_weights
from tests.torch.bowl import LAW, sgd, weight
from tests.torch.hands import (
    LR,
    momentum_in,
    ramp,
    trained,
)
from tests.torch.told import Told


@pytest.mark.parametrize("broken_at", [0, 3, 9, 12, 24, 30])
def test_a_resumed_run_waits_as_the_unbroken_one(broken_at):
    def setting():
        w = weight()
        optimizer = sgd(w)
        couple(optimizer, LAW, others="yield")
        return w, optimizer

    w, optimizer = setting()
    whole = trained(ramp, optimizer, w, 40)
    first, optimizer = setting()
    used = trained(ramp, optimizer, first, broken_at)
    saved = copy.deepcopy(optimizer.state_dict())
    again, optimizer = setting()
    with torch.no_grad():
        again.copy_(first)
    optimizer.load_state_dict(saved)
    used += trained(ramp, optimizer, again, 40 - broken_at, first=broken_at)
    assert used == whole
    assert torch.equal(again, w)


def test_a_checkpoint_of_a_yielding_coupling_is_loaded_without_one():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 4)
    saved = torch.optim.SGD([weight()], lr=LR)
    saved.load_state_dict(optimizer.state_dict())
    assert momentum_in(saved.param_groups[0]) == momentum_in(optimizer.param_groups[0])


@pytest.mark.parametrize("ours", [False, True])
def test_a_copy_goes_on_waiting(ours):
    w = weight()
    if ours:
        optimizer = flatfast.torch.SGD([w], lr=LR, law=LAW, others="yield")
    else:
        optimizer = sgd(w)
        couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 12)
    both = copy.deepcopy((w, optimizer))
    rest = [trained(ramp, o, p, 28, first=12) for p, o in ((w, optimizer), both)]
    assert rest[0] == rest[1]
    assert 0.937 in rest[0]
    assert rest[0][-1] == LAW(LR)


def test_groups_wait_each_for_itself():
    """As where one optimizer has groups of two kinds, and a hand warms up those of one."""
    first, second = weight(), weight()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second]}], lr=LR, momentum=0.9)
    couple(optimizer, LAW, others="yield")
    used = []
    for step in range(30):
        if step <= 8:
            optimizer.param_groups[0]["momentum"] = 0.8 + 0.01 * step
        for w in (first, second):
            w.grad = torch.ones_like(w)
        optimizer.step()
        used.append([momentum_in(group) for group in optimizer.param_groups])
    assert [own for _, own in used] == [LAW(LR)] * 30
    assert [theirs for theirs, _ in used[:9]] == [0.8 + 0.01 * step for step in range(9)]
    assert used[-1][0] == LAW(LR)


@pytest.mark.parametrize("compiled", [False, True])
def test_sgd_with_the_law_built_in(compiled):
    w = weight()
    optimizer = flatfast.torch.SGD([w], lr=LR, law=LAW, others="yield")
    theirs = weight()
    plain = torch.optim.SGD([theirs], lr=LR, momentum=0.9)
    torch._dynamo.reset()
    step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
    for number in range(30):
        ramp(optimizer, number)
        w.grad, theirs.grad = (0.7 * p.detach() for p in (w, theirs))
        step()
        plain.param_groups[0]["momentum"] = momentum_in(optimizer.param_groups[0])
        plain.step()
        torch.testing.assert_close(w, theirs, rtol=1e-12, atol=0)
    assert momentum_in(optimizer.param_groups[0]) == LAW(LR)


def test_a_call_that_trains_nothing_is_no_stillness():
    """A utility's step without gradients, at learning rate 0."""
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 9)
    optimizer.param_groups[0]["lr"] = 0.0
    for _ in range(50):
        w.grad = torch.zeros_like(w)
        optimizer.step()
    assert momentum_in(optimizer.param_groups[0]) == 0.937


def test_as_long_as_it_waits_training_is_that_of_the_other_alone():
    w, theirs = weight(), weight()
    optimizer, plain = sgd(w), sgd(theirs)
    couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 20)
    trained(ramp, plain, theirs, 20)
    assert_same_weights([w], [theirs])


# --- Measured laws, callbacks ---------------------------------------------------------------------


def test_what_is_measured_begins_where_the_other_has_ended():
    """Without a law the momentum stays as it is, and that is the other's."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.5)
    told = Told("no lasting noise", 0.3)
    auto_momentum(optimizer, told, share=0.5, others="yield")
    used = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(300):
            ramp(optimizer, step)
            optimizer.zero_grad()
            model(torch.ones(3, 2)).square().sum().backward()
            optimizer.step()
            used.append(momentum_in(optimizer.param_groups[0]))
    assert used[:9] == [0.8 + (0.937 - 0.8) * step / 8 for step in range(9)]
    assert used[9:200] == [0.937] * 191
    assert used[-1] == MomentumLaw(0.3)(LR)


def test_callbacks_hand_it_on():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    follower = Follower(C=0.5, others="override")
    follower.start([optimizer], 100, model, None)
    optimizer.param_groups[0]["momentum"] = 0.2
    with pytest.warns(UserWarning, match="override"):
        optimizer.step()
    assert follower.readings()["momentum"] == LAW(LR)
