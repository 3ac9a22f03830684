"""Rows that make no sense: left out, counted, and no more."""

import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.estimation.usable import usable

GOOD = {
    "method": "grid",
    "lr": 0.1,
    "momentum": 0.9,
    "seed": 0,
    "steps": 100,
    "status": "converged",
    "convergence_step": 12.0,
}
SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("lr", pa.float64()),
        ("momentum", pa.float64()),
        ("seed", pa.int64()),
        ("steps", pa.int64()),
        ("status", pa.string()),
        ("convergence_step", pa.float64()),
    ]
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lr": np.nan}, "lr is not positive and finite"),
        ({"lr": -1.0}, "lr is not positive and finite"),
        ({"lr": None}, "lr is not positive and finite"),
        ({"momentum": 1.0}, "momentum is not in [0, 1)"),
        ({"momentum": None}, "momentum is not in [0, 1)"),
        ({"seed": None}, "there is no seed"),
        ({"steps": 0}, "planned length"),
        ({"steps": None}, "planned length"),
        ({"method": None}, "there is no method"),
        ({"status": "lost"}, "status is not one of"),
        ({"status": None}, "status is not one of"),
        ({"convergence_step": None}, "converged but its convergence step"),
        ({"convergence_step": np.inf}, "converged but its convergence step"),
        ({"convergence_step": 0.0}, "converged but its convergence step"),
    ],
)
def test_a_row_that_makes_no_sense_is_left_out(change, reason):
    rows = pa.Table.from_pylist([GOOD, {**GOOD, **change}, GOOD], schema=SCHEMA)
    kept, reasons = usable(rows)
    assert kept.to_pylist() == [GOOD, GOOD]
    assert len(reasons) == 1
    assert reasons[0].startswith("1 of 3 row was left out")
    assert reason in reasons[0]


def test_good_rows_are_as_they_were():
    late = {**GOOD, "status": "not_converged", "convergence_step": None, "steps": 99_999_999_999}
    rows = pa.Table.from_pylist([GOOD, late], schema=SCHEMA)
    kept, reasons = usable(rows)
    assert kept is rows
    assert reasons == ()
