"""The rule that is taken where none is named."""

from dataclasses import replace

import pytest

from flatfast import Setting, rescale
from flatfast.rescaling.choice import FARTHEST
from flatfast.rescaling.measured import changes, kinds, measured

SGD = Setting(lr=0.1, momentum=0.9)
ADAM = Setting(lr=1e-3, betas=(0.9, 0.999))
MUON = Setting(lr=0.02, momentum=0.95, convention="scale-free")


@pytest.mark.parametrize(
    ("setting", "change", "rule"),
    [
        (SGD, {"batch": (256, 64)}, "linear"),
        (SGD, {"batch": (64, 64)}, "linear"),
        (SGD, {"lr": 0.4}, "effective-step"),
        (Setting(lr=0.1, momentum=0), {"batch": (64, 16)}, "linear"),
        (Setting(lr=0.1), {"lr": 0.4}, "ema"),
        (ADAM, {"batch": (64, 256)}, "square-root"),
        (ADAM, {"lr": 4e-3}, "ema"),
    ],
)
def test_by_optimizer_and_change(setting, change, rule):
    new = rescale(setting, **change)
    assert new.rule == rule
    assert new == rescale(setting, rule=rule, **change)
    assert new == rescale(setting, rule="measured", **change)
    assert new.inside


@pytest.mark.parametrize(
    ("setting", "change", "rule", "doubt"),
    [
        (SGD, {"batch": (64, 256)}, "linear", "linear fails where the tuned learning rate is near"),
        (MUON, {"batch": (64, 16)}, "square-root", "for Muon and its like no rule"),
        (MUON, {"lr": 0.04}, "ema", "for Muon and its like no rule"),
        (replace(SGD, alpha=0.99), {"batch": (64, 16)}, "square-root", "and not for RMSprop"),
        (SGD, {"batch": (64, 256), "lr": 0.1}, "noise-scale", "given together were not measured"),
        (ADAM, {"batch": (64, 256), "lr": 4e-3}, "ema", "given together were not measured"),
        (Setting(lr=0.1), {"batch": (64, 16)}, "linear", "this is taken for SGD's; momentum=0"),
        (SGD, {"lr": 0.1 / 4.1}, "effective-step", "learning rate 0.2439 times as large was not"),
        (ADAM, {"lr": 5e-3}, "ema", "learning rate 5 times as large was not measured"),
    ],
)
def test_what_was_not_measured_is_said(setting, change, rule, doubt):
    new = rescale(setting, **change)
    assert new.rule == rule
    assert doubt in new.doubts[-1]
    assert new == replace(rescale(setting, rule=rule, **change), doubts=new.doubts)


@pytest.mark.parametrize("factor", [1 / FARTHEST / 1.01, FARTHEST * 1.01])
def test_beyond_what_served_it_says_so(factor):
    for setting in (SGD, ADAM):
        new = rescale(setting, batch=(1, factor))
        assert "no rule that was measured spared tuning again" in new.doubts[-1]
        # Who names a rule has chosen it.
        assert rescale(setting, batch=(1, factor), rule=new.rule).inside


WAYS = {"linear": "linear", "effective-step": "effective-step", "square-root": "square root"}
"""The study's names of rules that are chosen; ``ema`` is nothing there."""

AS_GOOD = 0.02
"""Of examples, that a choice may take more in its worst case than the best way in its own."""


@pytest.mark.parametrize(
    ("kind", "change"),
    [(kind, change) for kind in kinds() for change in changes(kind) if change.endswith(" 4")],
)
def test_what_is_chosen_served_as_well_as_the_best(kind, change):
    optimizer = {"SGD": SGD, "AdamW": ADAM, "Muon": MUON}[kind.partition(",")[0]]
    what, sign, factor = change.split()
    k = float(factor) if sign == "x" else 1 / float(factor)
    words = {"batch": (1, k)} if what == "batch" else {"lr": k * optimizer.lr}
    chosen = WAYS.get(rescale(optimizer, **words).rule, "nothing")
    ways = {way.way: way for way in measured(kind, change)}
    best = measured(kind, change)[0]
    assert ways[chosen].worst <= best.worst + AS_GOOD, (chosen, best)
