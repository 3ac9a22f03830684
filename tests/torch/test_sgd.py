"""SGD that follows its learning rate: as torch.optim.SGD, eager and compiled."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter, CompileCounterWithBackend

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, couple

LAW = MomentumLaw(C=0.5)


def network(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def train(model, step, optimizer, steps, lr=None):
    """Weights after some steps on random data, with a learning rate for each."""
    dtype = next(model.parameters()).dtype
    for number in range(steps):
        x = torch.randn(5, 6, generator=torch.Generator().manual_seed(number)).to(dtype)
        optimizer.zero_grad()
        sign = -1 if optimizer.defaults["maximize"] else 1  # downhill either way
        (sign * (model(x) - x[:, :2]).square().mean()).backward()
        if lr is not None:
            optimizer.param_groups[0]["lr"] = lr(number)
        step()
    return [p.detach().clone() for p in model.parameters()]


def equal(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


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
    ours = train(model, optimizer.step, optimizer, 60)

    model = network(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=LAW(0.05), **options)
    assert equal(ours, train(model, optimizer.step, optimizer, 60))


def cosine(step):
    return 0.05 * (1 + math.cos(step / 20))


def test_bitwise_a_coupled_torch_sgd_on_a_schedule():
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5)
    ours = train(model, optimizer.step, optimizer, 60, cosine)

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    couple(optimizer, LAW)
    assert equal(ours, train(model, optimizer.step, optimizer, 60, cosine))


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
    assert equal(ours, train(again, resumed.step, resumed, 7, cosine))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_a_copy_follows_too(copied):
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5, total_steps=40)
    train(model, optimizer.step, optimizer, 3)
    both = copied((model, optimizer))
    ours = train(model, optimizer.step, optimizer, 5, cosine)
    assert equal(ours, train(both[0], both[1].step, both[1], 5, cosine))
    assert both[1].coupling is not optimizer.coupling


def test_laws_of_groups_and_readings():
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    laws = [MomentumLaw(C=0.5), MomentumLaw(C=1.0)]
    groups = [{"params": [first]}, {"params": [second], "lr": 0.3}]
    optimizer = flatfast.torch.SGD(groups, lr=0.1, law=laws)
    (first.sum() + second.sum()).backward()
    optimizer.step()
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


def test_a_fused_step_under_a_grad_scaler():
    model = network(torch.float32)
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for _ in range(3):
        optimizer.zero_grad()
        scaler.scale(model(torch.ones(3, 6)).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
    ours = [p.detach().clone() for p in model.parameters()]

    model = network(torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=LAW(0.1))
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(3, 6)).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(ours, [p.detach() for p in model.parameters()])


# --- Compiled ------------------------------------------------------------------------------------


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("tensor", [False, True], ids=["number", "tensor"])
def test_a_schedule_compiles_at_most_two_graphs(fresh_compiler, tensor):
    """Where torch.optim.SGD compiles one for every momentum, until its limit of eight."""
    counter = CompileCounterWithBackend("aot_eager")
    model = network()
    rate = torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1
    optimizer = flatfast.torch.SGD(model.parameters(), lr=rate, C=0.5)
    step = torch.compile(optimizer.step, backend=counter)
    lr = (lambda n: rate.fill_(cosine(n))) if tensor else cosine
    train(model, step, optimizer, 1000, lr)
    assert 1 <= counter.frame_count <= 2
    assert optimizer.coupling.groups()[0].momentum == pytest.approx(LAW(cosine(999)))


def test_what_the_graphs_of_torch_sgd_would_be(fresh_compiler):
    """That the count above would see a new graph for each momentum."""
    counter = CompileCounterWithBackend("aot_eager")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    couple(optimizer, LAW)
    train(model, torch.compile(optimizer.step, backend=counter), optimizer, 6, cosine)
    assert counter.frame_count > 4


@pytest.mark.parametrize(
    "options",
    [{}, {"nesterov": True}, {"weight_decay": 0.01}, {"maximize": True}],
    ids=["plain", "nesterov", "weight decay", "maximize"],
)
def test_the_compiled_step_is_the_eager_one(fresh_compiler, options):
    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5, **options)
    step = torch.compile(optimizer.step, backend="aot_eager")
    compiled = train(model, step, optimizer, 25, cosine)

    model = network()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5, **options)
    eager = train(model, optimizer.step, optimizer, 25, cosine)
    for ours, theirs in zip(compiled, eager, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


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
    for ours, theirs in zip(mixed, eager, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


# --- On a GPU ------------------------------------------------------------------------------------

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
def test_a_learning_rate_on_the_device_is_followed_there():
    model = network().cuda()
    rate = torch.tensor(0.1, dtype=torch.float64, device="cuda")
    optimizer = flatfast.torch.SGD(model.parameters(), lr=rate, C=0.5)
    on_device = path_on_gpu(model, optimizer, lambda n: rate.fill_(cosine(n)))

    model = network().cuda()
    optimizer = flatfast.torch.SGD(model.parameters(), lr=0.1, C=0.5)

    def write(number):
        optimizer.param_groups[0]["lr"] = cosine(number)

    on_host = path_on_gpu(model, optimizer, write)
    for ours, theirs in zip(on_device, on_host, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def path_on_gpu(model, optimizer, set_lr):
    x = torch.ones(5, 6, dtype=torch.float64, device="cuda")
    for number in range(20):
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        set_lr(number)
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@gpu
def test_a_captured_graph_follows_the_learning_rate():
    weights = []
    for captured in (True, False):
        w = nn.Parameter(torch.full((3,), 1.3, device="cuda"))
        rate = torch.tensor(0.1, device="cuda")
        optimizer = flatfast.torch.SGD([w], lr=rate, C=0.5)
        w.grad = torch.zeros_like(w)

        def step(w=w, optimizer=optimizer):
            w.grad.copy_(0.7 * w.detach())
            optimizer.step()

        rate.fill_(0.0)
        step()  # makes the buffers; lr 0 moves nothing
        optimizer.state[w]["momentum_buffer"].zero_()
        replay = step
        if captured:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
            optimizer.state[w]["momentum_buffer"].zero_()
            replay = graph.replay
        for number in range(20):
            rate.fill_(cosine(number))
            replay()
        weights.append(w.detach().clone())
    torch.testing.assert_close(*weights)


@gpu
def test_learning_rates_on_both_sides_are_refused():
    first, second = (nn.Parameter(torch.ones(1, device="cuda")) for _ in range(2))
    groups = [{"params": [first], "lr": torch.tensor(0.1, device="cuda")}, {"params": [second]}]
    optimizer = flatfast.torch.SGD(groups, lr=0.1, C=0.5)
    (first + second).backward()
    with pytest.raises(ValueError, match="put all of them on one side"):
        optimizer.step()
