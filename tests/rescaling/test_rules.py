"""What each rule promises, over ten thousand random settings and changes a property."""

import math
import random

import pytest

from flatfast import Setting, rescale, rules

NAMES = [rule.name for rule in rules()]
ROUNDING = {"rel": 1e-6, "abs": 1e-9}
INPUTS = 10_000


def decay(chance):
    """In [0, 1): 0, close to 1, or anywhere between."""
    kind = chance.random()
    if kind < 0.1:
        return 0.0
    return chance.random() if kind < 0.5 else 1 - 10 ** chance.uniform(-4, 0)


def rate(chance):
    return 10 ** chance.uniform(-5, 1)


def factor(chance):
    return 2 ** chance.uniform(-6, 6)


def some(chance, value):
    return value if chance.random() < 0.5 else None


def a_sum(chance, **more):
    return Setting(lr=rate(chance), momentum=decay(chance), **more, **extras(chance))


def adam(chance):
    eps = some(chance, 10 ** chance.uniform(-12, -3))
    betas = tuple(decay(chance) for _ in range(chance.choice([1, 2, 3])))
    return Setting(lr=rate(chance), betas=betas, eps=eps, **extras(chance))


def extras(chance):
    return {
        "weight_decay": some(chance, chance.random()),
        "averaging": some(chance, decay(chance)),
        "decoupled": some(chance, chance.random() < 0.5),
    }


def anything(chance):
    kind = chance.randrange(4)
    if kind == 0:
        return adam(chance)
    if kind == 1:
        return a_sum(chance, convention=chance.choice(["normalized", "scale-free"]))
    return a_sum(chance, alpha=some(chance, decay(chance)))


def drawn(make=anything):
    """Settings, each with a factor of the batch, a learning rate and a rule."""
    chance = random.Random(0)
    for _ in range(INPUTS):
        yield make(chance), factor(chance), rate(chance), chance.choice(NAMES)


def numbers(setting):
    """All that a rule may change."""
    found = (setting.lr, *decays(setting), setting.eps, setting.weight_decay)
    return [x for x in found if x is not None]


def decays(setting):
    found = (setting.momentum, *(setting.betas or ()), setting.alpha, setting.averaging)
    return [x for x in found if x is not None]


def can_be_undone(old, new):
    """Whether no decay came so close to 0 or 1 that what it was is rounded away."""
    pairs = zip(decays(old), decays(new), strict=True)
    lost = any(after < 1e-9 < before or after > 0.9999999 for before, after in pairs)
    return not lost and not any("no momentum gives" in doubt for doubt in new.doubts)


def test_no_decay_leaves_its_range():
    marked = 0
    for setting, k, lr, rule in drawn():
        for asked in (None, lr):
            new = rescale(setting, batch=(1, k), lr=asked, rule=rule)
            assert all(0 <= each < 1 for each in decays(new))
            assert 0 < new.lr < math.inf
            assert asked is None or new.lr == asked
            marked += not new.inside
    assert INPUTS / 4 < marked < 2 * INPUTS


def test_no_change_is_the_identity():
    for setting, _, lr, rule in drawn():
        new = rescale(setting, batch=(lr, lr), rule=rule)
        assert numbers(new) == pytest.approx(numbers(setting), rel=1e-9, abs=1e-12)


def test_two_changes_of_the_batch_are_one():
    compared = 0
    chance = random.Random(1)
    for setting, first, _, rule in drawn():
        second = factor(chance)
        middle = rescale(setting, batch=(1, first), rule=rule)
        if can_be_undone(setting, middle):
            there = rescale(middle, batch=(first, first * second), rule=rule)
            at_once = rescale(setting, batch=(1, first * second), rule=rule)
            assert numbers(there) == pytest.approx(numbers(at_once), **ROUNDING)
            compared += 1
    assert compared > INPUTS / 2


def test_two_changes_of_batch_and_learning_rate_are_one():
    compared = 0
    chance = random.Random(2)
    for setting, k, first, rule in drawn():
        second = rate(chance)
        middle = rescale(setting, batch=(1, k), lr=first, rule=rule)
        if can_be_undone(setting, middle):
            there = rescale(middle, batch=(k, 1), lr=second, rule=rule)
            at_once = rescale(setting, lr=second, rule=rule)
            assert numbers(there) == pytest.approx(numbers(at_once), **ROUNDING)
            compared += 1
    assert compared > INPUTS / 2


def test_path_keeps_memory_and_effective_step_per_sample():
    for setting, k, _, _ in drawn(a_sum):
        new = rescale(setting, batch=(1, k), rule="path")
        if setting.momentum and can_be_undone(setting, new):
            memory = math.log(setting.momentum)
            assert math.log(new.momentum) / k == pytest.approx(memory, rel=1e-5)
        effective = setting.lr / (1 - setting.momentum)
        assert new.lr / (1 - new.momentum) / k == pytest.approx(effective, rel=1e-6)


