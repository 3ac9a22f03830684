"""Optimizers around optimizers: whichever method is called, the step's momentum is the law's."""

import copy

import pytest
import torch
from torch import nn

from flatfast.torch import MomentumConflictError, couple
from flatfast.torch.wrappers import unwrapped
from tests.torch.assertions import assert_path, assert_used
from tests.torch.bowl import LAW, loss_of, sgd, weight
from tests.torch.wrapping import WRAPPERS, Around


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("total_steps", [None, 5])
def test_a_wrapped_step_uses_the_law(wrap, total_steps):
    w = weight()
    base = sgd(w, momentum=0.5)
    outer = wrap(base)
    coupling = couple(outer, LAW, total_steps=total_steps)
    assert coupling.optimizer is base
    step = getattr(outer, "second_step", outer.step)
    rates = [0.1, 0.1, 0.3, 0.3, 0.2]
    path = []
    for k, lr in enumerate(rates):
        base.param_groups[0]["lr"] = lr
        base.zero_grad()
        loss_of(w).backward()
        step()
        path.append(w.item())
        (told,) = coupling.groups()
        left = 5 - k if total_steps else 10**6
        assert told.momentum == min(LAW(lr), 1 - 1 / left)
    momenta = [min(LAW(lr), 1 - 1 / (5 - k) if total_steps else 1) for k, lr in enumerate(rates)]
    assert_path(path, rates, momenta)
    with pytest.raises(MomentumConflictError, match="already"):
        couple(base, LAW)
    coupling.remove()
    assert base.param_groups[0]["momentum"] == 0.5


def test_a_checkpoint_loaded_by_the_wrapper_is_no_conflict():
    w = weight()
    base = sgd(w, momentum=0.5)
    outer = Around(base)
    state = copy.deepcopy(outer.state_dict())
    couple(outer, LAW)
    for _ in range(2):
        w.grad = torch.ones_like(w)
        outer.second_step()
        outer.load_state_dict(state)
    w.grad = torch.ones_like(w)
    outer.second_step()
    assert_used(base)
    outer.load_state_dict(state)
    outer.param_groups[0]["momentum"] = 0.7
    with pytest.raises(MomentumConflictError, match=r"set to 0\.7"):
        outer.second_step()


def test_several_optimizers_inside_are_to_be_coupled_each():
    class Both(torch.optim.Optimizer):
        def __init__(self, *inside):
            groups = [group for each in inside for group in each.param_groups]
            super().__init__(groups, {})
            self.inside = inside

    first, second = sgd(weight()), torch.optim.RMSprop([weight()])
    with pytest.raises(ValueError, match="Both steps by 2 optimizers, SGD and RMSprop; give each"):
        couple(Both(first, second), LAW)
    for each in (first, second):
        couple(each, LAW)


def test_an_optimizer_of_other_parameters_is_none_of_its_own():
    own = sgd(weight())
    own.adversary = sgd(weight())
    assert unwrapped(own) is own


def test_no_optimizer_inside():
    with pytest.raises(TypeError, match="got Linear"):
        unwrapped(nn.Linear(2, 2))
