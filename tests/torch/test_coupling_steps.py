"""Every way of making a step, and which of them are steps of the training."""

import math
import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

import flatfast.torch
from flatfast.torch import couple
from flatfast.torch.steps import all_zero
from tests.torch.assertions import assert_path, assert_used
from tests.torch.bowl import LAW, START, by_hand, loss_of, sgd, train, weight


def test_gradients_set_to_none_or_missing():
    used, unused = weight(), weight()
    optimizer = torch.optim.SGD([used, unused], lr=0.1)
    couple(optimizer, LAW)
    path = []
    for _ in range(4):
        optimizer.zero_grad(set_to_none=True)
        loss_of(used).backward()
        optimizer.step()
        path.append(used.item())
    assert_path(path, [0.1] * 4)
    assert unused.item() == START


def test_sparse_gradients():
    """An embedding with sparse gradients takes the steps of a dense one, every row in use."""
    tables = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(4, 3, sparse=sparse)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
        couple(optimizer, LAW)
        for step in range(6):
            optimizer.zero_grad()
            table(torch.tensor([0, 1, 2, 3, step % 4])).square().sum().backward()
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            optimizer.step()
        tables.append(table.weight.detach())
    torch.testing.assert_close(*tables)


class Nested(torch.optim.SGD):
    """Its step is its base's, so that hooks run at both."""

    def step(self, closure=None):
        return super().step(closure)


def counted(optimizer):
    return optimizer.param_groups[0].get("coupled_steps", 0)


@pytest.mark.parametrize("kind", [torch.optim.SGD, Nested, flatfast.torch.SGD])
def test_the_memory_ends_with_the_training_whatever_the_class(kind):
    w = weight()
    torch.optim.SGD([weight()], lr=0.1)  # the base's step has its hooks from now on
    if kind is flatfast.torch.SGD:
        optimizer = kind([w], lr=0.001, law=LAW, total_steps=10)
        coupling = optimizer.coupling
    else:
        optimizer = kind([w], lr=0.001)
        coupling = couple(optimizer, LAW, total_steps=10)
    memories = []
    train(w, optimizer, 10, after=lambda step: memories.append(coupling.groups()[0].memory))
    assert memories == pytest.approx([10 - step for step in range(10)])
    assert counted(optimizer) == 10


def test_a_step_that_fails_is_not_counted():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, total_steps=10)

    def closure():
        raise RuntimeError("out of memory")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="out of memory"):
            optimizer.step(closure)
    assert counted(optimizer) == 0
    train(w, optimizer, 2)
    assert counted(optimizer) == 2


def test_a_closure_that_makes_the_first_gradients_is_a_step():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, total_steps=10)

    def closure():
        optimizer.zero_grad()
        loss_of(w).backward()

    for _ in range(3):
        optimizer.step(closure)
    assert counted(optimizer) == 3


@pytest.mark.parametrize("total", ["a", 2.5, 20.0, True, [3]])
def test_a_number_of_steps_that_is_none(total):
    optimizer = sgd(weight())
    said = re.escape(f"total_steps must be a whole number of steps, at least 1, got {total!r}")
    with pytest.raises(TypeError, match=said):
        couple(optimizer, LAW, total_steps=total)
    assert not optimizer._optimizer_step_pre_hooks
    assert couple(optimizer, LAW, total_steps=np.int64(3)).total_steps == 3


def test_a_call_without_gradients_is_no_step():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, total_steps=10)
    optimizer.step()
    train(w, optimizer, 1)
    optimizer.zero_grad()
    optimizer.step()
    assert counted(optimizer) == 1


