"""The rules that are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfast.lab.estimation.methods import (
    REFERENCE,
    constant_momentum,
    law,
    linear_rule,
    plain_sgd,
    plain_sgd_same_effective_step,
    square_root_rule,
    standard_methods,
)

rates = st.floats(1e-8, 10.0)
constants = st.floats(0.01, 3.0)


def test_the_law():
    setting = law(0.24).setting(0.1)
    assert setting.lr == 0.1
    assert setting.momentum == pytest.approx(1 - 0.24 * 0.1 ** (2 / 3))
    assert setting.note == ""
    assert law(0.24).name == REFERENCE
    assert law(0.24).source == "arXiv 2210.16400: 1 - momentum = 0.24 lr^(2/3)"
    assert law(0.24, 0.5).setting(0.01).momentum == pytest.approx(1 - 0.024)


def test_a_momentum_below_zero_is_zero_and_said():
    setting = law(2.0).setting(1.0)
    assert setting.momentum == 0.0
    assert setting.note == "1 - momentum would be 2; momentum 0 was used"
    assert square_root_rule().setting(0.25).momentum == 0.0
    assert "would be 1;" in square_root_rule().setting(0.25).note
    assert square_root_rule().setting(0.16).momentum == pytest.approx(0.2)
    assert square_root_rule().setting(0.16).note == ""


def test_constants():
    assert constant_momentum(0.99).setting(0.3).momentum == 0.99
    assert constant_momentum(0.99).name == "momentum 0.99"
    assert plain_sgd().setting(0.3) == constant_momentum(0.0).setting(0.3)


@given(rates, constants)
def test_the_same_effective_step_is_the_same(lr, constant):
    fast = law(constant).setting(lr)
    plain = plain_sgd_same_effective_step(constant).setting(lr)
    assert plain.momentum == 0.0
    assert plain.lr == pytest.approx(fast.lr / (1 - fast.momentum), rel=1e-6)
    assert f"{plain.lr:.4g}" in plain.note


@given(rates, rates, constants)
def test_the_linear_rule_meets_the_law_at_its_reference(lr, reference, constant):
    rule = linear_rule(constant, reference)
    assert rule.setting(reference).momentum == pytest.approx(
        law(constant).setting(reference).momentum, abs=1e-9
    )
    mu, half = (1 - rule.setting(x).momentum for x in (lr, lr / 2))
    if mu < 1:
        assert half == pytest.approx(mu / 2, rel=1e-6, abs=1e-12)


@given(rates, constants, rates)
def test_every_method_gives_a_usable_pair(lr, constant, reference):
    methods = standard_methods(constant, reference)
    assert methods[0].name == REFERENCE
    assert len({method.name for method in methods}) == len(methods) == 7
    for method in methods:
        setting = method.setting(lr)
        assert setting.lr > 0
        assert 0 <= setting.momentum < 1
        assert method.source


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_rates(lr):
    for method in standard_methods(0.2, 0.1):
        with pytest.raises(ValueError, match="lr must be positive and finite, got"):
            method.setting(lr)


def test_bad_constants():
    with pytest.raises(ValueError, match="constant must be positive and finite, got 0"):
        law(0.0)
    with pytest.raises(ValueError, match="reference_lr must be positive and finite, got -1"):
        linear_rule(1.0, -1.0)
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1.0"):
        constant_momentum(1.0)
