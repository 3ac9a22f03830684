"""Schedules of a rescaled optimizer: every later learning rate is the factor times what it was."""

import gc

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers
from torch.optim.swa_utils import SWALR

import flatfast
from flatfast.torch import rescale
from tests.torch.table import SCHEDULES

BATCH = (256, 1024)
STEPS = 12
RATES = 0.2, 0.05
MOMENTUM = 0.9
FACTOR = 4 * (1 - MOMENTUM**4) / (1 - MOMENTUM)  # of the rule "path"


def made(lr_factor=1.0, in_tensors=False, **options):
    rates = [lr * lr_factor for lr in RATES]
    if in_tensors:
        rates = [torch.tensor(lr, dtype=torch.float64) for lr in rates]
        options["foreach"] = False
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": lr} for lr in rates]
    return torch.optim.SGD(groups, **{"lr": 0.1, "momentum": MOMENTUM, **options})


class Plateau(schedulers.ReduceLROnPlateau):
    """Of a loss that does not fall, down to its least learning rates."""

    def __init__(self, optimizer, min_lr):
        super().__init__(optimizer, factor=0.5, patience=0, min_lr=min_lr)

    def step(self):
        super().step(1.0)


def sequential(optimizer):
    parts = [
        schedulers.LinearLR(optimizer, 0.1, total_iters=4),
        schedulers.CosineAnnealingLR(optimizer, T_max=8, eta_min=0.01),
    ]
    return schedulers.SequentialLR(optimizer, parts, milestones=[4])


def warm_up_of_transformers(step):
    return min(step / 3, 1.0) * max(0.0, (STEPS - step) / STEPS)


MORE = {
    "warm-up from 0": lambda o: schedulers.LambdaLR(o, warm_up_of_transformers),
    "multiplied": lambda o: schedulers.MultiplicativeLR(o, lambda step: 0.9),
    "steps": lambda o: schedulers.MultiStepLR(o, [2, 5], gamma=0.3),
    "polynomial": lambda o: schedulers.PolynomialLR(o, total_iters=8, power=2.0),
    "cosine to a floor": lambda o: schedulers.CosineAnnealingLR(o, T_max=5, eta_min=0.01),
    "restarts to a floor": lambda o: schedulers.CosineAnnealingWarmRestarts(o, T_0=3, eta_min=0.01),
    "warm-up, then cosine": sequential,
    "plateau, one floor": lambda o: Plateau(o, 0.01),
    "plateau, floors": lambda o: Plateau(o, [0.1, 0.02]),
    "one cycle alone": lambda o: schedulers.OneCycleLR(
        o, max_lr=[0.4, 0.1], total_steps=STEPS + 1, cycle_momentum=False, three_phase=True
    ),
    "cyclic": lambda o: schedulers.CyclicLR(
        o, base_lr=list(RATES), max_lr=[0.4, 0.1], step_size_up=3, cycle_momentum=False
    ),
    "averaging": lambda o: SWALR(o, swa_lr=0.02, anneal_epochs=4),
}
ALL = {**{name: make for name, make in SCHEDULES.items() if name != "by hand"}, **MORE}


def run(optimizer, scheduler, steps):
    """Learning rates of all groups at each step."""
    rates = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
    return rates


