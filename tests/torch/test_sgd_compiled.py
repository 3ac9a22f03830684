"""SGD that follows its learning rate under the compiler."""

import math

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

import flatfast.torch
from flatfast.torch import couple
from tests.torch.assertions import assert_same_weights, assert_used
from tests.torch.small import LAW, cosine, network, train


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("tensor", [False, True], ids=["number", "tensor"])
def test_a_schedule_compiles_at_most_two_graphs(fresh_compiler, tensor):
    """Where torch.optim.SGD compiles one for every momentum, until its limit of eight."""
    counter = CompileCounter()
    model = network()
    rate = torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1
    optimizer = flatfast.torch.SGD(model.parameters(), lr=rate, C=0.5)
    step = torch.compile(optimizer.step, backend=counter)
    lr = (lambda n: rate.fill_(cosine(n))) if tensor else cosine
    train(model, step, optimizer, 130, lr)  # there and back
    assert 1 <= counter.frame_count <= 2
    assert_used(optimizer, LAW)


def test_a_coupled_torch_sgd_compiles_for_each_momentum(fresh_compiler):
    """As long as it may; the steps are right all the same. The count above would see it."""
    counter, found = CompileCounter(), []
    for compiled in (False, True):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        couple(optimizer, LAW, total_steps=30)
        step = torch.compile(optimizer.step, backend=counter) if compiled else optimizer.step
        found.append(train(model, step, optimizer, 5, cosine))
        assert optimizer.param_groups[0]["coupled_steps"] == 5
    torch.testing.assert_close(*found)
    assert counter.frame_count > 3


def test_the_compiled_step_is_the_eager_one(fresh_compiler):
    """Of every option, each in a group of its own."""
    options = {}, {"nesterov": True}, {"weight_decay": 0.01}, {"maximize": True}
    found = []
    for compiled in (False, True):
        model = network()
        groups = [
            {"params": [p], **own} for p, own in zip(model.parameters(), options, strict=True)
        ]
        optimizer = flatfast.torch.SGD(groups, lr=0.1, C=0.5)
        step = optimizer.step
        if compiled:
            step = torch.compile(step, backend="aot_eager")
        found.append(train(model, step, optimizer, 25, cosine))
    assert_same_weights(*found, rtol=1e-10, atol=1e-12)


def test_a_compiled_training_step(fresh_compiler):
    """Forward, backward and optimizer in one compiled function."""
    counter = CompileCounter()
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5)

    @torch.compile(backend=counter)
    def train_step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    for number in range(40):
        optimizer.param_groups[0]["lr"] = cosine(number)
        losses.append(train_step(torch.ones(4, 6, dtype=torch.float64)).item())
    assert losses[-1] < losses[0] / 10
    assert counter.frame_count <= 6  # graph breaks, but none that depends on the step


def test_eager_and_compiled_steps_share_their_state(fresh_compiler):
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5)
    train(model, torch.compile(optimizer.step, backend="aot_eager"), optimizer, 5, cosine)
    mixed = train(model, optimizer.step, optimizer, 5, cosine)

    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5)
    train(model, optimizer.step, optimizer, 5, cosine)
    eager = train(model, optimizer.step, optimizer, 5, cosine)
    assert_same_weights(mixed, eager, rtol=1e-10, atol=1e-12)


# --- What eager steps do besides -----------------------------------------------------------------


def scaled(model, step, optimizer, scaler, spoilt=()):
    """Weights after some steps under a scaler; the loss of some is infinite."""
    for number in range(6):
        optimizer.zero_grad()
        loss = model(torch.full((3, 6), number + 1.0)).square().mean()
        scaler.scale(loss * (math.inf if number in spoilt else 1)).backward()
        if optimizer is not step:
            optimizer.step = step
        scaler.step(optimizer)
        scaler.update()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("spoilt", [(), (2, 3)], ids=["all finite", "infinities"])
