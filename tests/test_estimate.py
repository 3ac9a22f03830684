"""A number and its error, as one value."""

import copy
import json
import math
import pickle

import pytest

from flatfast import MomentumLaw
from flatfast.estimate import Estimate


def test_it_is_a_number():
    found = Estimate(0.312, 0.016)
    assert found == 0.312
    assert found * 2 == 0.624
    assert type(found * 2) is float
    assert type(found.value) is float
    assert f"{found:.2g}" == "0.31"
    assert json.dumps([found]) == "[0.312]"


def test_the_error_is_absolute():
    assert Estimate(-4.0, 1.0).relative == 0.25
    assert Estimate.within(-4.0, 0.25).error == 1.0
    assert Estimate(0.0, 1.0).relative == math.inf
    assert Estimate(0.0, 0.0).relative == 0.0
    assert math.isnan(Estimate(math.nan, 1.0).relative)


@pytest.mark.parametrize("error", [-0.5, -5e-324, -math.inf])
def test_an_error_is_not_negative(error):
    with pytest.raises(ValueError, match=rf"must be 0 or more, or NaN .*, got {error}$"):
        Estimate(2.0, error)
    with pytest.raises(ValueError, match="must be 0 or more"):
        Estimate.within(-2.0, error)
    assert math.isnan(Estimate(2.0, math.nan).error)
    assert Estimate(2.0, -0.0).error == 0


@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        (0.312, 0.0163, "0.312 ± 0.016"),
        (0.3, 0.0163, "0.300 ± 0.016"),
        (-0.02, 0.5, "-0.02 ± 0.50"),
        (12345.6, 234.0, "12350 ± 230"),
        (1.234e-7, 3.2e-9, "(1.234 ± 0.032)e-07"),
        (5e-324, 5e-324, "(4.9 ± 4.9)e-324"),
        (1.5e-320, 2e-321, "(1.50 ± 0.20)e-320"),
        (0.0, 5e-324, "(0.0 ± 4.9)e-324"),
        (1.7e308, 1e307, "(1.70 ± 0.10)e+308"),
        (-1e-310, 1e308, "(-0.0 ± 1.0)e+308"),
        (1.2e8, 2e6, "(1.200 ± 0.020)e+08"),
        (0.0, 0.001, "0.0000 ± 0.0010"),
        (3.0, 0.0, "3 ± 0"),
        (1.0, 1e-300, "1 ± 1e-300"),
        (5.0, math.inf, "5 ± inf"),
        (math.nan, math.nan, "nan ± nan"),
    ],
)
def test_it_is_told_as_people_write_it(value, error, told):
    assert str(Estimate(value, error)) == told
    assert f"{Estimate(value, error)}" == told


def test_copies_know_the_error():
    found = Estimate(0.3, 0.02)
    for other in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (other.value, other.error) == (0.3, 0.02)
    assert eval(repr(found)) == found
    with pytest.raises(AttributeError):
        found.error = 0.1


def test_a_law_keeps_a_plain_number():
    """So that what is printed, saved and compiled knows nothing of the error."""
    law = MomentumLaw(Estimate(0.3, 0.02))
    assert law == MomentumLaw(0.3)
    assert repr(law) == repr(MomentumLaw(0.3))
    assert type(law.C) is float
