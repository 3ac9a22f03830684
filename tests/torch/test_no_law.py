"""Optimizers of whose momentum there is no law: the project's is refused wherever it is given."""

import pytest
import torch
from torch import nn

from flatfast import MomentumLaw
from flatfast.torch import Calibrator, auto_momentum, couple, rescale
from flatfast.torch.callback import Follower
from tests.made_up import made_up_calibration
from tests.torch.bowl import LAW, own
from tests.torch.table import OPTIMIZERS
from tests.torch.told import Told
from tests.torch.wrapping import Around

LAWLESS = {name: kind for name, kind in OPTIMIZERS.items() if kind.lawless}
ADAM = r"AdamW has no law of beta1 to follow.*docs/adam\.md.*Leave beta1.*flatfast\.torch\.rescale"


class Lion(torch.optim.Optimizer):
    """Steps by the sign of an average."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.1, "betas": (0.9, 0.99)})


class MuonWithAdam(torch.optim.Optimizer):
    """Joins the two, as packages do: matrices have a momentum, the rest has betas."""

    def __init__(self, parameters):
        first, second = parameters
        groups = [
            {"params": [first], "momentum": 0.95},
            {"params": [second], "betas": (0.9, 0.99)},
        ]
        super().__init__(groups, {"lr": 0.1})


class Mixed(torch.optim.SGD):
    """Takes groups with betas."""


def parameters():
    return [nn.Parameter(torch.ones(2, 2)) for _ in range(2)]


def adam():
    return torch.optim.AdamW(parameters(), lr=0.1)


def forms():
    """Of the project's law, as it may be given."""
    model = nn.Linear(2, 1)
    return {
        "law": LAW,
        "a law for each group": [LAW],
        "corrected": MomentumLaw(0.5, correction=0.1),
        "in the other convention": LAW.in_convention("normalized"),
        "calibration": made_up_calibration(),
        "calibrator": Calibrator(model, nn.MSELoss(), (torch.ones(3, 2), torch.ones(3, 1))),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_of_the_law_is_refused(form):
    optimizer = adam()
    for each in (optimizer, Around(optimizer)):
        with pytest.raises(ValueError, match=ADAM):
            couple(each, forms()[form])


@pytest.mark.parametrize("name", LAWLESS)
def test_a_refusal_leaves_everything_as_it_was(name):
    kind = LAWLESS[name]
    first, second = parameters()
    optimizer = kind.alone([{"params": [first]}, {"params": [second], "lr": 0.03}])
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises(ValueError, match=f"{kind.make.__name__} has no law of (beta1|momentum)"):
        couple(optimizer, LAW)
    for group, held in zip(optimizer.param_groups, before, strict=True):
        assert group.keys() == held.keys()
        assert all(group[key] is value for key, value in held.items())
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_load_state_dict_post_hooks


def test_others_are_known_by_their_betas_and_muon_by_its_name():
    with pytest.raises(ValueError, match="Lion has no law of beta1 to follow"):
        couple(Lion(parameters()), LAW)
    joined = MuonWithAdam(parameters())
    # No rule carries Muon's settings over, so the error does not send anybody to one.
    with pytest.raises(ValueError, match=r"no law of momentum.*tuning again.*docs/choose\.md"):
        couple(joined, [LAW, own(LAW)])
    with pytest.raises(ValueError, match="MuonWithAdam has no law of beta1 to follow"):
        couple(joined, [own(LAW), LAW])
    with pytest.warns(UserWarning, match="MuonWithAdam has no momentum but beta1"):
        couple(joined, own(LAW))


def test_a_law_that_comes_later_is_refused_too():
    optimizer = adam()
    with pytest.warns(UserWarning, match="beta1"):
        coupling = couple(optimizer, own(LAW))
    with pytest.raises(ValueError, match=ADAM):
        coupling.set_law(0, LAW)
    assert coupling.groups()[0].momentum == LAW(0.1)  # goes on


def test_a_group_that_comes_later_is_refused_too():
    mixed = Mixed(parameters()[:1], lr=0.1)
    couple(mixed, LAW)
    del mixed.defaults["momentum"]  # which every group would get
    mixed.add_param_group({"params": parameters()[:1], "betas": (0.9, 0.99)})
    for p in mixed.param_groups[1]["params"]:
        p.grad = torch.ones_like(p)
    with pytest.raises(ValueError, match="Mixed has no law of beta1 to follow"):
        mixed.step()


def test_nothing_is_measured_for_it():
    told = Told(0.3)
    with pytest.raises(ValueError, match=ADAM):
        auto_momentum(adam(), told)
    follower = Follower(calibrate=lambda model, data, lr: told(lr))
    with pytest.raises(ValueError, match=ADAM):
        follower.start([adam()], 100, nn.Linear(2, 1), None)
    assert told.asked == []


def test_the_callbacks_refuse_it_and_end_what_they_had_begun():
    sgd, other = torch.optim.SGD(parameters(), lr=0.1), adam()
    for given in ({"C": 0.5}, {"law": LAW}, {"C": made_up_calibration()}):
        with pytest.raises(ValueError, match=ADAM):
            Follower(**given).start([sgd, other], 100, nn.Linear(2, 1), None)
        assert sgd.param_groups[0]["momentum"] == 0
        assert not sgd._optimizer_step_pre_hooks


def test_what_the_error_recommends_works():
    optimizer = adam()
    rescale(optimizer, batch=(64, 256))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
    assert optimizer.param_groups[0]["betas"][0] == 0.9
