"""Where a rule leaves its domain, what is refused, and rules of one's own."""

import numpy as np
import pytest

from flatfast import Change, Setting, rescale, rules

SGD = Setting(lr=0.1, momentum=0.9)
ADAM = Setting(lr=1e-3, betas=(0.9, 0.999), eps=1e-8)


def test_momentum_that_would_be_negative_is_0_and_says_so():
    new = rescale(SGD, batch=(256, 16), rule="noise-scale")
    assert new.momentum == 0
    assert not new.inside
    assert "noise-scale asks for 1 - momentum = 1.6, which no momentum gives" in new.doubts[0]
    assert "the effective step per sample becomes 1.6 times what it was" in new.doubts[1]


def test_a_batch_longer_than_the_memory_says_so():
    assert rescale(SGD, batch=(256, 2048), rule="path").inside
    new = rescale(SGD, batch=(256, 2560), rule="path")
    assert new.momentum == pytest.approx(0.9**10)
    assert "longer than the memory of momentum 0.9" in new.doubts[0]
    assert (
        "beta 2 0.99"
        in rescale({"lr": 1e-3, "betas": (0.999, 0.99)}, batch=(1, 100), rule="half-life").doubts[0]
    )


def test_a_learning_rate_asked_of_a_rule_that_sets_it():
    new = rescale(SGD, batch=(1, 4), lr=0.2, rule="linear")
    assert (new.lr, new.momentum) == (0.2, 0.9)
    assert "linear sets the learning rate itself, to 0.4 here; the 0.2" in new.doubts[0]
    assert "the effective step per sample becomes 0.5 times" in new.doubts[1]
    assert rescale(SGD, batch=(1, 4), lr=0.4, rule="linear").inside


def test_an_effective_step_is_not_kept_by_the_momentum_of_an_average():
    average = Setting(lr=1.0, momentum=0.9, convention="normalized")
    new = rescale(average, lr=2.0, rule="effective-step")
    assert new.momentum == pytest.approx(0.9)
    assert new.doubts == ("the effective step becomes 2 times what it was",)


@pytest.mark.parametrize("rule", [rule.name for rule in rules() if rule.family == "sgd"])
def test_rules_of_sgd_are_marked_for_adam(rule):
    new = rescale(ADAM, batch=(1, 2), rule=rule)
    assert "was derived for SGD" in new.doubts[0]
    assert new.betas[1] == 0.999


@pytest.mark.parametrize("rule", ["adam-sde", "half-life"])
def test_rules_of_adam_are_marked_for_sgd(rule):
    assert "was derived for Adam" in rescale(SGD, batch=(1, 2), rule=rule).doubts[0]


def test_an_optimizer_without_momentum():
    plain = Setting(lr=0.1)
    for rule in ("path", "linear"):
        new = rescale(plain, batch=(1, 4), rule=rule)
        assert (new.lr, new.momentum) == (pytest.approx(0.4), None)
        assert new.inside
    with pytest.raises(ValueError, match="law sets the momentum, and this setting has none"):
        rescale(plain, batch=(1, 4), rule="law")


def test_eps_0_and_momentum_0_stay():
    assert rescale({"lr": 1, "betas": (0, 0.9), "eps": 0}, batch=(1, 4), rule="adam-sde").eps == 0
    new = rescale({"lr": 0.1, "momentum": 0}, batch=(1, 4), rule="path")
    assert (new.lr, new.momentum) == (pytest.approx(0.4), 0)


def test_a_rule_of_ones_own():
    def square_root(setting, change):
        """The learning rate follows the root of the batch."""
        return Setting(lr=setting.lr * change.batch**0.5, momentum=setting.momentum)

    new = rescale(SGD, batch=(1, 4), rule=square_root)
    assert (new.lr, new.momentum, new.rule) == (0.2, 0.9, "square_root")
    assert new.keeps == "The learning rate follows the root of the batch."
    assert new.source == "your own"
    assert new.inside

    def wrong(setting, change):
        return Setting(lr=setting.lr, momentum=1 - change.batch * (1 - setting.momentum))

    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got -0\.59"):
        rescale(SGD, batch=(1, 16), rule=wrong)
    with pytest.raises(TypeError, match="the rule <lambda> must return a Setting, got 3"):
        rescale(SGD, batch=(1, 16), rule=lambda setting, change: 3)
    seen = []
    rescale(SGD, batch=(2, 4), lr=1, rule=lambda s, change: seen.append(change) or s)
    assert seen == [Change(batch=2.0, lr=1.0)]