def test_the_law_is_the_law_through_the_pair():
    for setting, k, lr, _ in drawn(a_sum):
        new = rescale(setting, batch=(1, k), lr=lr, rule="law")
        asked = (1 - setting.momentum) * (lr / setting.lr) ** (2 / 3) * k ** (-1 / 3)
        assert 1 - new.momentum == pytest.approx(min(asked, 1), rel=1e-6, abs=1e-15)


def test_a_sum_and_the_average_of_the_same_steps_agree():
    """The same optimizer in both conventions goes to the same optimizer."""
    compared = 0
    for heavy, k, lr, rule in drawn(lambda c: Setting(lr=rate(c), momentum=decay(c))):
        gain = 1 - heavy.momentum
        average = Setting(lr=heavy.lr / gain, momentum=heavy.momentum, convention="normalized")
        one, other = (rescale(each, batch=(1, k), rule=rule) for each in (heavy, average))
        if "half-life" != rule != "ema" and can_be_undone(heavy, one):
            assert other.momentum == pytest.approx(one.momentum, **ROUNDING)
            assert other.lr == pytest.approx(one.lr / (1 - one.momentum), rel=1e-5)
            compared += 1
        if rule in ("law", "critical"):
            one = rescale(heavy, batch=(1, k), lr=lr, rule=rule)
            if one.inside and can_be_undone(heavy, one):
                there = one.lr / (1 - one.momentum)
                other = rescale(average, batch=(1, k), lr=there, rule=rule)
                assert other.momentum == pytest.approx(one.momentum, rel=1e-5, abs=1e-8)
                compared += 1
    assert compared > INPUTS / 2


def test_averages_of_weights_and_their_decay_remember_as_many_samples():
    for setting, k, _, rule in drawn():
        new = rescale(setting, batch=(1, k), rule=rule)
        if setting.averaging and 1e-9 < new.averaging < 0.9999999:
            memory = math.log(setting.averaging)
            assert math.log(new.averaging) / k == pytest.approx(memory, rel=1e-6)
        if setting.weight_decay is not None and setting.decays_apart:
            shrinks = setting.lr * setting.weight_decay
            assert new.lr * new.weight_decay / k == pytest.approx(shrinks, rel=1e-9)
        elif setting.weight_decay is not None:
            assert new.weight_decay == setting.weight_decay


def test_inside_of_its_domain_a_rule_keeps_what_it_promises():
    by_name = {rule.name: rule for rule in rules()}
    compared = 0
    for setting, k, _, name in drawn():
        new = rescale(setting, batch=(1, k), rule=name)
        if new.inside:
            before, after = by_name[name].kept(setting, 1.0), by_name[name].kept(new, k)
            assert after == pytest.approx({key: before[key] for key in after}, rel=1e-5)
            compared += bool(after)
    assert compared > INPUTS / 10


@pytest.mark.parametrize(
    ("rule", "lr", "momentum"),
    [
        ("linear", 0.4, 0.9),
        ("path", 1.3756, 0.6561),
        ("noise-scale", 0.1, 0.975),
        ("law", 0.1, 0.937),
        ("critical", 0.1, 0.9),
        ("effective-step", 0.1, 0.9),
    ],
)
def test_known_values_at_four_times_the_batch(rule, lr, momentum):
    new = rescale({"lr": 0.1, "momentum": 0.9}, batch=(256, 1024), rule=rule)
    assert (new.lr, new.momentum) == pytest.approx((lr, momentum), rel=1e-4)
    assert new.inside


@pytest.mark.parametrize(
    ("rule", "momentum"), [("law", 0.748), ("critical", 0.8), ("effective-step", 0.6)]
)
def test_known_values_at_four_times_the_learning_rate(rule, momentum):
    new = rescale({"lr": 0.1, "momentum": 0.9}, lr=0.4, rule=rule)
    assert new.momentum == pytest.approx(momentum, abs=1e-4)


def test_adam_at_a_quarter_of_the_batch():
    setting = Setting(lr=4e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, averaging=0.99)
    new = rescale(setting, batch=(64, 16), rule="adam-sde")
    assert new.inside
    assert new.lr == pytest.approx(2e-4)
    assert new.betas == pytest.approx((0.9**0.25, 0.95**0.25))
    assert new.eps == pytest.approx(2e-8)
    assert new.weight_decay == pytest.approx(0.05)
    assert new.averaging == pytest.approx(0.99**0.25)
