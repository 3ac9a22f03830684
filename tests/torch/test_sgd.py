"""SGD that follows its learning rate: as torch.optim.SGD, eager and compiled."""

import copy
import itertools
import pickle

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, couple
from tests.torch.assertions import assert_same_weights, assert_used
from tests.torch.small import LAW, cosine, network, train

OPTIONS = [
    {"foreach": foreach, "nesterov": nesterov, "weight_decay": decay, "maximize": maximize}
    for foreach, nesterov, decay, maximize in itertools.product(
        [False, True], [False, True], [0.0, 0.01], [False, True]
    )
] + [{"fused": True}, {"fused": True, "nesterov": True, "weight_decay": 0.01}]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_bitwise_torch_sgd_at_a_constant_momentum(options, dtype):
    model = network(dtype)
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.05, law=LAW, **options)
    ours = train(model, optimizer.step, optimizer, 8)

    model = network(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=LAW(0.05), **options)
    assert_same_weights(ours, train(model, optimizer.step, optimizer, 8))


def test_checkpoints_are_those_of_torch_sgd():
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5)
    train(model, optimizer.step, optimizer, 7, cosine)
    twin = copy.deepcopy(model)
    state = copy.deepcopy(optimizer.state_dict())

    plain = torch.optim.SGD(twin.parameters(), lr=0.1)
    plain.load_state_dict(state)
    assert plain.param_groups[0]["momentum"] == LAW(cosine(6))

    again = copy.deepcopy(model)
    resumed = flatfast.torch.SGD(again.parameters(), lr=0.7, C=0.5)
    resumed.load_state_dict(plain.state_dict())
    ours = train(model, optimizer.step, optimizer, 7, cosine)
    assert_same_weights(ours, train(again, resumed.step, resumed, 7, cosine))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_follows_too(copied):
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5, total_steps=40)
    train(model, optimizer.step, optimizer, 3)
    both = copied((model, optimizer))
    ours = train(model, optimizer.step, optimizer, 5, cosine)
    assert_same_weights(ours, train(both[0], both[1].step, both[1], 5, cosine))
    assert both[1].coupling is not optimizer.coupling


def test_laws_of_groups_and_readings():
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    laws = [MomentumLaw(C=0.5), MomentumLaw(C=1.0)]
    groups = [{"params": [first]}, {"params": [second], "lr": 0.3}]
    optimizer = flatfast.torch.SGD(groups, lr=0.1, law=laws)
    (first.sum() + second.sum()).backward()
    optimizer.step()
    assert_used(optimizer, laws)
    found = [group.momentum for group in optimizer.coupling.groups()]
    assert found == [laws[0](0.1), laws[1](0.3)]


@pytest.mark.parametrize("given", [{}, {"C": 0.5, "law": LAW}])
def test_one_of_c_and_law(given):
    with pytest.raises(ValueError, match="give either C"):
        flatfast.torch.SGD(network().parameters(), lr=0.1, **given)


def test_a_prefactor_out_of_range():
    with pytest.raises(ValueError, match="C must be positive and finite, got -1"):
        flatfast.torch.SGD(network().parameters(), lr=0.1, C=-1)


def test_coupling_it_again_is_refused():
    optimizer = flatfast.torch.SGD(network().parameters(), lr=0.1, C=0.5)
    with pytest.raises(MomentumConflictError, match="already"):
        couple(optimizer, LAW)


@pytest.mark.parametrize("text", ["0.46", "Auto", ""])
def test_a_prefactor_that_is_text(text):
    with pytest.raises(ValueError, match=f'C must be .* or "auto", got {text!r}'):
        flatfast.torch.SGD(network().parameters(), lr=0.1, C=text)


def test_a_prefactor_that_is_no_number():
    with pytest.raises(TypeError, match=r"C must be a positive number or a calibration, got \[0.5"):
        flatfast.torch.SGD(network().parameters(), lr=0.1, C=[0.5])


def test_a_momentum_written_in_a_copy_is_reported():
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5)
    train(model, optimizer.step, optimizer, 1)
    twin = copy.deepcopy(optimizer)
    twin.param_groups[0]["momentum"] = 0.5
    with pytest.raises(MomentumConflictError, match=r"set to 0\.5"):
        twin.step()


def test_a_look_at_the_state_leaves_no_trace():
    ours = []
    for look in (False, True):
        model = network()
        optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5, total_steps=5)
        if look:
            get_optimizer_state_dict(model, optimizer)
        ours.append(train(model, optimizer.step, optimizer, 5))
        assert optimizer.param_groups[0]["coupled_steps"] == 5
    assert_same_weights(*ours)


def test_the_text_tells_the_momentum_in_use():
    network = nn.Linear(2, 1)
    groups = [{"params": [network.weight]}, {"params": [network.bias], "lr": 1.0}]
    optimizer = flatfast.torch.SGD(groups, lr=0.1, C=0.5)

    def momenta():
        lines = map(str.strip, repr(optimizer).splitlines())
        return [float(line.split()[1]) for line in lines if line.startswith("momentum:")]

    law = MomentumLaw(0.5)
    assert momenta() == [law(0.1), law(1.0)]  # before the first step
    optimizer.param_groups[1]["lr"] = 100.0
    with pytest.warns(UserWarning, match="plain SGD"):
        optimizer.step()
    assert momenta() == [law(0.1), 0.0]
    optimizer.coupling.remove()
    assert momenta() == [0.0, 0.0]


def test_a_momentum_beside_the_law_is_refused():
    with pytest.raises(TypeError, match="leave momentum out: C or law sets it at every step"):
        flatfast.torch.SGD(nn.Linear(2, 1).parameters(), lr=0.1, C=0.4, momentum=0.9)
