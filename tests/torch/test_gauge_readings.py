"""What a gauge reads, held to closed forms and to what optimizers do."""

import copy
import math

import pytest
import torch
from torch import nn

from flatfast.torch import Gauge, couple
from flatfast.torch.coupling import coupling_of
from tests.torch.bowl import LAW, own, sgd, train, weight


def test_the_last_step_is_told_and_not_the_next():
    w = weight()
    optimizer = sgd(w)
    gauge = Gauge(optimizer)
    assert gauge.readings()["momentum"] == 0.9
    train(w, optimizer, 3)
    optimizer.param_groups[0].update(lr=0.4, momentum=0.5)
    found = gauge.readings("gauge/")
    assert found == {
        "gauge/lr": 0.1,
        "gauge/momentum": 0.9,
        "gauge/memory": pytest.approx(10),
        "gauge/effective_step": pytest.approx(1),
        "gauge/stability_limit": pytest.approx(38),
        "gauge/C": pytest.approx(0.1 / 0.1 ** (2 / 3)),
    }
    assert str(gauge) == (
        "step 3: lr 0.1, momentum 0.900 (memory 10 steps), effective step 1, C 0.464"
    )
    assert gauge.postfix() == {"lr": "0.1", "momentum": "0.900", "step": "1"}
    assert repr(gauge) == "Gauge(SGD, 3 steps)"


def test_a_coupling_that_comes_later_is_read():
    w = weight()
    optimizer = sgd(w)
    gauge = Gauge(optimizer)
    couple(optimizer, LAW)
    assert gauge.readings()["momentum"] == LAW(0.1)  # of the step to come
    train(w, optimizer, 1)
    assert gauge.readings()["C"] == LAW.C
    coupling_of(optimizer).remove()
    train(w, optimizer, 1)
    assert gauge.readings()["momentum"] == 0.9


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("beyond", [False, True])
def test_the_stability_limit_is_where_a_parabola_diverges(momentum, nesterov, beyond):
    if nesterov and not momentum:
        pytest.skip("PyTorch has none")
    assert grows(0.05, momentum, beyond, nesterov=nesterov) == beyond


@pytest.mark.parametrize("beyond", [False, True])
def test_the_same_with_dampening(beyond):
    assert grows(0.05, 0.8, beyond, dampening=0.5) == beyond


def grows(lr, momentum, beyond, **options):
    w = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    optimizer = torch.optim.SGD([w], lr=lr, momentum=momentum, **options)
    gauge = Gauge(optimizer)
    w.grad = torch.zeros_like(w)  # the first gradient is not dampened
    optimizer.step()
    curvature = gauge.groups()[0].stability_limit * (1.01 if beyond else 0.99)
    for _ in range(1500):
        w.grad = curvature * w.detach()
        optimizer.step()
    return abs(w.item()) > 10


def test_the_effective_step_is_how_far_a_constant_slope_leads():
    """Sums of gradients, averages of them, and sums with dampening."""
    for optimizer_of, expected in [
        (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8), 0.05),
        (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8, dampening=0.5), 0.025),
        (lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.8), 0.05),
        (lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.9)), 0.01),
        (lambda p: torch.optim.NAdam(p, lr=0.01, betas=(0.8, 0.9), momentum_decay=0.0), 0.01),
        (lambda p: torch.optim.Adagrad(p, lr=0.01), 0.01),
    ]:
        w = nn.Parameter(torch.tensor([0.0]))
        optimizer = optimizer_of([w])
        gauge = Gauge(optimizer)
        for _ in range(300):
            before = w.item()
            w.grad = torch.ones_like(w)
            optimizer.step()
        told = gauge.groups()[0].effective_step
        assert told == pytest.approx(expected)
        if not isinstance(optimizer, torch.optim.Adagrad):  # whose steps shrink
            assert before - w.item() == pytest.approx(expected, rel=0.02)


def test_averages_have_no_stability_limit_of_the_loss_s_curvature():
    w = weight()
    for optimizer in (torch.optim.Adam([w]), torch.optim.RMSprop([w], momentum=0.5)):
        assert "stability_limit" not in Gauge(optimizer).readings()
    coupling = couple(torch.optim.Adam([w], lr=0.1), own(LAW))
    assert coupling.groups()[0].effective_step == 0.1


def test_learning_rate_0_and_momentum_1():
    w = weight()
    optimizer = sgd(w, lr=0.0)
    gauge = Gauge(optimizer)
    optimizer.param_groups[0]["momentum"] = 1.0
    train(w, optimizer, 1)
    found = gauge.readings()
    assert math.isinf(found["memory"])
    assert "C" not in found
    assert str(gauge)