def read(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("name", ALL)
def test_every_later_learning_rate_is_the_factor_times_what_it_would_have_been(name, at):
    plain, ours = made(), made()
    untouched, schedule = ALL[name](plain), ALL[name](ours)
    run(plain, untouched, at)
    run(ours, schedule, at)
    rescale(ours, batch=BATCH, rule="path")
    for one, two in zip(read(ours), read(plain), strict=True):
        assert one == pytest.approx(FACTOR * two, rel=1e-12)
    assert list(map(float, schedule.get_last_lr())) == pytest.approx(read(ours), rel=1e-12)
    steps = 3 if name in SCHEDULES else STEPS - at
    wanted = torch.tensor(run(plain, untouched, steps), dtype=torch.float64) * FACTOR
    found = torch.tensor(run(ours, schedule, steps), dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", ["cosine to 0", "warm-up, then cosine", "plateau, floors"])
def test_learning_rates_in_tensors_are_followed_too(name):
    plain, ours = made(), made(in_tensors=True)
    untouched, schedule = ALL[name](plain), ALL[name](ours)
    places = [group["lr"] for group in ours.param_groups]
    run(plain, untouched, 2)
    run(ours, schedule, 2)
    rescale(ours, batch=BATCH, rule="linear")
    assert all(group["lr"] is place for group, place in zip(ours.param_groups, places, strict=True))
    wanted = torch.tensor(run(plain, untouched, 4)) * 4
    torch.testing.assert_close(torch.tensor(run(ours, schedule, 4)), wanted)


def test_a_schedule_is_that_of_an_optimizer_made_of_the_rescaled_learning_rate():
    for name in ("cosine to 0", "warm-up from 0", "sequential", "restarts", "polynomial"):
        ours, theirs = made(), made(lr_factor=FACTOR)
        schedule = ALL[name](ours)
        rescale(ours, batch=BATCH, rule="path")
        there = ALL[name](theirs)
        found, wanted = run(ours, schedule, 5), run(theirs, there, 5)
        torch.testing.assert_close(torch.tensor(found), torch.tensor(wanted))


# --- Cycled momenta ------------------------------------------------------------------------------

HIGH, LOW = 0.95, 0.85


def at(lr, momentum, rule):
    return flatfast.rescale({"lr": lr, "momentum": momentum}, batch=BATCH, rule=rule)


def one_cycle(optimizer, max_lr, initial, least, high, low):
    return schedulers.OneCycleLR(
        optimizer,
        max_lr=max_lr,
        total_steps=STEPS + 1,
        div_factor=max_lr / initial,
        final_div_factor=initial / least,
        max_momentum=high,
        base_momentum=low,
    )


def cyclic(optimizer, max_lr, initial, least, high, low):
    return schedulers.CyclicLR(
        optimizer, initial, max_lr, step_size_up=3, max_momentum=high, base_momentum=low
    )


@pytest.mark.parametrize("rule", ["path", "noise-scale"])
@pytest.mark.parametrize("make", [one_cycle, cyclic])
@pytest.mark.parametrize("steps", [0, 4])
def test_each_end_of_a_cycle_goes_through_the_rule_with_its_momentum(make, rule, steps):
    def alone(lr):
        return torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=lr, momentum=MOMENTUM)

    ours = alone(0.02)
    schedule = make(ours, 0.4, 0.02, 0.001, HIGH, LOW)
    run(ours, schedule, steps)
    rescale(ours, batch=BATCH, rule=rule)
    low_lr, peak = at(0.02, HIGH, rule), at(0.4, LOW, rule)
    theirs = alone(low_lr.lr)
    ends = low_lr.lr, at(0.001, HIGH, rule).lr
    there = make(theirs, peak.lr, *ends, low_lr.momentum, peak.momentum)
    run(theirs, there, steps)
    for _ in range(STEPS - steps):
        run(ours, schedule, 1)
        run(theirs, there, 1)
        one, two = ours.param_groups[0], theirs.param_groups[0]
        assert one["lr"] == pytest.approx(two["lr"], rel=1e-9)
        assert one["momentum"] == pytest.approx(two["momentum"], rel=1e-9)


def test_cycled_betas():
    def alone(lr, betas):
        return torch.optim.AdamW([nn.Parameter(torch.ones(2))], lr=lr, betas=betas)

    ours, theirs = alone(0.02, (0.9, 0.99)), alone(0.04, (0.9**4, 0.99**4))
    schedule = one_cycle(ours, 0.4, 0.02, 0.001, HIGH, LOW)
    rescale(ours, batch=BATCH, rule="adam-sde")
    there = one_cycle(theirs, 0.8, 0.04, 0.002, HIGH**4, LOW**4)
    for _ in range(STEPS):
        run(ours, schedule, 1)
        run(theirs, there, 1)
        one, two = ours.param_groups[0], theirs.param_groups[0]
        assert one["lr"] == pytest.approx(two["lr"], rel=1e-9)
        assert one["betas"] == pytest.approx(two["betas"], rel=1e-9)


# --- Which schedulers, and what cannot be done ---------------------------------------------------


class Wrapped:
    """As Accelerate has them."""

    def __init__(self, scheduler):
        self.scheduler = scheduler


def test_schedulers_may_be_given_wrapped_and_twice():
    optimizer = made()
    schedule = schedulers.LambdaLR(optimizer, lambda step: 1.0)
    rescale(optimizer, batch=BATCH, rule="linear", schedulers=[Wrapped(schedule), schedule])
    assert run(optimizer, schedule, 1) == [pytest.approx([4 * lr for lr in RATES])]
    rescale(optimizer, batch=BATCH, rule="linear", schedulers=schedule)
    assert run(optimizer, schedule, 1) == [pytest.approx([4 * lr for lr in RATES])]


def test_a_scheduler_of_another_optimizer_is_refused():
    other = schedulers.LambdaLR(made(), lambda step: 1.0)
    optimizer = made()
    with pytest.raises(ValueError, match="LambdaLR is a scheduler of another optimizer"):
        rescale(optimizer, batch=BATCH, schedulers=[other], rule="path")
    assert read(optimizer) == list(RATES)


def test_one_floor_cannot_serve_groups_with_different_factors():
    optimizer = made()
    optimizer.param_groups[1]["momentum"] = 0.8
    schedule = schedulers.CosineAnnealingLR(optimizer, T_max=5, eta_min=0.01)
    with pytest.raises(ValueError, match=r"one eta_min, 0.01, for .* factors 13.76 and 11.81"):
        rescale(optimizer, batch=BATCH, rule="path")
    assert read(optimizer) == list(RATES)
    assert schedule.base_lrs == list(RATES)
    rescale(optimizer, batch=BATCH, rule="linear")
    assert schedule.eta_min == pytest.approx(0.04)


class OfAnotherPackage(schedulers.LRScheduler):
    def __init__(self, optimizer):
        self.least_lr, self.nature = 0.01, "gentle"
        super().__init__(optimizer)

    def get_lr(self):
        return [max(lr, self.least_lr) for lr in self.base_lrs]


def test_numbers_of_foreign_schedulers_that_look_like_learning_rates_are_said():
    optimizer = made()
    schedule = OfAnotherPackage(optimizer)
    with pytest.warns(UserWarning, match="OfAnotherPackage keeps least_lr, which may be"):
        rescale(optimizer, batch=BATCH, rule="linear")
    assert run(optimizer, schedule, 1) == [pytest.approx([4 * lr for lr in RATES])]


def test_a_group_that_stands_still_stays_at_0_and_the_rest_is_rescaled():
    optimizer = made()
    optimizer.param_groups[1]["lr"] = 0.0
    found = rescale(optimizer, batch=BATCH, rule="linear")
    assert read(optimizer) == [pytest.approx(0.8), 0.0]
    assert found[1].lr == 4.0  # what 1 becomes


class Around(torch.optim.Optimizer):
    """As lookahead and the like: the groups are those of the optimizer inside."""

    def __init__(self, inner):
        super().__init__(inner.param_groups, {})
        self.inner, self.param_groups = inner, inner.param_groups

    def step(self, closure=None):
        return self.inner.step(closure)


def test_a_scheduler_of_a_wrapper_is_found_from_inside():
    optimizer = made()
    schedule = schedulers.LambdaLR(Around(optimizer), lambda step: 1.0)
    rescale(optimizer, batch=BATCH, rule="linear")
    assert run(optimizer, schedule, 1) == [pytest.approx([4 * lr for lr in RATES])]


class NotOfPyTorch:
    def __init__(self, optimizer):
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]


def test_a_schedule_that_is_not_seen_is_said(recwarn):
    optimizer, odd = made(), schedulers.LambdaLR(made(), lambda step: 1.0)
    odd.optimizer = type("Odd", (), {"param_groups": None})()  # which is no affair of ours
    NotOfPyTorch(optimizer)
    with pytest.warns(UserWarning, match="left an initial_lr in a parameter group, and no sched"):
        rescale(optimizer, batch=BATCH, rule="linear")
    rescale(optimizer, batch=BATCH, rule="linear")  # which does nothing
    rescale(made(), batch=BATCH, rule="linear")
    assert not recwarn.list


def test_a_scheduler_that_is_hidden_from_the_search_is_said_and_may_be_given():
    optimizer = made()
    schedule = schedulers.LambdaLR(optimizer, lambda step: 1.0)
    gc.freeze()
    try:
        with pytest.warns(UserWarning, match="give it as schedulers="):
            rescale(optimizer, batch=BATCH, rule="linear")
        rescale(optimizer, batch=BATCH, rule="linear", schedulers=schedule)
    finally:
        gc.unfreeze()
    assert run(optimizer, schedule, 1) == [pytest.approx([4 * lr for lr in RATES])]
