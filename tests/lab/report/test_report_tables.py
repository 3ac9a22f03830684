"""Tables of the report's page."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from flatfast.lab.report import Study, summarise
from flatfast.lab.report.tables import beyond_table


def columns(table: str) -> list[str]:
    return re.findall(r'<th scope="col">(.*?)</th>', table)


def test_rates_above_a_limit_stand_below_the_share_that_was_asked_for(full: Study) -> None:
    """Learning rates have three digits, so that their shares of the limits differ a little."""
    summary = summarise(full)
    methods: list[Mapping[str, Any]] = summary["comparison"]["methods"]
    shares = {
        round(entry["eta"] / method["stability_limit"], 4)
        for method in methods
        for entry in method["beyond"]
    }
    assert len(shares) > 3
    expected = ["steps to the goal at", *(f"{share:g} × its limit" for share in (1.05, 1.2, 1.4))]
    assert columns(str(beyond_table(summary))) == expected
    moved = dict(methods[0]["beyond"][0])
    limit = methods[0]["stability_limit"]
    for share in (1.0449, 1.0551, 1.3, 1.6):
        summary["comparison"]["methods"] = [
            {**methods[0], "beyond": [{**moved, "eta": share * limit}]}
        ]
        said = 1.05 if np.isclose(share, 1.05, rtol=0.006) else share
        assert columns(str(beyond_table(summary)))[1:] == [f"{said:g} × its limit"]
