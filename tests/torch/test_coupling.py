"""Momentum follows the learning rate, whoever changes it."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, couple
from flatfast.torch.groups import LEAST

LAW = MomentumLaw(C=0.5)
CURVATURE, START = 0.7, 1.3


def by_hand(lrs, momenta):
    """The path of heavy-ball SGD on ``CURVATURE * w^2 / 2``, in Python's own floats."""
    weight, velocity, path = START, 0.0, []
    for lr, momentum in zip(lrs, momenta, strict=True):
        velocity = momentum * velocity + CURVATURE * weight
        weight -= lr * velocity
        path.append(weight)
    return path


def weight():
    return nn.Parameter(torch.tensor(START, dtype=torch.float64))


def loss_of(w):
    return CURVATURE * w.square() / 2


def sgd(w, lr=0.1, momentum=0.9, **options):
    return torch.optim.SGD([w], lr=lr, momentum=momentum, **options)


def train(w, optimizer, steps, after=lambda step: None):
    """Rates and weights of a plain loop."""
    rates, path = [], []
    for step in range(steps):
        optimizer.zero_grad()
        loss_of(w).backward()
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        path.append(w.item())
        after(step)
    return rates, path


def one_cycle(optimizer):
    return schedulers.OneCycleLR(optimizer, max_lr=0.4, total_steps=40, cycle_momentum=False)


def sequential(optimizer):
    parts = [
        schedulers.LinearLR(optimizer, 0.01, total_iters=10),
        schedulers.ExponentialLR(optimizer, 0.9),
    ]
    return schedulers.SequentialLR(optimizer, parts, milestones=[10])


SCHEDULES = {
    "LambdaLR": lambda o: schedulers.LambdaLR(o, lambda step: 1 / (1 + step)),
    "restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, T_0=7, T_mult=2),
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, T_max=40),
    "SequentialLR": sequential,
    "OneCycleLR": one_cycle,
    "from 0": lambda o: schedulers.LambdaLR(o, lambda step: step / 10),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("before", [True, False], ids=["couple first", "schedule first"])
def test_follows_a_scheduler(name, before):
    w = weight()
    optimizer = sgd(w)
    if before:
        couple(optimizer, LAW)
    scheduler = SCHEDULES[name](optimizer)
    if not before:
        couple(optimizer, LAW)
    rates, path = train(w, optimizer, 40, after=lambda step: scheduler.step())
    assert len(set(rates)) > 5
    assert path == pytest.approx(by_hand(rates, LAW(rates)), rel=1e-9)


def test_follows_reduce_on_plateau():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    rates, path = train(w, optimizer, 20, after=lambda step: scheduler.step(1.0))
    assert len(set(rates)) > 3
    assert path == pytest.approx(by_hand(rates, LAW(rates)), rel=1e-9)


@pytest.mark.parametrize("tensor", [False, True], ids=["number", "tensor in place"])
def test_follows_a_hand(tensor):
    w = weight()
    optimizer = sgd(w, lr=torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1)
    couple(optimizer, LAW)
    wanted = [0.1, 0.1, 0.3, 0.02, 0.02, 0.5, 0.1, 0.1]

    def turn(step):
        lr = wanted[min(step + 1, len(wanted) - 1)]
        if tensor:
            optimizer.param_groups[0]["lr"].fill_(lr)
        else:
            optimizer.param_groups[0]["lr"] = lr

    rates, path = train(w, optimizer, len(wanted), after=turn)
    assert rates == wanted
    assert path == pytest.approx(by_hand(wanted, LAW(wanted)), rel=1e-9)


def test_nothing_else_changes():
    """At the law's own momentum the run is the plain one, bit for bit."""
    paths = []
    for coupled in (True, False):
        w = weight()
        optimizer = sgd(w, momentum=LAW(0.1), weight_decay=0.01, nesterov=True)
        if coupled:
            couple(optimizer, LAW)
        paths.append(train(w, optimizer, 50)[1])
    assert paths[0] == paths[1]


