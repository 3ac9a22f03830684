"""The law's values, its invariants and its refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfast import MomentumLaw, effective_step, memory, transfer
from flatfast.law import MAX_MOMENTUM, out_of_range

rates = st.floats(1e-12, 1e6)
prefactors = st.floats(1e-6, 1e6)
momenta = st.floats(0, 0.999999)
exponents = st.floats(0.05, 3)


def test_is_the_formula_where_no_clamp_holds():
    assert MomentumLaw(0.24)(0.1) == pytest.approx(1 - 0.24 * 0.1 ** (2 / 3), rel=1e-15)


def test_through_a_reference_pair():
    law = MomentumLaw.from_reference(0.1, 0.9)
    assert law(0.1) == pytest.approx(0.9, rel=1e-15)
    # Eight times the learning rate, four times the complement: 8^(2/3) = 4.
    assert law(0.8) == pytest.approx(0.6, rel=1e-14)
    assert transfer(0.1, 0.9, 0.0125) == pytest.approx(0.975, rel=1e-14)


@given(rates, st.floats(0, MAX_MOMENTUM), rates)
def test_transfer_and_back(lr, momentum, new_lr):
    there = transfer(lr, momentum, new_lr)
    if 1e-9 < there < MAX_MOMENTUM:
        assert transfer(new_lr, there, lr) == pytest.approx(momentum, abs=1e-6)


@given(prefactors, rates, exponents)
def test_stays_between_its_clamps(constant, lr, gamma):
    law = MomentumLaw(constant, gamma, min_momentum=0.1, max_momentum=0.95)
    assert 0.1 <= law(lr) <= 0.95


@given(prefactors, rates, rates, exponents)
def test_falls_with_the_learning_rate(constant, one, other, gamma):
    law = MomentumLaw(constant, gamma)
    low, high = sorted((one, other))
    assert law(low) >= law(high)


@given(st.floats(1e-3, 1), rates)
def test_scaling(constant, lr):
    """Multiply lr by 8: the complement grows fourfold, wherever no clamp holds."""
    law = MomentumLaw(constant, max_momentum=1 - 1e-12)
    near, far = 1 - law(lr), 1 - law(8 * lr)
    if near > 1e-6 and far < 1:
        assert far / near == pytest.approx(4, rel=1e-6)


def test_zero_learning_rate_gives_a_usable_momentum():
    law = MomentumLaw(0.24)
    assert law(0.0) == MAX_MOMENTUM < 1
    assert memory(law(0.0)) == pytest.approx(2000)


def test_large_learning_rates_give_plain_sgd():
    assert MomentumLaw(0.24)(100.0) == 0.0


def test_a_reference_above_the_ceiling_raises_it():
    law = MomentumLaw.from_reference(0.001, 0.9999)
    assert law(0.001) == pytest.approx(0.9999)


def test_sequences_and_arrays():
    law = MomentumLaw(0.24)
    expected = [law(value) for value in (0.0, 0.1, 100.0)]
    assert law([0.0, 0.1, 100.0]) == expected
    found = law(np.array([0.0, 0.1, 100.0]))
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert law(np.float64(0.1)) == pytest.approx(expected[1])
    assert law(1) == law(1.0)


@given(prefactors, momenta, exponents)
def test_lr_at_inverts_the_law(constant, momentum, gamma):
    law = MomentumLaw(constant, gamma, max_momentum=1 - 1e-9)
    lr = law.lr_at(momentum)
    if 0 < lr < math.inf:
        assert law(lr) == pytest.approx(momentum, abs=1e-6)


corrections = st.floats(-3, 3)


@given(st.floats(1e-3, 1), st.floats(1e-6, 1), corrections)
def test_the_first_correction(constant, lr, a):
    plain, corrected = MomentumLaw(constant), MomentumLaw(constant, correction=a)
    mu = constant * lr ** (2 / 3) * math.exp(a * lr ** (1 / 3))
    expected = min(max(1 - mu, 0.0), MAX_MOMENTUM)
    assert corrected(lr) == pytest.approx(expected, abs=1e-12)
    assert corrected([lr, 0.0]) == [corrected(lr), plain(0.0)]
    # An array is no other way to the same number, at zero too, and the correction fades there.
    np.testing.assert_allclose(corrected(np.array([lr, 0.0])), corrected([lr, 0.0]), rtol=1e-12)
    assert corrected(1e-12) == pytest.approx(plain(1e-12), abs=1e-3 * (1 - plain(1e-12)) + 1e-12)


@given(rates, st.floats(0, MAX_MOMENTUM), corrections)
def test_a_corrected_law_passes_through_its_reference(lr, momentum, a):
    law = MomentumLaw.from_reference(min(lr, 10.0), momentum, correction=a)
    assert law.correction == a
    assert law(min(lr, 10.0)) == pytest.approx(momentum, abs=1e-9)


@given(prefactors, st.floats(0, 0.9999), corrections)
def test_lr_at_inverts_a_corrected_law(constant, momentum, a):
    law = MomentumLaw(constant, correction=a, max_momentum=1 - 1e-15)  # lr_at knows no ceiling
    try:
        lr = law.lr_at(momentum)
    except ValueError:
        # The lowest momentum that the law gives lies where the correction turns it back.
        assert a < 0
        assert law((2 / -a) ** 3) >= momentum
        return
    mu = constant * lr ** (2 / 3) * math.exp(a * lr ** (1 / 3))
    assert mu == pytest.approx(1 - momentum, rel=1e-9)
    assert a >= 0 or lr ** (1 / 3) <= 2 / -a * (1 + 1e-9)


def test_a_law_that_turns_back_has_no_rate_for_a_low_momentum():
    law = MomentumLaw(0.2, correction=-2.0)
    turn = law((2 / 2.0) ** 3)
    assert turn == pytest.approx(1 - 0.2 * math.exp(-2))
    assert law.lr_at(turn + 1e-6) < 1.0
    with pytest.raises(ValueError, match=r"momentum must be at least 0\.9729.*got 0\.9"):
        law.lr_at(0.9)


def test_a_correction_out_of_range():
    with pytest.raises(ValueError, match="correction must be finite, got nan"):
        MomentumLaw(0.2, correction=math.nan)
    with pytest.raises(ValueError, match=r"with gamma = 0\.5 it must be 0, got 1"):
        MomentumLaw(0.2, 0.5, correction=1.0)
    with pytest.raises(ValueError, match="with gamma = 1 it must be 0, got 1"):
        MomentumLaw.from_reference(0.1, 0.9, 1.0, correction=1.0)
    assert MomentumLaw(0.2, correction=50.0)(1e6) == 0.0


def test_the_law_of_a_larger_batch():
    law = MomentumLaw.from_reference(0.1, 0.9)
    assert law.for_batch(4)(0.1) == pytest.approx(1 - 0.1 * 4 ** (-1 / 3), rel=1e-14)
    assert pytest.approx(law.C / 2, rel=1e-14) == law.for_batch(8).C
    assert law.for_batch(1) == law


@settings(deadline=None)
@given(st.floats(1e-3, 1), st.floats(0.4, 1.2), st.floats(0.1, 10), st.floats(1e-6, 1e-2))
def test_a_law_of_another_batch_keeps_the_one_variable_of_noise_and_learning_rate(
    constant, gamma, k, lr
):
    """At learning rate k^2 lr and batch k the equation per sample is the same: momentum is k c."""
    law = MomentumLaw(constant, gamma, max_momentum=1 - 1e-15)
    there = law.for_batch(k)
    near, far = law.C * lr**gamma, there.C * (k * k * lr) ** gamma
    assert far == pytest.approx(k * near, rel=1e-9)
    corrected = MomentumLaw(constant, correction=0.7)
    moved = corrected.for_batch(k)
    assert moved.correction * (k * k * lr) ** (1 / 3) == pytest.approx(0.7 * lr ** (1 / 3))


@settings(deadline=None)
@given(st.floats(1e-2, 1e2), st.floats(1e-2, 1e2))
def test_two_changes_of_batch_are_one(one, two):
    law = MomentumLaw(0.3, min_momentum=0.1, max_momentum=0.99, correction=0.4)
    there, at_once = law.for_batch(one).for_batch(two), law.for_batch(one * two)
    assert pytest.approx(at_once.C) == there.C
    assert there.correction == pytest.approx(at_once.correction)
    assert (there.min_momentum, there.max_momentum) == (0.1, 0.99)


@pytest.mark.parametrize("k", [0, -1.0, math.nan, math.inf])
def test_bad_changes_of_batch(k):
    with pytest.raises(ValueError, match=f"k, new batch .* must be positive and finite, got {k}"):
        MomentumLaw(0.3).for_batch(k)


def test_memory_and_effective_step():
    assert memory(0.9) == pytest.approx(10)
    assert effective_step(0.1, 0.9) == pytest.approx(1)


@pytest.mark.parametrize("lr", [-0.1, math.nan, math.inf, -math.inf])
def test_bad_learning_rates(lr):
    law = MomentumLaw(0.24)
    for asked in (lr, [0.1, lr], np.array([0.1, lr])):
        with pytest.raises(ValueError, match=f"lr must be at least 0 and finite, got {lr}"):
            law(asked)
    with pytest.raises(TypeError, match="lr must be a number, a sequence or an array, got"):
        law(object())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"C": 0.0}, "C must be positive and finite, got 0.0"),
        ({"C": -1.0}, "C must be positive and finite, got -1.0"),
        ({"C": math.nan}, "C must be positive and finite, got nan"),
        ({"C": 1.0, "gamma": 0.0}, "gamma must be positive and finite, got 0.0"),
        ({"C": 1.0, "max_momentum": 1.0}, r"max_momentum must be in \[0, 1\), got 1.0"),
        ({"C": 1.0, "min_momentum": -0.1}, r"min_momentum must be in \[0, 1\), got -0.1"),
        ({"C": 1.0, "min_momentum": 0.9, "max_momentum": 0.5}, "at most max_momentum = 0.5"),
    ],
)
def test_bad_laws(arguments, message):
    with pytest.raises(ValueError, match=message):
        MomentumLaw(**arguments)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((0.0, 0.9), "lr must be positive and finite, got 0.0"),
        ((0.1, 1.0), r"momentum must be in \[0, 1\), got 1.0"),
        ((0.1, 1.2), r"momentum must be in \[0, 1\), got 1.2"),
    ],
)
def test_bad_references(pair, message):
    with pytest.raises(ValueError, match=message):
        MomentumLaw.from_reference(*pair)


@pytest.mark.parametrize("correction", [0.0, 1.2, -0.3])
def test_the_range_ends_where_the_clamps_begin(correction):
    law = MomentumLaw(0.46, min_momentum=0.2, correction=correction)
    low, high = law.range()
    assert law(low * 0.99) == law.max_momentum > law(low * 1.01)
    assert law(high * 1.01) == law.min_momentum < law(high * 0.99)
    assert out_of_range(law, low) is out_of_range(law, high) is None
    assert "its ceiling, 0.9995" in out_of_range(law, low / 2)
    assert "its floor, 0.2" in out_of_range(law, high * 2)


def test_a_negative_correction_may_have_no_end():
    assert MomentumLaw(0.2, correction=-1).range()[1] == math.inf
