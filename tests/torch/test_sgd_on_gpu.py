"""SGD that follows a learning rate on the device, eager and in captured graphs."""

import math

import pytest
import torch
from torch import nn

import flatfast.torch
from tests.torch.assertions import assert_same_weights
from tests.torch.small import LAW, cosine, network

pytestmark = pytest.mark.gpu


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
    assert_same_weights(on_device, on_host, rtol=1e-9, atol=1e-12)


def path_on_gpu(model, optimizer, set_lr):
    x = torch.ones(5, 6, dtype=torch.float64, device="cuda")
    for number in range(20):
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        set_lr(number)
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


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


def test_learning_rates_on_both_sides_are_refused():
    first, second = (nn.Parameter(torch.ones(1, device="cuda")) for _ in range(2))
    groups = [{"params": [first], "lr": torch.tensor(0.1, device="cuda")}, {"params": [second]}]
    optimizer = flatfast.torch.SGD(groups, lr=0.1, C=0.5)
    (first + second).backward()
    with pytest.raises(ValueError, match="put all of them on one side"):
        optimizer.step()


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