# --- Which momentum ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax"])
def test_the_first_beta_of_the_adam_family(kind):
    w = weight()
    optimizer = getattr(torch.optim, kind)([w], lr=0.1, betas=(0.8, 0.97))
    coupling = couple(optimizer, LAW)
    train(w, optimizer, 3)
    assert optimizer.param_groups[0]["betas"] == (LAW(0.1), 0.97)
    coupling.remove()
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.97)


def test_rmsprop_that_had_no_momentum():
    w = weight()
    optimizer = torch.optim.RMSprop([w], lr=0.1)
    couple(optimizer, LAW)
    train(w, optimizer, 3)
    assert optimizer.param_groups[0]["momentum"] == LAW(0.1)
    assert "momentum_buffer" in optimizer.state[w]


def test_an_optimizer_without_momentum():
    with pytest.raises(ValueError, match="Adagrad has neither momentum nor betas in parameter gr"):
        couple(torch.optim.Adagrad([weight()]), LAW)


def test_dampening_is_refused():
    with pytest.raises(ValueError, match=r"parameter group 0 has 0\.5"):
        couple(sgd(weight(), dampening=0.5), LAW)


def test_no_optimizer():
    with pytest.raises(TypeError, match="got Linear"):
        couple(nn.Linear(1, 1), LAW)


def test_no_law():
    with pytest.raises(TypeError, match=r"got 0\.9"):
        couple(sgd(weight()), 0.9)


def test_a_negative_learning_rate_is_named():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    optimizer.param_groups[0]["lr"] = -0.1
    loss_of(w).backward()
    with pytest.raises(ValueError, match=r"lr must be at least 0 and finite, got -0\.1"):
        optimizer.step()


# --- Groups --------------------------------------------------------------------------------------


def test_a_law_for_each_group():
    first, second = weight(), weight()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.3}], lr=0.1)
    laws = [MomentumLaw(C=0.5), MomentumLaw(C=1.0)]
    coupling = couple(optimizer, laws)
    (loss_of(first) + loss_of(second)).backward()
    optimizer.step()
    assert [group.momentum for group in coupling.groups()] == [laws[0](0.1), laws[1](0.3)]


def test_laws_and_groups_differ_in_number():
    with pytest.raises(ValueError, match="one for each of 1 groups, got 2"):
        couple(sgd(weight()), [LAW, LAW])


def test_a_group_added_later():
    first, second = weight(), weight()
    optimizer = sgd(first)
    coupling = couple(optimizer, LAW)
    train(first, optimizer, 5)
    optimizer.add_param_group({"params": [second], "lr": 0.3, "momentum": 0.2})
    _, path = train(second, optimizer, 5)
    assert path == pytest.approx(by_hand([0.3] * 5, [LAW(0.3)] * 5), rel=1e-9)
    coupling.remove()
    assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.2]


def test_a_group_added_later_needs_a_law_where_groups_have_their_own():
    first, second = weight(), weight()
    optimizer = sgd(first)
    coupling = couple(optimizer, [LAW])
    optimizer.add_param_group({"params": [second]})
    with pytest.raises(ValueError, match=r"give it one: coupling.set_law\(1, law\)"):
        optimizer.step()
    coupling.set_law(1, MomentumLaw(C=1.0))
    optimizer.step()
    assert coupling.groups()[1].momentum == MomentumLaw(C=1.0)(0.1)


def test_another_law_from_now_on():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW)
    train(w, optimizer, 2)
    coupling.set_law(0, MomentumLaw(C=1.0))
    train(w, optimizer, 1)
    assert optimizer.param_groups[0]["momentum"] == MomentumLaw(C=1.0)(0.1)
    with pytest.raises(ValueError, match=r"index must be in \[0, 1\), got 1"):
        coupling.set_law(1, LAW)


# --- What can be read ----------------------------------------------------------------------------


