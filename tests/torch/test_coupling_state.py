"""Checkpoints and copies of a coupled optimizer."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import lr_scheduler as schedulers

from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, couple
from flatfast.torch.coupling import coupling_of
from flatfast.torch.groups import LEAST
from tests.torch.assertions import assert_follows, assert_same_weights, assert_used
from tests.torch.bowl import LAW, loss_of, sgd, train, weight


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))


def setting(total_steps=None):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, weight_decay=1e-3)
    coupling = couple(optimizer, LAW, total_steps=total_steps)
    return model, optimizer, schedulers.CosineAnnealingLR(optimizer, T_max=20), coupling


def steps_of(model, optimizer, scheduler, first, last):
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(7, 5, generator=generator)
        optimizer.zero_grad()
        (model(x) - x[:, :1]).square().mean().backward()
        optimizer.step()
        scheduler.step()


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("broken_at", range(0, 20, 3))
def test_a_resumed_run_ends_as_the_unbroken_one(broken_at):
    """With a length that is counted; without one see the table."""
    total_steps = 20
    model, optimizer, scheduler, _ = setting(total_steps)
    steps_of(model, optimizer, scheduler, 0, 20)
    unbroken = weights(model)

    model, optimizer, scheduler, _ = setting(total_steps)
    steps_of(model, optimizer, scheduler, 0, broken_at)
    saved = copy.deepcopy([part.state_dict() for part in (model, optimizer, scheduler)])

    model, optimizer, scheduler, coupling = setting(total_steps)
    for part, state in zip((model, optimizer, scheduler), saved, strict=True):
        part.load_state_dict(state)
    steps_of(model, optimizer, scheduler, broken_at, 20)
    assert_same_weights(model, unbroken)
    written = optimizer.param_groups[0]["momentum"]  # LEAST for 0, at the last of total_steps
    assert max(coupling.groups()[0].momentum, LEAST) == written


def test_checkpoints_with_and_without_the_coupling_are_the_same():
    model, optimizer, scheduler, _ = setting()
    steps_of(model, optimizer, scheduler, 0, 4)
    plain_model = network()
    plain = torch.optim.SGD(plain_model.parameters(), lr=0.1)
    plain.load_state_dict(optimizer.state_dict())
    assert plain.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]

    # and back: a plain checkpoint, taken at another momentum, is no conflict
    plain.param_groups[0]["momentum"] = 0.123
    optimizer.load_state_dict(plain.state_dict())
    steps_of(model, optimizer, scheduler, 4, 5)
    assert optimizer.param_groups[0]["momentum"] != 0.123


@pytest.mark.parametrize("when", ["after a load", "after a load and a step"])
def test_a_hand_that_writes_after_a_load_is_reported(when):
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    train(w, optimizer, 2)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(w, optimizer, "step" in when)
    optimizer.param_groups[0].update(lr=0.2, momentum=0.5)
    with pytest.raises(MomentumConflictError, match=r"was set to 0\.5"):
        train(w, optimizer, 1)


@pytest.mark.parametrize("loaded", [True, False], ids=["a checkpoint of it", "coupled later"])
def test_rmsprop_that_was_trained_without_momentum(loaded):
    """Its state then has no velocity, and it makes none later."""
    w = weight()
    plain = torch.optim.RMSprop([w], lr=0.1)
    train(w, plain, 2)
    if loaded:
        optimizer = torch.optim.RMSprop([w], lr=0.1)
        couple(optimizer, LAW)
        optimizer.load_state_dict(copy.deepcopy(plain.state_dict()))
    else:
        optimizer = plain
        couple(optimizer, LAW)
    train(w, optimizer, 2)
    assert float(optimizer.state[w]["momentum_buffer"]) != 0


FLAT = StateDictOptions(flatten_optimizer_state_dict=True)


def dictionary_of(total_steps, steps, options):
    """A model and optimizer, and their state as torch.distributed.checkpoint takes it."""
    model, optimizer, scheduler, _ = setting(total_steps)
    if total_steps is None:
        coupling_of(optimizer).remove()
    steps_of(model, optimizer, scheduler, 0, steps)
    return copy.deepcopy(get_optimizer_state_dict(model, optimizer, options=options))


@pytest.mark.parametrize("options", [None, FLAT], ids=["nested", "flat"])
@pytest.mark.parametrize("kept", [True, False], ids=["own", "of a plain optimizer"])
def test_states_by_name(options, kept):
    """Loaded into a fresh optimizer, as one does: its own state says first what there is."""
    state = dictionary_of(20 if kept else None, 3, options)
    model, optimizer, scheduler, coupling = setting(total_steps=20)
    if kept:
        asked = get_optimizer_state_dict(model, optimizer, options=options)
        assert asked.keys() == state.keys()
    set_optimizer_state_dict(model, optimizer, state, options=options)
    steps_of(model, optimizer, scheduler, 3, 4)
    assert optimizer.param_groups[0]["coupled_steps"] == (4 if kept else 1)
    assert coupling.groups()[0].momentum == LAW(coupling.groups()[0].lr)


# --- Copies --------------------------------------------------------------------------------------


def saved(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "old pickle": lambda thing: pickle.loads(pickle.dumps(thing, protocol=0)),
    "save": saved,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("steps", [0, 3])
def test_a_copy_follows_too(copied, steps):
    w = weight()
    optimizer = sgd(w, momentum=0.37)
    coupling = couple(optimizer, LAW, total_steps=40)
    train(w, optimizer, steps)
    twin, twin_w, its = copied((optimizer, w, coupling))
    assert its is coupling_of(twin) is not coupling
    assert its.groups() == coupling.groups()
    for each, of in ((optimizer, w), (twin, twin_w)):
        each.param_groups[0]["lr"] = 0.4
        train(of, each, 3)
    assert twin_w.item() == w.item()
    assert_used(twin)
    assert twin.param_groups[0]["coupled_steps"] == steps + 3
    its.remove()
    assert twin.param_groups[0]["momentum"] == 0.37
    assert_used(optimizer)
    train(w, optimizer, 1)


def test_a_copy_of_a_copy_and_one_after_the_coupling():
    optimizer = sgd(weight())
    coupling = couple(optimizer, LAW)
    assert coupling_of(copy.deepcopy(copy.deepcopy(optimizer))) is not None
    coupling.remove()
    assert coupling_of(copy.deepcopy(optimizer)) is None
    assert vars(optimizer).keys() == vars(sgd(weight())).keys()


def test_a_copy_has_the_laws_of_its_groups():
    optimizer = torch.optim.SGD([{"params": [weight()]}, {"params": [weight()]}], lr=0.1)
    laws = [MomentumLaw(C=0.5), MomentumLaw(C=1.0)]
    couple(optimizer, laws)
    optimizer.add_param_group({"params": [weight()]})
    coupling = coupling_of(copy.deepcopy(optimizer))
    with pytest.raises(ValueError, match=r"set_law\(2, law\)"):
        coupling.groups()
    coupling.set_law(2, LAW)
    assert_follows(coupling.optimizer, [*laws, LAW])


def test_a_momentum_written_in_a_copy_is_reported():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    train(w, optimizer, 1)
    twin = copy.deepcopy(optimizer)
    twin.param_groups[0]["momentum"] = 0.5
    with pytest.raises(MomentumConflictError, match=r"was set to 0\.5"):
        twin.step()


def test_a_law_that_cannot_be_pickled_is_named():
    optimizer = sgd(weight())
    couple(optimizer, lambda lr: 0.9)
    with pytest.raises(Exception, match="lambda"):
        pickle.dumps(optimizer)
    twin = copy.deepcopy(optimizer)
    twin.step()
    assert twin.param_groups[0]["momentum"] == 0.9


def test_an_optimizer_that_its_parameters_know_can_be_copied():
    """As where it is stepped during the backward pass: the parameter leads to the optimizer."""
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    w.its_optimizer = optimizer
    twin = pickle.loads(pickle.dumps(optimizer))
    assert coupling_of(twin) is not None
    loss_of(twin.param_groups[0]["params"][0]).backward()
    twin.step()
