"""What is printed of a rescaled optimizer."""

import copy
import pickle

import pytest
import torch

from flatfast import MomentumLaw
from flatfast.torch import couple, rescale

pytestmark = pytest.mark.filterwarnings("ignore:rescaled by the rule")


def parameters():
    return [torch.nn.Parameter(torch.zeros(2))]


def sgd(*groups, **values):
    return torch.optim.SGD([{"params": parameters(), **each} for each in groups or ({},)], **values)


def test_one_group():
    optimizer = sgd(lr=0.1, momentum=0.9)
    found = rescale(optimizer, batch=(256, 1024))
    assert str(found) == str(found[0])
    assert str(found).startswith("linear: lr 0.1 -> 0.4, momentum 0.9 stays\ndoubt: SGD at a")
    again = rescale(optimizer, batch=(256, 1024))
    assert str(again).startswith("linear: lr 0.4 stays, momentum 0.9 stays\ndoubt: SGD at a")


def test_groups_that_change_alike_have_one_line():
    optimizer = sgd({}, {"lr": 0.01}, {}, lr=0.1, momentum=0.9)
    found = rescale(optimizer, batch=(256, 1024))
    first, second, *doubts = str(found).splitlines()
    assert first == "groups 0, 2: linear: lr 0.1 -> 0.4, momentum 0.9 stays"
    assert second == "group 1: linear: lr 0.01 -> 0.04, momentum 0.9 stays"
    assert doubts == [f"doubt: {found[0].doubts[0]}"]
    assert str(rescale(sgd({}, {}, lr=0.1), lr=(1, 2))).startswith("all 2 groups: ")


def test_a_doubt_of_some_groups_says_of_which():
    optimizer = sgd({}, {"momentum": 0.5}, lr=0.1, momentum=0.9)
    told = str(rescale(optimizer, batch=(256, 512), rule="path"))
    assert "\ndoubt of group 1: a batch 2 times as large is longer than the memory of mom" in told


def test_a_coupled_optimizer_tells_the_momenta_of_its_laws():
    optimizer = sgd(lr=0.1, momentum=0.9)
    couple(optimizer, MomentumLaw.from_reference(lr=0.1, momentum=0.9))
    assert str(rescale(optimizer, batch=(64, 256))) == "law: lr 0.1 stays, momentum 0.9 -> 0.937"


def test_it_is_a_tuple():
    found = rescale(sgd({}, {}, lr=0.1, momentum=0.9), lr=(0.1, 0.2))
    first, second = found
    assert found == (first, second)
    for copied in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (copied, str(copied)) == (found, str(found))
