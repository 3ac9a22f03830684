"""Parameter groups of a coupled optimizer, and what can be read of it."""

import pytest
import torch

from flatfast import MomentumLaw
from flatfast.torch import couple
from tests.torch.assertions import assert_follows, assert_path, assert_used
from tests.torch.bowl import LAW, loss_of, sgd, train, weight


def test_a_law_for_each_group():
    first, second = weight(), weight()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.3}], lr=0.1)
    laws = [MomentumLaw(C=0.5), MomentumLaw(C=1.0)]
    coupling = couple(optimizer, laws)
    assert_follows(optimizer, laws)
    (loss_of(first) + loss_of(second)).backward()
    optimizer.step()
    assert_used(optimizer, laws)
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
    assert_path(path, [0.3] * 5)
    assert_used(optimizer)
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
    assert_used(optimizer, [LAW, MomentumLaw(C=1.0)])


def test_another_law_from_now_on():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW)
    train(w, optimizer, 2)
    coupling.set_law(0, MomentumLaw(C=1.0))
    train(w, optimizer, 1)
    assert_used(optimizer, MomentumLaw(C=1.0))
    with pytest.raises(ValueError, match=r"index must be in \[0, 1\), got 1"):
        coupling.set_law(1, LAW)


def three_groups():
    weights = [weight() for _ in range(3)]
    groups = [{"params": [w], "momentum": 0.1 * k} for k, w in enumerate(weights)]
    return torch.optim.SGD(groups, lr=0.1)


LAWS = [MomentumLaw(C=0.5), MomentumLaw(C=1.0), MomentumLaw(C=2.0)]


def move(optimizer):
    """One step with gradients for all."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.ones_like(p)
    optimizer.step()


def test_a_group_that_is_removed_takes_its_law_along():
    optimizer = three_groups()
    coupling = couple(optimizer, LAWS)
    move(optimizer)
    del optimizer.param_groups[1]
    assert [group.momentum for group in coupling.groups()] == [LAWS[0](0.1), LAWS[2](0.1)]
    move(optimizer)
    assert_used(optimizer, [LAWS[0], LAWS[2]])
    coupling.remove()
    assert [group["momentum"] for group in optimizer.param_groups] == [0.0, 0.2]


def test_one_comes_and_another_goes():
    optimizer = three_groups()
    couple(optimizer, LAW)
    move(optimizer)
    del optimizer.param_groups[0]
    optimizer.add_param_group({"params": [weight()], "lr": 0.3})
    move(optimizer)
    assert_used(optimizer)


def test_groups_may_be_put_in_another_order_and_made_anew():
    optimizer = three_groups()
    couple(optimizer, LAWS)
    move(optimizer)
    optimizer.param_groups.reverse()
    move(optimizer)
    assert_used(optimizer, LAWS[::-1])
    optimizer.param_groups = [dict(group) for group in optimizer.param_groups]
    optimizer.param_groups[0]["lr"] = 0.2
    move(optimizer)
    assert_used(optimizer, LAWS[::-1])


def test_another_law_must_be_one():
    with pytest.raises(TypeError, match=r"got 0\.9"):
        couple(sgd(weight()), LAW).set_law(0, 0.9)


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
        assert_used(optimizer)
    assert optimizer.param_groups[0]["momentum"] == 0.37
    optimizer.param_groups[0]["lr"] = 0.01
    train(w, optimizer, 3)
    assert optimizer.param_groups[0]["momentum"] == 0.37
    couple(optimizer, LAW)


def test_a_coupling_says_what_is_in_use():
    w = weight()
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW, total_steps=40)
    assert repr(coupling) == f"Coupling(SGD; group 0: {LAW}, no step yet; 0 of 40 steps)"
    train(w, optimizer, 2)
    assert f"lr 0.1, momentum {LAW(0.1):.6g} by {LAW}; 2 of 40" in repr(coupling)
    coupling.remove()
    assert repr(coupling) == "Coupling(SGD, removed)"
    assert coupling.groups() == []


def test_a_coupling_without_a_usable_law_can_be_shown():
    assert "no step yet" in repr(couple(sgd(weight()), lambda lr: 2.0))