def test_readings():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, MomentumLaw.from_reference(0.1, 0.9))
    train(w, optimizer, 1)
    optimizer.param_groups[0]["lr"] = 0.4  # for the step to come
    (found,) = coupling.groups()
    assert found.lr == 0.1
    assert found.momentum == pytest.approx(0.9)
    assert found.memory == pytest.approx(10)
    assert found.effective_step == pytest.approx(1)


def test_readings_before_the_first_step():
    assert couple(sgd(weight()), LAW).groups()[0].momentum == LAW(0.1)


def test_removing_restores():
    w = weight()
    optimizer = sgd(w, momentum=0.37)
    with couple(optimizer, LAW):
        train(w, optimizer, 3)
        assert optimizer.param_groups[0]["momentum"] == LAW(0.1)
    assert optimizer.param_groups[0]["momentum"] == 0.37
    optimizer.param_groups[0]["lr"] = 0.01
    train(w, optimizer, 3)
    assert optimizer.param_groups[0]["momentum"] == 0.37
    couple(optimizer, LAW)


# --- A second writer -----------------------------------------------------------------------------


def cycling(name, optimizer):
    if name == "OneCycleLR":
        return schedulers.OneCycleLR(optimizer, max_lr=0.4, total_steps=40)
    return schedulers.CyclicLR(optimizer, base_lr=0.1, max_lr=0.4, step_size_up=10)


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_a_scheduler_that_cycles_momentum_is_named(name):
    optimizer = sgd(weight())
    scheduler = cycling(name, optimizer)
    with pytest.raises(MomentumConflictError, match=f"{name} writes the momentum"):
        couple(optimizer, LAW)
    assert scheduler.optimizer is optimizer


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_a_scheduler_that_comes_later_is_named_too(name):
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    train(w, optimizer, 2)
    scheduler = cycling(name, optimizer)
    with pytest.raises(MomentumConflictError, match=f"{name} writes the momentum"):
        train(w, optimizer, 3, after=lambda step: scheduler.step())


def test_a_hand_that_writes_momentum_is_reported():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    train(w, optimizer, 2)
    optimizer.param_groups[0]["momentum"] = 0.5
    with pytest.raises(MomentumConflictError, match=r"parameter group 0 was set to 0\.5"):
        train(w, optimizer, 1)


def test_coupling_twice_is_refused():
    optimizer = sgd(weight())
    couple(optimizer, LAW)
    with pytest.raises(MomentumConflictError, match="already"):
        couple(optimizer, LAW)


# --- The ends of the range -----------------------------------------------------------------------


@pytest.mark.parametrize("momentum_before", [0.0, 0.9])
def test_momentum_0_keeps_the_buffer(momentum_before):
    """lr 9 asks for momentum 0; what follows must remember exactly those gradients."""
    w = weight()
    optimizer = sgd(w, lr=9.0, momentum=momentum_before)
    couple(optimizer, LAW)
    rates = [9.0, 9.0, 0.1, 0.1, 9.0, 0.1]

    def turn(step):
        optimizer.param_groups[0]["lr"] = rates[min(step + 1, 5)]

    _, path = train(w, optimizer, len(rates), after=turn)
    assert LAW(9.0) == 0
    assert path == pytest.approx(by_hand(rates, LAW(rates)), rel=1e-9)


def test_what_is_written_for_0_is_read_as_0():
    w = weight()
    optimizer = sgd(w, lr=9.0)
    coupling = couple(optimizer, LAW)
    train(w, optimizer, 1)
    assert 0 < optimizer.param_groups[0]["momentum"] == LEAST
    assert coupling.groups()[0].momentum == 0
    assert coupling.groups()[0].memory == 1


def test_learning_rate_0_gives_the_ceiling():
    w = weight()
    optimizer = sgd(w, lr=0.0)
    couple(optimizer, LAW)
    train(w, optimizer, 1)
    assert optimizer.param_groups[0]["momentum"] == LAW.max_momentum < 1


