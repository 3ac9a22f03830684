"""SGD that follows its learning rate under the compiler and in captured graphs."""

import math

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter, CompileCounterWithBackend

import flatfast.torch
from flatfast.torch import couple
from tests.torch.small import LAW, cosine, network, train


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


@pytest.mark.parametrize("options", [{}, {"nesterov": True, "weight_decay": 0.01}], ids=str)
@pytest.mark.parametrize("spoilt", [(), (2, 3)], ids=["all finite", "infinities"])
def test_a_compiled_fused_step_under_a_grad_scaler(fresh_compiler, options, spoilt):
    found = []
    for compiled in (False, True):
        model = network(torch.float32)
        optimizer = flatfast.torch.SGD(
            model.parameters(), lr=0.1, C=0.5, fused=True, total_steps=50, **options
        )
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


def test_a_coupled_torch_sgd_that_is_compiled(fresh_compiler):
    """It compiles for each momentum, as long as it may; the steps are right all the same."""
    found = []
    for compiled in (False, True):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        couple(optimizer, LAW, total_steps=30)
        step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
        found.append(train(model, step, optimizer, 5, cosine))
        assert optimizer.param_groups[0]["coupled_steps"] == 5
    torch.testing.assert_close(*found)


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


@gpu
def test_a_captured_step_divides_by_the_scale_and_skips_infinities():
    w = nn.Parameter(torch.ones(3, device="cuda"))
    optimizer = flatfast.torch.SGD([w], lr=torch.tensor(0.1, device="cuda"), C=0.5, fused=True)
    w.grad = torch.full_like(w, 8.0)
    optimizer.grad_scale = torch.tensor(4.0, device="cuda")
    optimizer.found_inf = torch.tensor(1.0, device="cuda")
    optimizer.step()  # makes the buffer, and moves nothing
    torch.testing.assert_close(w.detach(), torch.ones_like(w))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    path = []
    for infinite in (0.0, 1.0, 0.0):
        optimizer.found_inf.fill_(infinite)
        w.grad.fill_(math.inf if infinite else 8.0)
        graph.replay()
        path.append(w[0].item())
    first = 1 - 0.1 * 2
    second = first - 0.1 * 2 * (1 + LAW(0.1))
    assert path == pytest.approx([first, first, second], rel=1e-5)