@pytest.mark.parametrize(
    ("setting", "returned", "message"),
    [
        (SGD, Setting(lr=0.1, betas=(0.5, 0.6)), r"returned betas \(0.5, 0.6\) .* has none"),
        (ADAM, Setting(lr=0.1, momentum=0.5), "returned momentum 0.5 for a setting that has none"),
        (ADAM, Setting(lr=0.1, betas=(0.5,)), r"returned betas \(0.5,\) for a setting that has 2"),
        (SGD, Setting(lr=0.1, alpha=0.5), "returned alpha 0.5 for a setting that has none"),
        (Setting(lr=0.1), SGD, "returned momentum 0.9 for a setting that has none"),
        (SGD, Setting(lr=0.1, eps=1e-3), "returned eps 0.001 for a setting that has none"),
        (SGD, Setting(lr=0.1, convention="normalized"), "'normalized' for a .* 'heavy-ball'"),
    ],
)
def test_a_rule_of_ones_own_for_another_kind_of_optimizer(setting, returned, message):
    with pytest.raises(ValueError, match=message):
        rescale(setting, batch=(1, 4), rule=lambda setting, change: returned)


def test_a_rule_of_ones_own_need_not_speak_of_conventions():
    muon = Setting(lr=0.1, momentum=0.9, convention="scale-free", decoupled=True)
    new = rescale(muon, batch=(1, 4), rule=lambda s, change: Setting(lr=0.2, momentum=s.momentum))
    assert (new.lr, new.convention, new.decoupled) == (0.2, "scale-free", True)


def test_what_is_rescaled_can_be_rescaled():
    there = rescale(ADAM, batch=(64, 256), rule="adam-sde")
    back = rescale(there, batch=(256, 64), rule="adam-sde")
    assert back.lr == pytest.approx(ADAM.lr)
    assert back.betas == pytest.approx(ADAM.betas)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({}, ValueError, r"say what changes: batch=\(256, 1024\)"),
        ({"batch": 4}, TypeError, "batch must be a pair, before and after"),
        ({"batch": (1, 2, 3)}, TypeError, "batch must be a pair"),
        ({"batch": "64"}, TypeError, "batch must be a pair"),
        ({"batch": {256, 1024}}, TypeError, "batch must be a pair"),  # without an order
        ({"batch": {256: 0, 1024: 0}}, TypeError, "batch must be a pair"),
        ({"batch": b"@A"}, TypeError, "batch must be a pair"),
        ({"batch": (1, 10**400)}, ValueError, "batch must be a positive number, got one that no"),
        ({"batch": (np.True_, 2)}, TypeError, "batch must be a positive number, got "),
        ({"lr": b"0.1"}, TypeError, "lr must be a positive number, got b'0.1'"),
        ({"batch": (0, 2)}, ValueError, "batch must be positive and finite, got 0"),
        ({"batch": (4, -2)}, ValueError, "batch must be positive and finite, got -2"),
        ({"batch": (4, float("nan"))}, ValueError, "batch must be positive and finite, got nan"),
        ({"batch": (True, 2)}, TypeError, "batch must be a positive number, got True"),
        ({"batch": (1e-200, 1e200)}, ValueError, "by a factor that no number holds"),
        ({"lr": 0}, ValueError, "lr must be positive and finite, got 0"),
        ({"lr": "high"}, TypeError, "lr must be a positive number, got 'high'"),
        (
            {"batch": (1, 2), "rule": "paths"},
            ValueError,
            "rule must be one of measured, path, linear",
        ),
        ({"batch": (1, 2), "rule": 3}, TypeError, "rule must be a name or a function, got 3"),
    ],
)
def test_bad_changes(words, error, message):
    with pytest.raises(error, match=message):
        rescale(SGD, **words)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"momentum": 0.9}, TypeError, "a setting needs lr, got momentum"),
        ({"lr": 0.1, "beta": 0.9}, TypeError, "a setting has no beta; it may have lr, momentum"),
        (0.1, TypeError, "setting must be a Setting or a mapping"),
        ({"lr": -0.1}, ValueError, "lr must be positive and finite, got -0.1"),
        ({"lr": 0.1, "momentum": 1}, ValueError, r"momentum must be in \[0, 1\), got 1"),
        ({"lr": 0.1, "betas": 0.9}, TypeError, r"betas must be numbers in \[0, 1\), e.g."),
        ({"lr": 0.1, "betas": (0.9, 1.0)}, ValueError, r"betas\[1\] must be in \[0, 1\), got 1.0"),
        ({"lr": 0.1, "betas": {0.9, 0.999}}, TypeError, r"betas must be numbers in \[0, 1\), e.g."),
        ({"lr": 0.1, "betas": ()}, ValueError, "got none"),
        ({"lr": 0.1, "eps": -1}, ValueError, "eps must be at least 0 and finite, got -1"),
        ({"lr": 0.1, "averaging": 1}, ValueError, r"averaging must be in \[0, 1\), got 1"),
        ({"lr": 0.1, "momentum": 0, "betas": (0,)}, ValueError, "give momentum or betas, got"),
        ({"lr": 0.1, "convention": "x"}, ValueError, "convention must be one of heavy-ball"),
    ],
)
def test_bad_settings(values, error, message):
    with pytest.raises(error, match=message):
        rescale(values, batch=(1, 2))
