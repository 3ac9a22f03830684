"""Whose velocity is an average by a dampening that equals the momentum, and stays one."""

import copy

import pytest
import torch

from flatfast.torch import MomentumConflictError, couple
from flatfast.torch.groups import LEAST
from tests.torch.assertions import assert_used
from tests.torch.bowl import LAW, sgd, train, weight
from tests.torch.wrapping import Around

LR = 0.1


def coupled(dampening, others="raise", lr=LR):
    """An optimizer with a dampening of 0, or of its momentum 0.9, after two steps."""
    w = weight()
    optimizer = sgd(w, lr=lr, momentum=0.9, dampening=dampening)
    coupling = couple(optimizer, LAW, others=others)
    train(w, optimizer, 2)
    return w, optimizer, coupling


@pytest.mark.parametrize("others", ["raise", "yield", "override"])
@pytest.mark.parametrize("lr", [LR, 2 * LR])
@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [(0, 0.5, "a sum"), (0, 0.9, "a sum"), (0.9, 0, "an average"), (0.9, 0.5, "an average")],
)
def test_one_that_is_changed_by_hand_is_refused(before, after, kind, lr, others):
    """Whether the learning rate changes with it or not."""
    w, optimizer, coupling = coupled(before, others)
    (group,) = optimizer.param_groups
    there = group["dampening"]
    group["dampening"], group["lr"] = after, lr
    now = w.detach().clone()
    with pytest.raises(MomentumConflictError, match=rf"set to {after} .* velocity is {kind} of gr"):
        train(w, optimizer, 1)
    assert torch.equal(w, now)
    group["dampening"] = there  # as the message says
    train(w, optimizer, 3)
    assert_used(optimizer)
    assert ("averages gradients" in repr(coupling)) == bool(before)


def test_what_is_the_same_number_is_no_change():
    w, optimizer, _ = coupled(0)
    optimizer.param_groups[0]["dampening"] = 0.0
    train(w, optimizer, 2)
    assert_used(optimizer)


@pytest.mark.filterwarnings("ignore:the momentum of parameter group 0 was set to 0 since")
@pytest.mark.parametrize("others", ["yield", "override"])
def test_a_hand_that_writes_both_is_let_write_or_written_over(others):
    w, optimizer, _ = coupled(0.9, others)
    (group,) = optimizer.param_groups
    for momentum in (0.0, 0.4, 0.8):  # a warm-up, from none
        group["momentum"] = group["dampening"] = momentum
        train(w, optimizer, 1)
        law = LAW.in_convention("normalized")(LR)
        assert group["momentum"] == (momentum if others == "yield" else law)
        assert group["dampening"] == group["momentum"]
    train(w, optimizer, 30)
    assert_used(optimizer)


@pytest.mark.filterwarnings("ignore:lr 20 is out of the law's range")
def test_a_step_that_is_taken_back_leaves_an_average_an_average():
    """At learning rates for which the law has no momentum, which is written as next to none."""
    w, optimizer, coupling = coupled(0.9, lr=20.0)
    (group,) = optimizer.param_groups
    assert group["momentum"] == group["dampening"] == LEAST
    group["lr"], w.grad = 0.0, torch.zeros_like(w)
    optimizer.step()
    assert group["momentum"] == group["dampening"] == LEAST
    assert "averages gradients" in repr(coupling)


@pytest.mark.parametrize("load", ["itself", "wrapper"])
@pytest.mark.parametrize(("before", "after"), [(0, 0.9), (0.9, 0)])
def test_a_checkpoint_brings_its_own(before, after, load):
    _, saved, _ = coupled(after)
    w, optimizer, coupling = coupled(before)
    outer = optimizer if load == "itself" else Around(optimizer)
    if outer is not optimizer:
        coupling.remove()
        coupling = couple(outer, LAW)
        train(w, outer, 1)
    outer.load_state_dict(copy.deepcopy(saved.state_dict()))
    train(w, outer, 2)
    assert bool(optimizer.param_groups[0]["dampening"]) == bool(after)
    assert_used(optimizer)
    assert ("averages gradients" in repr(coupling)) == bool(after)


@pytest.mark.parametrize("dampening", [0, 0.9])
def test_a_copy_goes_on(dampening):
    _, optimizer, _ = coupled(dampening)
    twin = copy.deepcopy(optimizer)
    (w,) = twin.param_groups[0]["params"]
    train(w, twin, 2)
    assert_used(twin)
    twin.param_groups[0]["dampening"] = 0.5
    with pytest.raises(MomentumConflictError, match="dampening"):
        train(w, twin, 1)


def test_the_end_of_a_coupling_leaves_what_is_not_its_own():
    _, optimizer, coupling = coupled(0)
    (group,) = optimizer.param_groups
    group["dampening"] = 0.5
    coupling.remove()
    assert (group["momentum"], group["dampening"]) == (0.9, 0.5)
