"""Other hands that write the momentum: three projects' ways of doing so, and what becomes of it."""

import itertools
import math
import warnings

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

from flatfast.torch import MomentumConflictError, couple
from flatfast.torch.callback import Follower
from flatfast.torch.others import LEAST_STILL, MOST_STILL, steps_of_stillness
from tests.torch.bowl import LAW, sgd, train, weight
from tests.torch.hands import (
    BETAS,
    HANDS,
    LR,
    alone,
    at_every_step,
    factor_of_itself,
    law_for,
    made,
    momentum_in,
    ramp,
    trained,
)

KINDS = pytest.mark.parametrize("kind", [torch.optim.SGD, *BETAS])
quiet = pytest.mark.filterwarnings("ignore::UserWarning")


@quiet
@KINDS
@pytest.mark.parametrize("name", HANDS)
def test_the_default_ends_with_an_error_that_names_the_ways_out(name, kind):
    w = weight()
    optimizer = made(kind, w)
    couple(optimizer, law_for(kind))
    with pytest.raises(MomentumConflictError, match=r"others='yield'.*others='override'"):
        trained(HANDS[name], optimizer, w, 20)


@quiet
@KINDS
@pytest.mark.parametrize("name", HANDS)
def test_override_is_the_law_at_every_step(name, kind):
    w = weight()
    optimizer = made(kind, w)
    couple(optimizer, law_for(kind), others="override")
    assert trained(HANDS[name], optimizer, w, 30) == [LAW(LR)] * 30


@quiet
@KINDS
def test_yield_waits_for_the_end_of_a_warm_up(kind):
    """It ends at step 8, whose momentum then stands for as many steps as it remembers."""
    w = weight()
    optimizer = made(kind, w)
    coupling = couple(optimizer, law_for(kind), others="yield")
    used = trained(ramp, optimizer, w, 40)
    still = math.ceil(1 / (1 - 0.937))
    assert used[: 8 + still] == alone(ramp, kind, 8 + still)
    assert used[8 + still :] == [LAW(LR)] * (40 - 8 - still)
    assert coupling.groups()[0].momentum == LAW(LR)


@quiet
@KINDS
def test_yield_to_a_scheduler_that_reads_what_it_has_written(kind):
    w = weight()
    optimizer = made(kind, w)
    couple(optimizer, law_for(kind), others="yield")
    used = trained(factor_of_itself, optimizer, w, 40)
    assert used[:2] == [LAW(LR)] * 2  # it has not begun
    began = LAW(LR) / 2
    assert used[2] == pytest.approx(began)
    assert used[8] == pytest.approx(LAW(LR))
    assert used[20:] == [LAW(LR)] * 20


def test_yield_to_one_that_comes_back_waits_twice_as_long_each_time():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, others="yield")
    with pytest.warns(UserWarning, match=r"group 0 is written by another again.*override") as told:
        used = trained(at_every_step, optimizer, w, 400)
    assert len(told) == 1
    theirs = [step for step, momentum in enumerate(used) if momentum == LAW(LR)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(theirs)]
    # It writes the number that is there, until the law has written another, for one step.
    assert gaps == [41, 81, 161]
    assert used[-1] < 0.95


@pytest.mark.parametrize("scheduler", ["OneCycleLR", "CyclicLR"])
@pytest.mark.parametrize("others", ["yield", "override"])
def test_schedulers_that_cycle_momentum(scheduler, others):
    def cycled(optimizer):
        if scheduler == "OneCycleLR":
            return schedulers.OneCycleLR(optimizer, max_lr=0.4, total_steps=40)
        return schedulers.CyclicLR(optimizer, base_lr=0.1, max_lr=0.4, step_size_up=10)

    def run(others):
        w = weight()
        optimizer = sgd(w)
        schedule = cycled(optimizer)
        if others:
            couple(optimizer, LAW, others=others)
        used = []
        for _ in range(39):
            train(w, optimizer, 1)
            used.append((optimizer.param_groups[0]["lr"], momentum_in(optimizer.param_groups[0])))
            schedule.step()
        return used

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        used, plain = run(others), run(None)
    assert [lr for lr, _ in used] == [lr for lr, _ in plain]
    if others == "override":
        assert [momentum for _, momentum in used] == [LAW(lr) for lr, _ in used]
    else:
        assert used[0][1] == LAW(used[0][0])  # nobody has written since the coupling
        assert used[1:] == plain[1:]


# --- What is told ---------------------------------------------------------------------------------


def test_override_says_so_once():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, others="override")
    with pytest.warns(UserWarning, match=r"group 0 was set to 0\.8 .*others='override'") as told:
        trained(ramp, optimizer, w, 30)
    assert len(told) == 1


@pytest.mark.filterwarnings("error")
def test_yield_to_a_warm_up_says_nothing_and_shows_it():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 12)
    assert "momentum 0.937 by another, still for 4 steps; then MomentumLaw" in repr(coupling)
    assert coupling.groups()[0].momentum == 0.937


def test_words_that_are_none():
    with pytest.raises(ValueError, match="'raise', 'yield' or 'override', got 'ignore'"):
        couple(sgd(weight()), LAW, others="ignore")
    with pytest.raises(ValueError, match="got 3"):
        Follower(C=0.5, others=3)


@pytest.mark.parametrize(
    ("momentum", "turns", "steps"),
    [
        (0.0, 1, LEAST_STILL),
        (0.95, 1, 20),
        (0.95, 3, 80),
        (0.99999, 1, MOST_STILL),
        (1.0, 2, 2 * MOST_STILL),
    ],
)
def test_how_long_is_still(momentum, turns, steps):
    assert steps_of_stillness(momentum, turns) == pytest.approx(steps, abs=1)


def test_the_end_gives_back_what_the_other_has_left():
    for steps, others in ((4, "yield"), (40, "yield"), (40, "override")):
        w = weight()
        optimizer = sgd(w, momentum=0.3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with couple(optimizer, LAW, others=others):
                trained(ramp, optimizer, w, steps)
        assert momentum_in(optimizer.param_groups[0]) == alone(ramp, torch.optim.SGD, steps)[-1]
        assert not any(key.startswith("coupled") for key in optimizer.param_groups[0])
