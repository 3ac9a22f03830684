"""Numbers as text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfast.lab.report.typography import (
    count,
    fixed,
    method_name,
    metric_name,
    momentum,
    number,
    rate,
    sentence,
    times,
)

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
THIN = "\N{NARROW NO-BREAK SPACE}"


def parse(text: str) -> float:
    plain = text.replace(THIN, "").replace("−", "-")
    if " × 10" in plain:
        mantissa, power = plain.split(" × 10")
        return float(mantissa) * 10.0 ** int(power.translate(SUPERSCRIPTS))
    if plain.startswith("10") and plain[2:].translate(SUPERSCRIPTS) != plain[2:]:
        return 10.0 ** int(plain[2:].translate(SUPERSCRIPTS))
    return float(plain)


@given(st.floats(1e-12, 1e15), st.integers(2, 5), st.sampled_from([1, -1]))
def test_number_is_the_value_to_so_many_digits(size: float, digits: int, sign: int) -> None:
    value = sign * size
    assert parse(number(value, digits)) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


@given(st.floats(1e-9, 10))
def test_rate_is_the_value_to_four_digits(value: float) -> None:
    assert parse(rate(value)) == pytest.approx(value, rel=6e-4)


@given(st.floats(1e-7, 1.0))
def test_momentum_keeps_two_digits_of_its_distance_from_one(mu: float) -> None:
    shown = parse(momentum(1 - mu))
    assert abs(1 - shown - mu) <= max(0.051 * mu, 0.0051 * (mu > 0.1))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(None), "unknown"),
        (number(math.nan), "unknown"),
        (number(math.inf), "∞"),
        (number(0.0), "0"),
        (number(12345.6), f"12{THIN}300"),
        (number(12345.6, 5), f"12{THIN}346"),
        (number(-0.5, 2), "−0.50"),
        (count(1234567), f"1{THIN}234{THIN}567"),
        (fixed(-0.1, 2), "−0.10"),
        (rate(0.002), "0.002"),
        (rate(0.000311), "0.000311"),
        (rate(1e-5), "10⁻⁵"),
        (rate(3.16e-5), "3.16 × 10⁻⁵"),
        (momentum(0.9), "0.90"),
        (momentum(0.0), "0"),
        (momentum(0.99972), "0.99972"),
        (times(1.347), "1.35×"),
        (times(26.1), "26×"),
        (times(84.54), "85×"),
        (times(84.54, ">"), "84×"),
        (times(3.121, "<"), "3.13×"),
        (times(1.35, ">"), "1.35×"),
        (times(9.999, "<"), "10.0×"),
        (times(None), "unknown"),
        (metric_name("cooled:test_error"), "test error, cooled"),
        (method_name("1 - beta = 2 sqrt(lr)"), "1 − momentum = 2 √lr"),
        (method_name("local parabola, window x4"), "local parabola, window ×4"),
        (sentence("it is so"), "It is so."),
        (sentence("It is so."), "It is so."),
    ],
)
def test_examples(shown: str, expected: str) -> None:
    assert shown == expected
