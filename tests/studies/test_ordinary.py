"""The study of ordinary training: its fit and verdict on made-up looks, and a small run."""

import numpy as np
import pytest

pytest.importorskip("jax", reason="needs the lab extra")

from flatfast.lab.report.theme import THEMES
from studies.ordinary import tables
from studies.ordinary.analysis import analysis, bounds, chosen, fit
from studies.ordinary.cases import SHARES
from studies.ordinary.figure import ordinary
from studies.ordinary.run import STUDY
from studies.runner import Order, collect, compute

A, B = 5.0, 0.6


def looks(batch, curvature, trace, off=1.0, unseen=False):
    rows = []
    for lr in (0.001, 0.004, 0.016):
        settles, damps = lr * trace / (2 * batch), 2 * (lr * curvature) ** 0.5
        best = (A * settles + B * damps) * off
        seen = [{"sharpness": trace, "settles": settles, "damps": damps}] * 2
        if unseen:
            seen[0] = {**seen[0], "damps": None}
        rows.append(
            {
                "lr": lr,
                "best_mu": best,
                "low": best / 1.2,
                "high": best * 1.2,
                "steps": 100.0,
                "points": [{"share": share, "seen": seen} for share in SHARES],
            }
        )
    return rows


def made_up(off=1.0):
    return {
        "fashion-batch-16": looks(16, 0.05, 200.0),
        "fashion-batch-64": looks(64, 0.05, 180.0, unseen=True),
        "digits-batch-16": looks(16, 0.2, 30.0, off),
    }


def test_coefficients_are_found_again():
    found = analysis(made_up())
    point = chosen(found)
    assert point["a"]["estimate"] == pytest.approx(A, rel=1e-3)
    assert point["b"]["estimate"] == pytest.approx(B, rel=1e-3)
    assert point["a"]["low"] <= A * 1.001
    ratios = [row["ratio"] for rows in point["ratios"].values() for row in rows]
    assert ratios == pytest.approx([1.0] * 9, rel=1e-3)


def test_what_held_everywhere_is_of_every_pair():
    found = analysis(made_up())["inside"]
    data = np.concatenate([bounds(rows, 0.5) for rows in made_up().values()])
    _, best, settles, damps = data.T
    assert found["settles"] == pytest.approx((best / settles).min())
    assert found["damps"] == pytest.approx((best / damps).min())
    u, v = found["most"]
    most = np.maximum(u * settles, v * damps)
    assert (best <= most * (1 + 1e-9)).all()
    assert best == pytest.approx(most, rel=1e-6) or (best / most).max() == pytest.approx(1)


@pytest.mark.parametrize(("off", "yes"), [(1.0, True), (1.4, True), (1.6, False), (4.0, False)])
def test_the_verdict_is_of_what_was_not_fitted_on(off, yes):
    told = analysis(made_up(off))["verdict"]
    assert told["pairs"] == 3
    assert told["median"] == pytest.approx(off, rel=1e-3)
    assert told["yes"] is yes


def test_a_bound_that_is_not_seen_counts_as_none():
    data = np.array([[0.01, A * 0.002, 0.002, 0.0], [0.01, B * 0.1, 0.0, 0.1]])
    assert fit(data) == pytest.approx((A, B), rel=1e-3)


def test_tables_and_figure_of_made_up_looks():
    found = {"looks": made_up(), **analysis(made_up())}
    found["batch_size"] = {"fashion-batch-16": 16, "fashion-batch-64": 64, "digits-batch-16": 0}
    assert "FashionMNIST (fitted on) | 16" in tables.table(found)
    assert "| digits | all |" in tables.table(found)
    assert "and so it is" in tables.verdict(found)
    assert tables.points(found).count("\n") == 5
    assert "of these 9 pairs" in tables.nine(found)
    assert len(ordinary(found, THEMES[0]).axes) == 2


def test_parts_are_computed_once_and_kept(tmp_path):
    order = Order("ordinary", tmp_path / "runs", tmp_path / "out", quick=True)
    assert compute(STUDY, order).failed == {}
    compute(STUDY, order)
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    assert len(result["looks"]) == 1
    assert STUDY.collect(tmp_path / "empty", result)["looks"] == result["looks"]