def test_an_optimizer_that_finds_its_own_learning_rate():
    class Own(torch.optim.SGD):
        def step(self, closure=None):
            self.param_groups[0]["lr"] = None

    optimizer = Own([weight()], lr=0.1, momentum=0.9)
    gauge = Gauge(optimizer)
    optimizer.step()
    assert gauge.readings() == {"momentum": 0.9, "memory": pytest.approx(10)}
    assert "momentum 0.900" in str(gauge)


def test_muon_is_known_by_its_name_in_company_too():
    class MuonWithAdam(torch.optim.SGD):
        pass

    (read,) = Gauge(MuonWithAdam([weight()], lr=0.1, momentum=0.95)).groups()
    assert read.effective_step == 0.1
    assert math.isnan(read.stability_limit)


def test_groups_that_differ_are_numbered():
    first, second = weight(), weight()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.02}], lr=0.1)
    gauge = Gauge(optimizer)
    couple(optimizer, LAW)
    found = gauge.readings()
    assert (found["lr/0"], found["lr/1"]) == (0.1, 0.02)
    assert found["momentum/1"] == LAW(0.02)
    assert "group 1: lr 0.02" in str(gauge)
    optimizer.param_groups[1]["lr"] = 0.1
    assert "lr" in gauge.readings()


def test_several_optimizers_are_read_as_one():
    model = nn.Linear(3, 3)
    muon = torch.optim.SGD([model.weight], lr=0.1, momentum=0.9)
    adam = torch.optim.AdamW([model.bias], lr=0.001)
    gauge = Gauge([muon, adam])
    for _ in range(4):
        model(torch.ones(2, 3)).sum().backward()
        muon.step()
        adam.step()
    assert gauge.steps == 4
    assert gauge.readings()["lr/1"] == 0.001
    assert repr(gauge) == "Gauge(SGD, AdamW, 4 steps)"


def test_tensors_are_not_read_back_before_they_are_asked_for(monkeypatch, tmp_path):
    w = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([w], lr=torch.tensor(0.1), momentum=0.9, foreach=False)
    gauge = Gauge(optimizer)
    gauge.page(tmp_path / "run.html", every=1000)
    inside = []
    for name in ("__float__", "item", "__bool__"):
        own = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda self, own=own, name=name: inside.append(name) or own(self)
        )
    without = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=torch.tensor(0.1), foreach=False)
    counts = []
    for each in (without, optimizer):
        each.param_groups[0]["params"][0].grad = torch.ones(2)
        inside.clear()
        for _ in range(5):
            each.step()
        counts.append(len(inside))
    assert counts[0] == counts[1]
    gauge.readings()
    assert len(inside) > counts[1]


def test_a_tensor_in_the_page_is_that_of_its_step(tmp_path):
    w = nn.Parameter(torch.ones(2))
    lr = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.SGD([w], lr=lr, momentum=0.9, foreach=False)
    gauge = Gauge(optimizer)
    gauge.page(tmp_path / "run.html", every=1000)
    for number in range(4):
        lr.fill_(0.1 * (number + 1))
        w.grad = torch.ones(2)
        optimizer.step()
    told = [point.groups[0].lr for point in gauge._history.points()]
    assert told == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.4])


def test_a_copy_of_the_optimizer_is_not_read():
    w = weight()
    optimizer = sgd(w)
    gauge = Gauge(optimizer)
    twin = copy.deepcopy(optimizer)
    twin.step()
    assert gauge.steps == 0


def test_it_is_let_go():
    w = weight()
    optimizer = sgd(w)
    with Gauge(optimizer) as gauge:
        train(w, optimizer, 2)
    train(w, optimizer, 2)
    assert gauge.steps == 2
    assert not optimizer._optimizer_step_post_hooks


def test_counts_go_on_from_a_checkpoint():
    w = weight()
    optimizer = sgd(w)
    gauge = Gauge(optimizer)
    train(w, optimizer, 3)
    again = Gauge(optimizer)
    again.load_state_dict(gauge.state_dict())
    train(w, optimizer, 1)
    assert again.steps == 4


def test_arguments():
    with pytest.raises(TypeError, match=r"must be a torch\.optim\.Optimizer, got Linear"):
        Gauge(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="at least one, got none"):
        Gauge([])
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\), got 2"):
        Gauge(sgd(weight()), share=2)
