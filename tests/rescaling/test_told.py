"""A rescaled setting in words."""

import pytest

from flatfast import Rescaled, Setting, rescale

SGD = {"lr": 0.1, "momentum": 0.9}


def test_what_changes_what_stays_and_what_speaks_against_it():
    new = rescale(SGD, batch=(256, 1024))
    assert new.change == "linear: lr 0.1 -> 0.4, momentum 0.9 stays"
    assert str(new) == "\n".join([new.change, f"doubt: {new.doubts[0]}"])
    assert len(new.doubts) == 1
    assert str(rescale(SGD, lr=0.4)) == "effective-step: lr 0.1 -> 0.4, momentum 0.9 -> 0.6"


def test_every_number_that_a_setting_has():
    adam = Setting(
        lr=3e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, averaging=0.999, decoupled=True
    )
    assert str(rescale(adam, batch=(1024, 256), rule="adam-sde")) == (
        "adam-sde: lr 0.0003 -> 0.00015, beta 1 0.9 -> 0.974, beta 2 0.95 -> 0.9873, "
        "eps 1e-08 -> 2e-08, weight decay 0.1 -> 0.05, averaging 0.999 -> 0.99975"
    )
    other = Setting(lr=0.1, momentum=0.0, alpha=0.99, weight_decay=0.0)
    told = rescale(other, lr=0.2).change
    assert told == "ema: lr 0.1 -> 0.2, momentum 0 stays, alpha 0.99 stays"


def test_a_weight_decay_of_0_is_told_of_where_it_was_none():
    assert "weight decay 0.1 -> 0" in Rescaled(**SGD, weight_decay=0, before=_with(0.1)).change
    assert "weight decay" not in Rescaled(**SGD, weight_decay=0, before=_with(0)).change


def _with(weight_decay):
    return Setting(**SGD, weight_decay=weight_decay)


@pytest.mark.parametrize("momentum", [0.999997, 1 - 1e-12])
def test_no_momentum_is_told_as_1(momentum):
    told = rescale({"lr": 0.1, "momentum": momentum}, lr=0.2).change
    before = told.partition("momentum ")[2].partition(" -> ")[0]
    assert 1 - float(before) == pytest.approx(1 - momentum, rel=0.05)


def test_a_rule_of_one_s_own_has_its_name_and_what_was_before():
    def halved(setting, change):
        return Setting(lr=setting.lr / 2, momentum=setting.momentum)

    once = rescale(SGD, batch=(1, 2), rule=halved)
    twice = rescale(once, batch=(1, 2), rule=halved)
    assert str(twice) == "halved: lr 0.05 -> 0.025, momentum 0.9 stays"
    assert type(twice.before) is Setting


def test_what_was_made_by_hand_tells_what_it_is():
    assert str(Rescaled(**SGD)) == "lr 0.1, momentum 0.9"
    assert rescale(SGD, lr=0.4) == rescale(SGD, lr=0.4)
    assert "before" not in repr(rescale(SGD, lr=0.4))
