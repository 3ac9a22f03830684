"""Other hands that write the momentum: three projects' ways of doing so, and what becomes of it."""

import copy
import itertools
import math
import warnings

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, auto_momentum, couple
from flatfast.torch.callback import Follower
from flatfast.torch.others import LEAST_STILL, MOST_STILL, steps_of_stillness
from tests.torch.assertions import assert_same_weights
from tests.torch.bowl import LAW, sgd, train, weight
from tests.torch.told import Told

LR = 0.1
BETAS = [torch.optim.Adam, torch.optim.AdamW]


def momentum_in(group):
    return group["momentum"] if "momentum" in group else float(group["betas"][0])


def write(group, momentum):
    if "momentum" in group:
        group["momentum"] = momentum
    else:
        group["betas"] = (momentum, *group["betas"][1:])


# --- Three projects' ways, each a function of optimizer and step that is called before the step ---


def ramp(optimizer, step, length=8):
    """Detectors: momentum is interpolated over the first iterations, and then let alone."""
    if step <= length:
        for group in optimizer.param_groups:
            write(group, 0.8 + (0.937 - 0.8) * step / length)


def at_every_step(optimizer, step, warm_up=6, steps=400, cool_down=6):
    """Language models: a warm-up, then the same number again and again, and a cool-down."""
    up, down = min(step / warm_up, 1), min((steps - step) / cool_down, 1)
    for group in optimizer.param_groups:
        write(group, (0.85 + 0.1 * up) * down + 0.85 * (1 - down))


def factor_of_itself(optimizer, step, begin=2, end=8, first=0.5):
    """Schedulers of momentum: a factor of what is in the group, and after its end what is there."""
    grown = (1 - first) / (end - begin)
    for group in optimizer.param_groups:
        momentum = momentum_in(group)
        if step == begin:
            momentum *= first
        elif begin < step <= end:
            before = first + grown * (step - begin - 1)
            momentum *= (before + grown) / before
        write(group, momentum)


HANDS = {"ramp": ramp, "every step": at_every_step, "factor": factor_of_itself}


def made(kind, w):
    return kind([w], lr=LR) if kind in BETAS else kind([w], lr=LR, momentum=0.9)


def trained(hand, optimizer, w, steps, first=0):
    """The momentum of every step."""
    used = []
    for step in range(first, first + steps):
        hand(optimizer, step)
        train(w, optimizer, 1)
        used.append(momentum_in(optimizer.param_groups[0]))
    return used


def alone(hand, kind, steps):
    """What the hand writes where there is no coupling."""
    w = weight()
    return trained(hand, made(kind, w), w, steps)


KINDS = pytest.mark.parametrize("kind", [torch.optim.SGD, *BETAS])
quiet = pytest.mark.filterwarnings("ignore::UserWarning")


@quiet
@KINDS
@pytest.mark.parametrize("name", HANDS)
def test_the_default_ends_with_an_error_that_names_the_ways_out(name, kind):
    w = weight()
    optimizer = made(kind, w)
    couple(optimizer, LAW)
    with pytest.raises(MomentumConflictError, match=r"others='yield'.*others='override'"):
        trained(HANDS[name], optimizer, w, 20)


@quiet
@KINDS
@pytest.mark.parametrize("name", HANDS)
def test_override_is_the_law_at_every_step(name, kind):
    w = weight()
    optimizer = made(kind, w)
    couple(optimizer, LAW, others="override")
    assert trained(HANDS[name], optimizer, w, 30) == [LAW(LR)] * 30


@quiet
@KINDS
def test_yield_waits_for_the_end_of_a_warm_up(kind):
    """It ends at step 8, whose momentum then stands for as many steps as it remembers."""
    w = weight()
    optimizer = made(kind, w)
    coupling = couple(optimizer, LAW, others="yield")
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
    couple(optimizer, LAW, others="yield")
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
        assert "coupled_yield" not in optimizer.param_groups[0]


# --- Resuming, copies, groups ---------------------------------------------------------------------


@pytest.mark.parametrize("broken_at", [0, 3, 9, 12, 24, 30])
def test_a_resumed_run_waits_as_the_unbroken_one(broken_at):
    def setting():
        w = weight()
        optimizer = sgd(w)
        couple(optimizer, LAW, others="yield")
        return w, optimizer

    w, optimizer = setting()
    whole = trained(ramp, optimizer, w, 40)
    first, optimizer = setting()
    used = trained(ramp, optimizer, first, broken_at)
    saved = copy.deepcopy(optimizer.state_dict())
    again, optimizer = setting()
    with torch.no_grad():
        again.copy_(first)
    optimizer.load_state_dict(saved)
    used += trained(ramp, optimizer, again, 40 - broken_at, first=broken_at)
    assert used == whole
    assert torch.equal(again, w)