def test_gradients_that_vanish_later_are_steps():
    """A call with gradients of 0 makes a state before training; after its begin it is training."""
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, total_steps=10)
    for gradient in (0.0, 0.0, 1.0, 0.0, 0.0):
        w.grad = torch.full_like(w, gradient)
        optimizer.step()
    assert counted(optimizer) == 3


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("ours", [True, False], ids=["flatfast SGD", "couple"])
def test_a_step_with_infinities_under_a_grad_scaler_is_not_counted(ours, fused):
    w = nn.Parameter(torch.tensor([START]))
    if ours:
        optimizer = flatfast.torch.SGD([w], lr=0.1, law=LAW, total_steps=100, fused=fused)
    else:
        optimizer = torch.optim.SGD([w], lr=0.1, fused=fused)
        couple(optimizer, LAW, total_steps=100)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    path = []
    for step in range(4):
        optimizer.zero_grad()
        scaler.scale((loss_of(w) * (math.inf if step == 1 else 1)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        path.append(w.item())
    expected = by_hand([0.1] * 3, [LAW(0.1)] * 3)
    assert path == pytest.approx([expected[0], expected[0], expected[1], expected[2]], rel=1e-5)
    assert counted(optimizer) == 3
    assert_used(optimizer)


# --- Parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("grouped", [True, False], ids=["a group each", "one group"])
def test_calls_for_each_part_are_one_step(grouped):
    """The parts' gradients come one after the other, as where the state is sharded."""
    weights = [weight() for _ in range(3)]
    parameters = [{"params": [w]} for w in weights] if grouped else weights
    optimizer = torch.optim.SGD(parameters, lr=0.001)
    coupling = couple(optimizer, LAW, total_steps=4)
    memories = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            for w in weights:
                optimizer.zero_grad()
                loss_of(w).backward()
                optimizer.step()
                memories.append(coupling.groups()[0].memory)
    assert counted(optimizer) == 4
    assert memories == pytest.approx([4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1])


def test_parts_that_take_turns_in_the_groups_are_one_step():
    """One call for each part, whose parameters are put into the group for it."""
    weights = [weight() for _ in range(3)]
    optimizer = torch.optim.SGD(weights, lr=0.001)
    couple(optimizer, LAW, total_steps=9)
    for _ in range(5):
        for w in weights:
            loss_of(w).backward()
        for w in weights:
            optimizer.param_groups[0]["params"] = [w]
            optimizer.step()
            optimizer.param_groups[0]["params"] = []
    assert counted(optimizer) == 5


def test_an_optimizer_for_each_parameter_stepped_in_the_backward_pass():
    weights = [weight() for _ in range(3)]
    optimizers = {w: sgd(w) for w in weights}
    couplings = [couple(each, LAW, total_steps=5) for each in optimizers.values()]

    def step(w):
        optimizers[w].step()
        optimizers[w].zero_grad()

    for w in weights:
        w.register_post_accumulate_grad_hook(step)
    for _ in range(5):
        sum(map(loss_of, weights)).backward()
    used = [min(LAW(0.1), 1 - 1 / left) for left in (5, 4, 3, 2, 1)]
    for w in weights:
        assert w.item() == pytest.approx(by_hand([0.1] * 5, used)[-1], rel=1e-9)
    assert [coupling.groups()[0].memory for coupling in couplings] == [1, 1, 1]


def test_parameters_that_come_to_rest_or_join_do_not_disturb_the_count():
    first, second = weight(), weight()
    optimizer = torch.optim.SGD([first, second], lr=0.001)
    couple(optimizer, LAW, total_steps=50)
    for step in range(12):
        optimizer.zero_grad()
        moving = [first] if step < 4 else [second] if step < 8 else [second, first]
        sum(map(loss_of, moving)).backward()
        optimizer.step()
    assert counted(optimizer) == 11  # where one follows on the other, the two cannot be told apart


# --- Looking at the state ------------------------------------------------------------------------


@pytest.mark.parametrize("total_steps", [None, 6])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_look_at_the_state_leaves_no_trace(momentum, total_steps):
    weights, told = [], None
    for look in (False, True):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=momentum)
        coupling = couple(optimizer, LAW, total_steps=total_steps)
        if look:
            told = get_optimizer_state_dict(model, optimizer)
            assert optimizer.param_groups[0]["momentum"] == momentum
            assert coupling.groups()[0].lr == 0.01
        for step in range(6):
            optimizer.zero_grad()
            (model(torch.ones(4, 3)) - step).square().mean().backward()
            optimizer.step()
        weights.append(model.weight.detach())
    assert torch.equal(*weights)
    (group,) = told["param_groups"]
    assert group["momentum"] == momentum
    assert not group.get("coupled_steps")
    assert "momentum_buffer" in told["state"]["weight"]  # or a checkpoint would not fill it
    assert counted(optimizer) == (6 if total_steps else 0)


def test_a_warm_up_from_0_is_training():
    w = weight()
    optimizer = sgd(w, lr=0.0)
    coupling = couple(optimizer, LAW, total_steps=20)
    train(w, optimizer, 3)
    assert counted(optimizer) == 3
    assert coupling.groups()[0].momentum == min(LAW.max_momentum, 1 - 1 / 18)


def test_no_gradient_is_found_in_what_is_sparse_or_complex():
    table = nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1, 1])).mul(0.0).sum().backward()
    assert all_zero(table.parameters())
    table(torch.tensor([1])).sum().backward()
    assert not all_zero(table.parameters())
    w = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    w.grad = torch.tensor([0j, 1j])
    assert not all_zero([w])
    w.grad = torch.tensor([0.0, math.nan]).to(torch.complex64)
    assert not all_zero([w])
