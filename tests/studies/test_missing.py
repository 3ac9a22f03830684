"""What a result has None for."""

import numpy as np

from studies.missing import or_infinite


def test_none_is_infinity_and_what_is_there_stays():
    found = or_infinite([2, None, 0.5])
    assert found.tolist() == [2.0, np.inf, 0.5]
    assert or_infinite([None]).dtype == or_infinite([3]).dtype == or_infinite([]).dtype == float