def test_a_checkpoint_of_a_yielding_coupling_is_loaded_without_one():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 4)
    saved = torch.optim.SGD([weight()], lr=LR)
    saved.load_state_dict(optimizer.state_dict())
    assert momentum_in(saved.param_groups[0]) == momentum_in(optimizer.param_groups[0])


@pytest.mark.parametrize("ours", [False, True])
def test_a_copy_goes_on_waiting(ours):
    w = weight()
    if ours:
        optimizer = flatfast.torch.SGD([w], lr=LR, law=LAW, others="yield")
    else:
        optimizer = sgd(w)
        couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 12)
    both = copy.deepcopy((w, optimizer))
    rest = [trained(ramp, o, p, 28, first=12) for p, o in ((w, optimizer), both)]
    assert rest[0] == rest[1]
    assert 0.937 in rest[0]
    assert rest[0][-1] == LAW(LR)


def test_groups_wait_each_for_itself():
    """As where one optimizer has groups of two kinds, and a hand warms up those of one."""
    first, second = weight(), weight()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second]}], lr=LR, momentum=0.9)
    couple(optimizer, LAW, others="yield")
    used = []
    for step in range(30):
        if step <= 8:
            optimizer.param_groups[0]["momentum"] = 0.8 + 0.01 * step
        for w in (first, second):
            w.grad = torch.ones_like(w)
        optimizer.step()
        used.append([momentum_in(group) for group in optimizer.param_groups])
    assert [own for _, own in used] == [LAW(LR)] * 30
    assert [theirs for theirs, _ in used[:9]] == [0.8 + 0.01 * step for step in range(9)]
    assert used[-1][0] == LAW(LR)


@pytest.mark.parametrize("compiled", [False, True])
def test_sgd_with_the_law_built_in(compiled):
    w = weight()
    optimizer = flatfast.torch.SGD([w], lr=LR, law=LAW, others="yield")
    theirs = weight()
    plain = torch.optim.SGD([theirs], lr=LR, momentum=0.9)
    torch._dynamo.reset()
    step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
    for number in range(30):
        ramp(optimizer, number)
        w.grad, theirs.grad = (0.7 * p.detach() for p in (w, theirs))
        step()
        plain.param_groups[0]["momentum"] = momentum_in(optimizer.param_groups[0])
        plain.step()
        torch.testing.assert_close(w, theirs, rtol=1e-12, atol=0)
    assert momentum_in(optimizer.param_groups[0]) == LAW(LR)


def test_a_call_that_trains_nothing_is_no_stillness():
    """A utility's step without gradients, at learning rate 0."""
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 9)
    optimizer.param_groups[0]["lr"] = 0.0
    for _ in range(50):
        w.grad = torch.zeros_like(w)
        optimizer.step()
    assert momentum_in(optimizer.param_groups[0]) == 0.937


def test_as_long_as_it_waits_training_is_that_of_the_other_alone():
    w, theirs = weight(), weight()
    optimizer, plain = sgd(w), sgd(theirs)
    couple(optimizer, LAW, others="yield")
    trained(ramp, optimizer, w, 20)
    trained(ramp, plain, theirs, 20)
    assert_same_weights([w], [theirs])


# --- Measured laws, callbacks ---------------------------------------------------------------------


def test_what_is_measured_begins_where_the_other_has_ended():
    """Without a law the momentum stays as it is, and that is the other's."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.5)
    told = Told("no lasting noise", 0.3)
    auto_momentum(optimizer, told, share=0.5, others="yield")
    used = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(300):
            ramp(optimizer, step)
            optimizer.zero_grad()
            model(torch.ones(3, 2)).square().sum().backward()
            optimizer.step()
            used.append(momentum_in(optimizer.param_groups[0]))
    assert used[:9] == [0.8 + (0.937 - 0.8) * step / 8 for step in range(9)]
    assert used[9:200] == [0.937] * 191
    assert used[-1] == MomentumLaw(0.3)(LR)


def test_callbacks_hand_it_on():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    follower = Follower(C=0.5, others="override")
    follower.start([optimizer], 100, model, None)
    optimizer.param_groups[0]["momentum"] = 0.2
    with pytest.warns(UserWarning, match="override"):
        optimizer.step()
    assert follower.readings()["momentum"] == LAW(LR)
