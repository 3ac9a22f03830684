"""The rules that are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfast.lab.estimation.methods import (
    REFERENCE,
    constant_momentum,
    law,
    law_with_correction,
    other_exponent,
    plain_sgd,
    square_root_rule,
    standard_methods,
)
from flatfast.law import MomentumLaw

rates = st.floats(1e-8, 10.0)
constants = st.floats(0.01, 3.0)


def test_the_law():
    setting = law(0.24).setting(0.1)
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


@given(rates, constants, st.floats(-1, 1))
def test_the_law_with_its_correction(lr, constant, slope):
    rule = law_with_correction(constant, slope)
    assert rule.setting(lr).momentum == pytest.approx(
        MomentumLaw(constant, correction=slope, max_momentum=1 - 1e-12)(lr), abs=1e-9
    )
    assert law_with_correction(constant, 0.0).setting(lr) == law(constant).setting(lr)


@given(rates, rates, constants, st.sampled_from([1 / 2, 1.0]))
def test_other_exponents_meet_the_law_at_their_reference(lr, reference, constant, gamma):
    rule = other_exponent("other", gamma, constant, reference)
    assert rule.setting(reference).momentum == pytest.approx(
        law(constant).setting(reference).momentum, abs=1e-9
    )
    mu, half = (1 - rule.setting(x).momentum for x in (lr, lr / 2))
    if mu < 1:
        assert half == pytest.approx(mu / 2**gamma, rel=1e-6, abs=1e-12)


def test_exponent_1_keeps_the_effective_step():
    rule = other_exponent("constant effective step", 1.0, 0.2, 0.01)
    steps = [lr / (1 - rule.setting(lr).momentum) for lr in (1e-4, 1e-2, 0.1)]
    assert steps == pytest.approx([steps[0]] * 3)


@given(rates, constants, rates)
def test_every_method_gives_a_usable_pair(lr, constant, reference):
    methods = standard_methods(constant, reference, (constant, 0.5))
    assert methods[0].name == REFERENCE
    assert len({method.name for method in methods}) == len(methods) == 8
    assert len(standard_methods(constant, reference)) == 7
    for method in methods:
        setting = method.setting(lr)
        assert 0 <= setting.momentum < 1
        assert method.source


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_rates(lr):
    for method in standard_methods(0.2, 0.1, (0.2, 1.0)):
        with pytest.raises(ValueError, match="lr must be positive and finite, got"):
            method.setting(lr)


def test_bad_constants():
    with pytest.raises(ValueError, match="constant must be positive and finite, got 0"):
        law(0.0)
    with pytest.raises(ValueError, match="reference_lr must be positive and finite, got -1"):
        other_exponent("other", 1.0, 1.0, -1.0)
    with pytest.raises(ValueError, match="slope must be finite, got nan"):
        law_with_correction(1.0, float("nan"))
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1.0"):
        constant_momentum(1.0)
