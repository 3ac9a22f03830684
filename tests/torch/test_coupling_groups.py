"""Parameter groups of a coupled optimizer, and what can be read of it."""

import pytest
import torch

from flatfast import MomentumLaw
from flatfast.torch import couple
from tests.torch.bowl import LAW, by_hand, loss_of, sgd, train, weight



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