def test_the_memory_ends_with_the_training():
    """A cosine to 0: without a length the ceiling holds, with one nothing outlasts the steps."""
    steps, used = 50, {}
    for total in (None, steps):
        w = weight()
        optimizer = sgd(w)
        scheduler = schedulers.CosineAnnealingLR(optimizer, T_max=steps)
        coupling = couple(optimizer, LAW, total_steps=total)
        memories = []

        def note(step, memories=memories, coupling=coupling, scheduler=scheduler):
            memories.append(coupling.groups()[0].memory)
            scheduler.step()

        train(w, optimizer, steps, after=note)
        used[total] = memories
    assert used[None][-1] > 200
    left = [steps - step for step in range(steps)]
    assert all(m <= n * (1 + 1e-9) for m, n in zip(used[steps], left, strict=True))
    assert used[None][:25] == used[steps][:25]  # and before the end nothing differs


def test_more_steps_than_announced_go_on_as_plain_sgd():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW, total_steps=2)
    train(w, optimizer, 4)
    assert coupling.groups()[0].memory == 1
    with pytest.raises(ValueError, match="total_steps must be at least 1, got 0"):
        couple(sgd(weight()), LAW, total_steps=0)


# --- Ways of training ----------------------------------------------------------------------------


def test_gradients_set_to_none_or_missing():
    used, unused = weight(), weight()
    optimizer = torch.optim.SGD([used, unused], lr=0.1)
    couple(optimizer, LAW)
    path = []
    for _ in range(4):
        optimizer.zero_grad(set_to_none=True)
        loss_of(used).backward()
        optimizer.step()
        path.append(used.item())
    assert path == pytest.approx(by_hand([0.1] * 4, [LAW(0.1)] * 4), rel=1e-9)
    assert unused.item() == START


def test_a_closure():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(w)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(4)]
    path = by_hand([0.1] * 4, [LAW(0.1)] * 4)
    assert losses == pytest.approx([CURVATURE * x**2 / 2 for x in [START, *path[:3]]])


def test_sparse_gradients():
    """An embedding with sparse gradients takes the steps of a dense one, every row in use."""
    tables = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(4, 3, sparse=sparse)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
        couple(optimizer, LAW)
        for step in range(6):
            optimizer.zero_grad()
            table(torch.tensor([0, 1, 2, 3, step % 4])).square().sum().backward()
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            optimizer.step()
        tables.append(table.weight.detach())
    torch.testing.assert_close(*tables)


def test_a_grad_scaler_skips_the_step_and_the_momentum_alike():
    w = nn.Parameter(torch.tensor(START))
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW, total_steps=100)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    path = []
    for step in range(4):
        optimizer.zero_grad()
        scaler.scale(loss_of(w) * (math.inf if step == 1 else 1)).backward()
        scaler.step(optimizer)
        scaler.update()
        path.append(w.item())
    expected = by_hand([0.1] * 3, [LAW(0.1)] * 3)
    assert path == pytest.approx([expected[0], expected[0], expected[1], expected[2]], rel=1e-5)
    assert optimizer.param_groups[0]["coupled_steps"] == 3
    assert coupling.groups()[0].momentum == LAW(0.1)


def test_accumulated_gradients():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    path = []
    for _ in range(4):
        optimizer.zero_grad()
        for _ in range(5):
            (loss_of(w) / 5).backward()
        optimizer.step()
        path.append(w.item())
    assert path == pytest.approx(by_hand([0.1] * 4, [LAW(0.1)] * 4), rel=1e-9)


# --- Checkpoints ---------------------------------------------------------------------------------


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


@pytest.mark.parametrize("total_steps", [None, 20])
@pytest.mark.parametrize("broken_at", range(0, 20, 3))
def test_a_resumed_run_is_bitwise_the_unbroken_one(broken_at, total_steps):
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
    assert all(torch.equal(a, b) for a, b in zip(weights(model), unbroken, strict=True))
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
