"""The ends of the range: a momentum of 0, a learning rate of 0, and the training's last steps."""

import pytest
from torch.optim import lr_scheduler as schedulers

from flatfast import MomentumLaw
from flatfast.torch import couple
from flatfast.torch.groups import LEAST
from tests.torch.assertions import assert_path, assert_used
from tests.torch.bowl import LAW, loss_of, sgd, train, weight


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
    assert_path(path, rates)


def test_what_is_written_for_0_is_read_as_0():
    w = weight()
    optimizer = sgd(w, lr=9.0)
    coupling = couple(optimizer, LAW)
    train(w, optimizer, 1)
    assert_used(optimizer)
    assert 0 < optimizer.param_groups[0]["momentum"] == LEAST
    assert coupling.groups()[0].momentum == 0
    assert coupling.groups()[0].memory == 1


def test_learning_rate_0_gives_the_ceiling():
    w = weight()
    optimizer = sgd(w, lr=0.0)
    couple(optimizer, LAW)
    train(w, optimizer, 1)
    assert_used(optimizer)
    assert optimizer.param_groups[0]["momentum"] == LAW.max_momentum < 1


def out_of_range(told):
    return [warning for warning in told if "out of the law's range" in str(warning.message)]


def test_a_learning_rate_where_the_floor_holds_is_said_once(recwarn):
    parameter = weight()
    optimizer = sgd(parameter, lr=0.1)
    couple(optimizer, MomentumLaw(0.46))
    for lr in (0.1, 0.0, 1e-9, 3.0, 10.0, 20.0):  # the ceiling is every warm-up's
        assert not out_of_range(recwarn) or lr > 10
        optimizer.param_groups[0]["lr"] = lr
        loss_of(parameter).backward()
        optimizer.step()
    (told,) = out_of_range(recwarn)
    assert "lr 10 is out" in str(told.message)
    assert "from 3.58e-05 to 3.21; here momentum is 0, which is plain SGD" in str(told.message)
    assert told.filename == __file__


@pytest.mark.parametrize(
    ("law", "lr"),
    [
        (MomentumLaw.from_reference(0.1, 0.0), 0.1),  # at the end of the range, not beyond
        (MomentumLaw(1.0, min_momentum=0.9, max_momentum=0.9), 1.0),  # one momentum everywhere
        (lambda lr: 0.0, 1.0),  # somebody's own
    ],
)
def test_a_momentum_at_the_floor_that_needs_no_word(law, lr, recwarn):
    optimizer = sgd(weight(), lr=lr)
    couple(optimizer, law)
    optimizer.step()
    assert not out_of_range(recwarn)


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


def test_more_steps_than_announced_follow_the_law_and_say_so_once():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW, total_steps=2)
    train(w, optimizer, 2)
    assert coupling.groups()[0].memory == 1
    with pytest.warns(UserWarning, match="goes on after total_steps = 2") as told:
        train(w, optimizer, 3)
    assert len(told) == 1
    assert coupling.groups()[0].momentum == LAW(0.1)
    with pytest.raises(ValueError, match="total_steps must be at least 1, got 0"):
        couple(sgd(weight()), LAW, total_steps=0)


def test_the_end_of_the_training_is_not_out_of_range(recwarn):
    """There the memory is cut to the steps that are left, and momentum is 0 at the last."""
    optimizer = sgd(weight(), lr=0.1)
    couple(optimizer, MomentumLaw(0.46), total_steps=1)
    optimizer.step()
    assert not out_of_range(recwarn)