def test_a_compiled_fused_step_under_a_grad_scaler(fresh_compiler, spoilt):
    found = []
    for compiled in (False, True):
        model = network(torch.float32)
        first, *rest = model.parameters()
        groups = [{"params": rest}, {"params": [first], "nesterov": True, "weight_decay": 0.01}]
        optimizer = flatfast.torch.SGD(groups, lr=0.1, C=0.5, fused=True, total_steps=50)
        step = optimizer.step
        if compiled:
            step = torch.compile(step, backend="eager")
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        found.append(scaled(model, step, optimizer, scaler, spoilt))
        assert optimizer.param_groups[0]["coupled_steps"] == 6 - len(spoilt)
    torch.testing.assert_close(*found)


def test_a_scale_of_one_s_own(fresh_compiler):
    """The scale without word of infinities, as where somebody sets it by hand."""
    w = nn.Parameter(torch.ones(2))
    optimizer = flatfast.torch.SGD([w], lr=0.1, C=0.5, fused=True)
    optimizer.grad_scale = torch.tensor(4.0)
    w.grad = torch.full((2,), 8.0)
    torch.compile(optimizer.step, backend="eager")()
    torch.testing.assert_close(w.detach(), torch.full((2,), 0.8))


def test_a_compiled_step_from_a_checkpoint_whose_velocities_are_none(fresh_compiler):
    """Older versions wrote them where there was no momentum; one parameter may have had its own."""
    found = []
    for compiled in (False, True):
        weights = [nn.Parameter(torch.ones(2)) for _ in range(2)]
        optimizer = flatfast.torch.SGD(weights, lr=0.1, C=0.5)
        state = optimizer.state_dict()
        state["state"] = {
            0: {"momentum_buffer": None},
            1: {"momentum_buffer": torch.full((2,), 2.0)},
        }
        optimizer.load_state_dict(state)
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        for _ in range(2):
            for w in weights:
                w.grad = torch.ones(2)
            step()
        found.append([w.detach().clone() for w in weights])
    torch.testing.assert_close(*found)


def test_complex_weights_are_pairs_of_reals(fresh_compiler):
    found = []
    for form in ("eager", "compiled", "real"):
        w = torch.tensor([1.0 + 2.0j, 0.5 - 1.0j])
        w = nn.Parameter(torch.view_as_real(w).clone() if form == "real" else w)
        optimizer = flatfast.torch.SGD([w], lr=0.1, C=0.5, nesterov=True, weight_decay=0.1)
        compiled = torch.compile(optimizer.step, backend="eager")
        step = compiled if form == "compiled" else optimizer.step
        for number in range(4):
            optimizer.zero_grad()
            z = torch.view_as_complex(w) if form == "real" else w
            (z * (1 + 2j) - 1).abs().square().sum().backward()
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + number)
            step()
        found.append(w.detach() if form == "real" else torch.view_as_real(w.detach()))
    torch.testing.assert_close(found[0], found[2])
    torch.testing.assert_close(found[1], found[2])


def test_a_compiled_step_with_sparse_gradients(fresh_compiler):
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        table = nn.Embedding(4, 3, sparse=True)
        optimizer = flatfast.torch.SGD(table.parameters(), lr=0.1, C=0.5)
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        for number in range(4):
            optimizer.zero_grad()
            table(torch.tensor([0, 1, 2, 3, number])).square().sum().backward()
            step()
        found.append(table.weight.detach())
    torch.testing.assert_close(*found)


def test_a_compiled_step_counts_what_it_trains(fresh_compiler):
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.001, C=0.5, total_steps=6)
    step = torch.compile(optimizer.step, backend="eager")
    memories = []
    for number in range(6):
        train(model, step, optimizer, 1)
        memories.append(optimizer.coupling.groups()[0].memory)
        assert optimizer.param_groups[0]["coupled_steps"] == number + 1
    assert memories == pytest.approx([6, 5, 4, 3, 2, 1])
