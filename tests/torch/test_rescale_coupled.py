"""Optimizers whose momentum follows a law: the law becomes that of the new batch."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, auto_momentum, couple, rescale
from tests.torch.bowl import own
from tests.torch.told import Told

BATCH = (256, 1024)
LAW = MomentumLaw.from_reference(0.1, 0.9)
THERE = LAW.for_batch(4)


def parameters():
    return [nn.Parameter(torch.ones(2))]


def plain(lr=0.1):
    return torch.optim.SGD(parameters(), lr=lr, momentum=0.5)


def coupled(law=LAW):
    optimizer = plain()
    couple(optimizer, law)
    return optimizer


def ours(law=LAW):
    return flatfast.torch.SGD(parameters(), lr=0.1, law=law)


def momenta(optimizer, rates=(None,)):
    """Of a step at each of these learning rates."""
    found = []
    for lr in rates:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] if lr is None else lr
            for p in group["params"]:
                p.grad = torch.ones_like(p)
        optimizer.step()
        found.append(optimizer.param_groups[0]["momentum"])
    return found


@pytest.fixture(params=[coupled, ours], ids=["coupled", "ours"])
def make(request):
    return request.param


@pytest.mark.parametrize("steps", [0, 2])
def test_the_law_is_that_of_the_new_batch(make, steps):
    optimizer = make()
    momenta(optimizer, [0.1] * steps)
    for _ in range(2):  # once and for all
        (found,) = rescale(optimizer, batch=BATCH, rule="law")
    assert found.momentum == pytest.approx(THERE(0.1), rel=1e-12)
    assert found.inside
    assert optimizer.param_groups[0]["lr"] == 0.1
    rates = 0.1, 0.4, 0.0, 0.02
    assert momenta(optimizer, rates) == [pytest.approx(THERE(lr), rel=1e-12) for lr in rates]


def test_a_learning_rate_is_asked_for_too(make):
    optimizer = make()
    schedule = schedulers.LambdaLR(optimizer, lambda step: 1.0)
    (found,) = rescale(optimizer, batch=BATCH, lr=(0.1, 0.4), rule="law")
    assert (found.lr, found.momentum) == (pytest.approx(0.4), pytest.approx(THERE(0.4)))
    assert schedule.base_lrs == [pytest.approx(0.4)]
    assert momenta(optimizer) == [pytest.approx(THERE(0.4), rel=1e-12)]
    alone = make()
    rescale(alone, lr=(0.1, 0.4), rule="law")
    assert momenta(alone) == [pytest.approx(LAW(0.4), rel=1e-12)]


def test_a_law_for_each_group_and_for_groups_to_come():
    laws = [MomentumLaw(0.3), MomentumLaw(0.6, correction=0.5)]
    groups = [{"params": parameters()}, {"params": parameters(), "lr": 0.02}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    coupling = couple(optimizer, laws)
    rescale(optimizer, batch=BATCH, rule="law")
    assert [coupling.law(index) for index in range(2)] == [law.for_batch(4) for law in laws]

    single = coupled()
    rescale(single, batch=BATCH, rule="law")
    single.add_param_group({"params": parameters()})
    assert momenta(single) == [pytest.approx(THERE(0.1), rel=1e-12)]
    assert single.param_groups[1]["momentum"] == pytest.approx(THERE(0.1), rel=1e-12)


def test_a_program_that_goes_on_rescales_its_laws(make):
    """The checkpoint has the record of the groups; laws are made anew."""
    before = make()
    rescale(before, batch=BATCH, lr=(0.1, 0.4), rule="law")
    momenta(before)
    optimizer = make()
    optimizer.load_state_dict(before.state_dict())
    rescale(optimizer, batch=BATCH, lr=(0.1, 0.4), rule="law")
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4)
    assert momenta(optimizer) == [pytest.approx(THERE(0.4), rel=1e-12)]


def test_copies_follow_the_new_law_and_know_of_it(make):
    optimizer = make()
    rescale(optimizer, batch=BATCH, rule="law")
    twin = copy.deepcopy(optimizer)
    rescale(twin, batch=BATCH, rule="law")
    assert momenta(twin) == [pytest.approx(THERE(0.1), rel=1e-12)]


def test_uncoupling_gives_back_the_momentum_of_before():
    optimizer = plain()
    coupling = couple(optimizer, LAW)
    rescale(optimizer, batch=BATCH, rule="law")
    momenta(optimizer)
    coupling.remove()
    assert optimizer.param_groups[0]["momentum"] == 0.5


def test_betas_that_are_coupled_are_left_to_the_coupling():
    """To a function of one's own, which is known at another learning rate, not for a batch."""
    optimizer = torch.optim.AdamW(parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="no momentum but beta1"):
        couple(optimizer, own(LAW))
    with pytest.raises(ValueError, match="law must be a MomentumLaw, of which the law at another"):
        rescale(optimizer, batch=BATCH, rule="law")
    with pytest.warns(UserWarning, match="law was derived for SGD"):
        (found,) = rescale(optimizer, lr=(0.1, 0.4), rule="law")
    assert found.betas == (pytest.approx(LAW(0.4)), 0.999)
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4)
    assert optimizer.param_groups[0]["betas"][0] == pytest.approx(LAW(0.4), rel=1e-12)


def test_where_no_rule_is_named_it_is_the_law(make):
    named, unnamed = make(), make()
    rescale(named, batch=BATCH, rule="law")
    rescale(unnamed, batch=BATCH)
    assert momenta(unnamed) == momenta(named)


def test_another_rule_is_refused(make):
    optimizer = make()
    with pytest.raises(MomentumConflictError, match="rule must be 'law', got 'path'; coup"):
        rescale(optimizer, batch=BATCH, rule="path")
    assert momenta(optimizer) == [pytest.approx(LAW(0.1), rel=1e-12)]


def test_a_law_that_is_a_function_says_nothing_of_the_batch(make):
    optimizer = make(lambda lr: 0.9)
    with pytest.raises(ValueError, match="law must be a MomentumLaw, of which the law at another"):
        rescale(optimizer, batch=BATCH, rule="law")
    rescale(optimizer, lr=(0.1, 0.4), rule="law")
    assert momenta(optimizer) == [0.9]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4)


def test_a_law_that_is_being_measured_is_refused():
    measured = flatfast.torch.SGD(parameters(), lr=0.1, C="auto", measure=Told(0.3))
    with pytest.raises(MomentumConflictError, match=r"is being measured, and will be at another"):
        rescale(measured, batch=BATCH, rule="law")
    optimizer = plain()
    auto = auto_momentum(optimizer, Told(0.3))
    with pytest.raises(MomentumConflictError, match=r"end it by auto.remove\(\)"):
        rescale(optimizer, batch=BATCH)
    auto.remove()
    rescale(optimizer, batch=BATCH, rule="linear")
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4)


def test_coupling_after_rescaling_and_removing_the_coupling_before():
    optimizer = plain()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rescale(optimizer, batch=BATCH, rule="law")
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(1 - 0.5 * 4 ** (-1 / 3))
    coupling = couple(optimizer, THERE)
    assert momenta(optimizer) == [pytest.approx(THERE(0.1), rel=1e-12)]
    coupling.remove()
