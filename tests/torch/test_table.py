"""Every optimizer, on every schedule, in every way of making a step: momentum is the law's.

The other side of each comparison is written by hand: the same optimizer, not coupled, with the
momentum put in its groups before each step. The two agree bit for bit.
"""

from contextlib import nullcontext

import pytest
import torch

from flatfast.torch.coupling import coupling_of
from flatfast.torch.groups import LEAST
from tests.torch.assertions import assert_follows, assert_same_weights, assert_used
from tests.torch.bowl import LAW
from tests.torch.table import CELLS, OPTIMIZERS, SCHEDULES, STEPS, WAYS, ByHand
from tests.torch.ways import Resumed, Training, Way

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def write_by_hand(optimizer):
    for group in optimizer.param_groups:
        dampened = group.get("dampening", 0) != 0
        law = LAW.in_convention("normalized") if dampened else LAW
        momentum = law(float(group["lr"]))
        if "momentum" in group:
            group["momentum"] = momentum
            if dampened:
                group["dampening"] = momentum
        elif isinstance(group["betas"][0], torch.Tensor):
            first, second = group["betas"]  # the same tensors in all groups
            group["betas"] = torch.full_like(first, momentum), second
        else:
            group["betas"] = momentum, group["betas"][1]


@pytest.mark.parametrize(("optimizer", "schedule", "way"), CELLS)
def test_every_step_is_that_of_the_law(optimizer, schedule, way):
    kind, schedule, way = OPTIMIZERS[optimizer], SCHEDULES[schedule], WAYS[way]
    rtol = kind.rounded if isinstance(way, Resumed) else way.tolerance
    ours = Training(way, kind.coupled, schedule)
    theirs = Training(way.by_hand(), kind.alone, schedule)
    for step in range(STEPS):
        way.step(ours, step)
        if way.trains(step):
            assert_used(ours.optimizer)
            write_by_hand(theirs.optimizer)
            way.by_hand().step(theirs, step)
        assert_same_weights(ours.model, theirs.model, rtol=rtol)
        for each in (ours, theirs):
            each.optimizer.zero_grad()
            each.schedule.step()
        assert_follows(ours.optimizer)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_end_gives_back_what_was_there(optimizer):
    kind = OPTIMIZERS[optimizer]
    before, training = Training(Way(), kind.alone, ByHand), Training(Way(), kind.coupled, ByHand)
    for step in range(2):
        Way().step(training, step)
    coupling_of(training.optimizer).remove()
    theirs, ours = before.optimizer.param_groups[0], training.optimizer.param_groups[0]
    assert ours["lr"] == theirs["lr"]
    if "momentum" in theirs:
        assert ours["momentum"] == theirs["momentum"] or (kind.ours and ours["momentum"] == LEAST)
        assert ours.get("dampening") == theirs.get("dampening")
    else:
        assert ours["betas"] == theirs["betas"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_not_the_theory_s_momentum_is_told_once(optimizer):
    """Of SGD and RMSprop there is nothing to tell."""
    kind = OPTIMIZERS[optimizer]
    name = kind.make.__name__
    said = {
        "Muon": "Muon's momentum is the weight of an average of gradients",
        "SGD": None,
        "RMSprop": None,
    }.get(name, f"{name} has no momentum but beta1.*learning rate 0.1 from 0.8 to 0.8923")
    expected = nullcontext([]) if said is None else pytest.warns(UserWarning, match=said)
    with expected as told:
        training = Training(Way(), kind.coupled, ByHand)
        Way().step(training, 0)
    assert len(told) == (said is not None)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_learning_rates_of_the_table_change(schedule):
    training = Training(Way(), OPTIMIZERS["SGD"].alone, SCHEDULES[schedule])
    rates = set()
    for step in range(STEPS):
        rates.add(training.optimizer.param_groups[0]["lr"])
        Way().step(training, step)
        training.schedule.step()
    assert len(rates) == 1 if schedule == "constant" else len(rates) > 2


def test_no_optimizer_of_torch_is_missing():
    """Of those with momentum or betas; SparseAdam takes no gradients that are not sparse."""
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    able = set()
    for name in dir(torch.optim):
        kind = getattr(torch.optim, name)
        if isinstance(kind, type) and kind is not torch.optim.Optimizer:
            (group,) = kind([parameter]).param_groups
            if "momentum" in group or "betas" in group:
                able.add(kind)
    assert able - {torch.optim.SparseAdam} == {
        kind.make for kind in OPTIMIZERS.values() if not kind.ours
    }
