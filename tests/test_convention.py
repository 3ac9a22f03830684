"""The law and its pairs in both conventions of momentum: the same runs, at other learning rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfast import MomentumLaw, heavy_ball, normalized, transfer
from flatfast.convention import normalized_exponent
from flatfast.law import MAX_MOMENTUM, out_of_range

momenta = st.floats(0.001, 0.999)
rates = st.floats(1e-8, 1e3)


@given(rates, momenta)
def test_a_pair_there_and_back(lr, momentum):
    averaged, same = normalized(lr, momentum)
    assert same == momentum
    assert averaged == pytest.approx(lr / (1 - momentum))
    assert heavy_ball(averaged, momentum) == pytest.approx((lr, momentum))


@given(st.floats(1e-3, 1e3), st.floats(0.002, 0.999), st.floats(0.3, 0.8))
def test_the_same_law_gives_the_same_pairs(C, momentum, gamma):
    heavy = MomentumLaw(C, gamma)
    averaged = heavy.in_convention("normalized")
    lr = heavy.lr_at(momentum)
    there = normalized(lr, momentum)[0]
    assert averaged(there) == pytest.approx(momentum, rel=1e-9)
    assert averaged.lr_at(momentum) == pytest.approx(there, rel=1e-9)
    assert averaged.in_convention("heavy-ball") == heavy
    assert heavy.in_convention("heavy-ball") is heavy


def test_the_law_is_a_square_with_the_cube_of_its_prefactor():
    law = MomentumLaw(0.24, convention="normalized")
    assert (law.exponent, law.factor) == pytest.approx((2.0, 0.24**3))
    assert law(2.0) == pytest.approx(1 - 0.24**3 * 4, rel=1e-12)
    np.testing.assert_allclose(law(np.array([1.0, 2.0])), [law(1.0), law(2.0)])
    assert (MomentumLaw(0.24).exponent, MomentumLaw(0.24).factor) == (2 / 3, 0.24)
    assert normalized_exponent(0.5) == 1


def test_a_tuned_pair_and_what_follows_from_it():
    law = MomentumLaw.from_reference(1.0, 0.9, convention="normalized")
    assert law(1.0) == pytest.approx(0.9)
    assert law(2.0) == pytest.approx(0.6)  # twice the learning rate, four times 1 - momentum
    heavy = MomentumLaw.from_reference(0.1, 0.9)
    assert pytest.approx((heavy.C,)) == (law.C,)
    assert transfer(1.0, 0.9, 0.5, convention="normalized") == pytest.approx(0.975)


def test_another_batch_is_the_same_for_both():
    law = MomentumLaw(0.3)
    for k in (0.25, 4):
        both = law.in_convention("normalized").for_batch(k), law.for_batch(k)
        assert both[0].C == both[1].C


def test_floor_and_ceiling_are_memories_in_steps_in_either():
    law = MomentumLaw(0.24, convention="normalized")
    low, high = law.range()
    assert law(low / 2) == MAX_MOMENTUM
    assert law(2 * high) == 0
    assert out_of_range(law, 2 * high) is not None
    assert out_of_range(law, 0.9 * high) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"convention": "nesterov"}, "convention must be 'heavy-ball' or 'normalized', got 'nest"),
        ({"convention": "normalized", "gamma": 1.0}, r"gamma must be in \(0, 1\) in the normal"),
        ({"convention": "normalized", "correction": 0.5}, "correction must be 0 in the normalized"),
    ],
)
def test_what_has_no_form(options, words):
    with pytest.raises(ValueError, match=words):
        MomentumLaw(0.2, **options)
    with pytest.raises(ValueError, match=words):
        MomentumLaw.from_reference(0.1, 0.9, **options)


@pytest.mark.parametrize("way", [normalized, heavy_ball])
def test_pairs_out_of_range(way):
    with pytest.raises(ValueError, match="lr must be positive and finite, got 0"):
        way(0, 0.9)
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1"):
        way(0.1, 1)


@pytest.mark.parametrize("way", [normalized, heavy_ball])
@pytest.mark.parametrize("bad", ["0.1", None, [0.1], np.array([0.1, 0.2])])
def test_pairs_of_what_is_no_number(way, bad):
    with pytest.raises(TypeError, match="lr must be a number, got"):
        way(bad, 0.9)
    with pytest.raises(TypeError, match="momentum must be a number, got"):
        way(0.1, bad)


@pytest.mark.parametrize("C", [1e-200, 1e200])
def test_a_prefactor_whose_cube_no_float_holds(C):
    assert MomentumLaw(C).C == C
    with pytest.raises(ValueError, match=r"C\*\*3, .* a float holds, got 1e"):
        MomentumLaw(C, convention="normalized")


def test_a_square_that_no_float_holds_is_past_the_floor():
    assert MomentumLaw(0.4, convention="normalized")(1e200) == 0


def test_text_is_no_law_and_no_learning_rate():
    with pytest.raises(TypeError, match=r"C must be a number, got '0\.4'"):
        MomentumLaw("0.4")
    with pytest.raises(TypeError, match="lr must be a number, a sequence or an array, got str"):
        MomentumLaw(0.4)("0.1")
