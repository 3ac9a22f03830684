"""What an optimizer whose prefactor is measured says, and what it refuses."""

import pytest
import torch

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.calibration import Verdict
from flatfast.torch import auto_momentum
from tests.torch.told import LR, Told, fresh, made, plain, train, train_any


class Other(torch.optim.Optimizer):
    """Has a momentum of which nothing is known."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": LR, "momentum": 0.5})

    def step(self):
        pass


def test_every_refusal_is_told_once_with_its_reason():
    first, second = "no lasting noise", "not near the manifold of minimizers"
    model, told = fresh(), Told(first, first, second, first, 0.3, second)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told, share=0.5)
    with pytest.warns(UserWarning, match="momentum stays") as seen:
        train(model, optimizer, 1300)
    assert len(told.asked) == 6
    texts = [str(warning.message) for warning in seen]
    assert len(texts) == 2
    assert "stays as it was (0.5) at step 0" in texts[0]
    assert f"because {first}: as made up" in texts[0]
    assert "next calibration is due in 240 steps" in texts[0]
    assert second in texts[1]
    assert auto.prefactor == pytest.approx(0.3)


def test_too_few_gradients_are_told_as_such():
    model = fresh()
    optimizer = plain(model)
    auto_momentum(optimizer, Told("signal below its error"), share=0.5)
    said = r"as it was \(0\.5\) at step 0\. Nothing is known yet"
    with pytest.warns(UserWarning, match=said) as seen:
        train(model, optimizer, 1)
    assert "does not apply" not in str(seen[0].message)


def test_a_refusal_points_at_the_step_and_says_where_the_budget_goes():
    model = fresh()
    for ours in (True, False):
        optimizer = made(model, Told(Verdict.UNRESOLVED.value), ours)
        with pytest.warns(UserWarning, match=r"inside measure: calibrate\(\.\.\., budget=") as told:
            train(model, optimizer, 1)
        assert [warning.filename for warning in told] == [train.__code__.co_filename]
    with pytest.warns(UserWarning, match="momentum stays") as told:
        train(model, made(model, Told(Verdict.NO_SLOPE.value), False), 1)
    assert "budget" not in str(told[0].message)


def test_weight_decay_and_other_optimizers_are_spoken_of():
    model = fresh()
    told = Told(0.8, 0.8)
    decayed = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.5, weight_decay=0.5)
    auto_momentum(decayed, told, share=0.5)
    with pytest.warns(UserWarning, match=r"weight decay of 0\.5 moves the weights") as seen:
        train(model, decayed, 500)
    assert len(seen) == 1
    other = Other(model.parameters())
    auto_momentum(other, Told(0.8))
    with pytest.warns(UserWarning, match="momentum of Other is taken for the factor of a velocity"):
        train_any(model, other)


def test_representations_say_what_is_in_use():
    model, told = fresh(), Told("no lasting noise", 0.3)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told, share=0.5)
    assert repr(auto) == (
        "AutoMomentum(SGD: momentum 0.5 as it was, not measured yet: nothing has been tried)"
    )
    with pytest.warns(UserWarning, match="momentum stays"):
        train(model, optimizer, 1)
    assert "momentum 0.5 as it was, not measured yet: no lasting noise" in repr(auto)
    assert "momentum 0.5, nothing being measured yet" in repr(auto.coupling)
    train(model, optimizer, 300)
    assert f"momentum {MomentumLaw(0.3)(LR):.4g} by C=0.3, measured 1x" in repr(auto)
    auto.remove()
    assert repr(auto) == "AutoMomentum(SGD, removed)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"C": "auto"}, "C='auto' needs measure=, a function from learning rate to calibration"),
        ({"C": 0.5, "measure": Told(0.8)}, "measure= is for C='auto', which it measures"),
        ({"measure": Told(0.8)}, "give either C"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        flatfast.torch.SGD(fresh().parameters(), lr=LR, **arguments)


def test_wrong_shares():
    for share in (0.0, 1.0, -1):
        with pytest.raises(ValueError, match="share must be in"):
            auto_momentum(plain(fresh()), Told(0.8), share=share)
