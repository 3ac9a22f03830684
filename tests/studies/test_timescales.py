"""The study of both times: crossings of made-up curves, and parts that are kept."""

import dataclasses

import numpy as np
import pytest

from flatfast.theory import settling_time
from studies import drawing, machines, runner
from studies.study import RESULTS, kept_json, read_json
from studies.timescales import figure, measure
from studies.timescales.analysis import crossings, meeting_ratio, summary, with_interval
from studies.timescales.cases import CASES, RATIOS, key
from studies.timescales.run import STUDY, parts_of

LRS = (1e-6, 1e-5, 1e-4, 1e-3)


def straight_lines(C, error=1e-3):
    """Rows of times that are power laws of mu and meet at ``C lr^(2/3)``."""
    rows = {}
    for lr in LRS:
        for ratio in RATIOS:
            q = ratio / 0.9  # no pair at the crossing itself
            across, along = (
                {"time": 50 * lr ** (-2 / 3) * q**power, "relative_error": error}
                for power in (-1, 2)
            )
            rows[key(lr, ratio)] = {
                "lr": lr,
                "ratio": ratio,
                "mu": C * q * lr ** (2 / 3),
                "tau_1": {"softest": across},
                "tau_2": along,
            }
    return rows


def test_the_crossing_of_straight_lines():
    found = crossings(list(straight_lines(0.5).values()), LRS)
    for point, lr in zip(found, LRS, strict=True):
        assert point["mu"] == pytest.approx(0.5 * lr ** (2 / 3), rel=1e-6)
        assert point["low"] < point["mu"] < point["high"]
        # Errors of both times, over the difference of the slopes.
        assert point["error"] == pytest.approx(2**0.5 * 1e-3 / 3, rel=0.3)
        assert point["time"] == pytest.approx(50 * lr ** (-2 / 3), rel=1e-6)


def test_curves_that_do_not_meet():
    rows = list(straight_lines(0.5).values())
    for row in rows:
        row["tau_1"]["softest"]["time"] /= 1000
    with pytest.warns(RuntimeWarning):
        assert all(np.isnan(point["mu"]) for point in crossings(rows, LRS))


def test_the_summary_of_straight_lines():
    rows = straight_lines(0.5)
    found = summary("scalar-product", {"rows": rows, "prefactor": 0.8})
    assert found["exponent"]["estimate"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["exponent"]["low"] < 2 / 3 < found["exponent"]["high"]
    assert found["C"]["estimate"] == pytest.approx(0.5, rel=1e-3)
    assert found["ratio"]["estimate"] == pytest.approx(0.5 / found["best_C"]["estimate"], rel=1e-3)
    # A learning rate that lacks a pair is left out; of one alone there is no exponent.
    rows.pop(key(1e-4, RATIOS[2]))
    found = summary("scalar-product", {"rows": rows, "prefactor": 0.8})
    assert [point["lr"] for point in found["crossings"]] == [1e-6, 1e-5, 1e-3]
    alone = {at: row for at, row in rows.items() if row["lr"] == 1e-6}
    assert summary("scalar-product", {"rows": alone, "prefactor": 0.8}) == {}


def test_where_the_times_of_a_parabola_meet():
    q = meeting_ratio()
    assert float(settling_time(q, np.exp(-1))) == pytest.approx(2 / q)


def test_an_interval_is_as_wide_as_errors_and_scatter():
    narrow, wide = (with_interval(1.0, 0.01, scatter, 3) for scatter in (0.0, 0.01))
    assert narrow["high"] - 1 == pytest.approx(2.093 * 0.1, rel=1e-3)  # Student's, 19 degrees
    assert wide["high"] - wide["low"] > 1.4 * (narrow["high"] - narrow["low"])


NAME = "scalar-product"
FEW = CASES[NAME]._replace(lrs=(1e-3,), far=(6.3,), runs=8, records=1024, paths=8)


@pytest.fixture
def order(tmp_path):
    def ordered(**more):
        return runner.Order("timescales", tmp_path / "runs", tmp_path / "results", **more)

    return ordered


def test_parts_are_kept_and_what_they_lack_comes_from_the_result_before(
    order, tmp_path, monkeypatch
):
    monkeypatch.setattr(measure, "SHARES", (1.0,))
    study = dataclasses.replace(
        STUDY, parts=lambda folder, quick: parts_of(NAME, FEW, folder), draw=lambda *_: None
    )
    far, pair = (f"pair.{NAME}.lr=0.001,C={ratio}" for ratio in (6.3, 2))
    assert runner.compute(study, order(only=[far])).computed == [far]
    assert list(runner.collect(study, order())[NAME]["rows"]) == ["0.001 6.3"]
    some = [f"start.{NAME}", f"limit.{NAME}.C=2", pair, f"noise.{NAME}"]
    assert runner.compute(study, order(only=some)).computed == some
    assert runner.compute(study, order(only=[far, *some], again=True)).computed == []
    entry = runner.collect(study, order())[NAME]
    assert list(entry["rows"]) == ["0.001 2", "0.001 6.3"]  # as in the study
    assert entry["runs"] == 8
    assert entry["trace"]["end"] < entry["trace"]["start"]
    assert entry["limit"]["2"] == pytest.approx(entry["rows"]["0.001 2"]["oscillator"] / 100, 0.2)
    assert [row["share"] for row in entry["noise"]] == [1.0]
    assert "crossings" not in entry
    # Elsewhere a pair again: it is the same, and the rest of the result stays.
    again = dataclasses.replace(order(again=True, only=[pair]), folder=tmp_path / "elsewhere")
    assert runner.compute(study, again).computed == [pair]
    assert kept_json(again.folder, pair) == entry["rows"]["0.001 2"]
    assert runner.collect(study, again)[NAME] == entry


def test_figures_of_what_there_is(tmp_path, monkeypatch):
    """Of one problem here, and none of a result without a crossing."""
    monkeypatch.setattr(drawing, "THEMES", drawing.THEMES[:1])
    entry = read_json(RESULTS / "timescales" / "timescales.json", {})[NAME]
    figure.draw({NAME: {"rows": entry["rows"]}}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    figure.draw({NAME: entry}, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"timescales", "timescales_agreement"}


def test_the_committed_result_stays_without_runs(tmp_path):
    before = read_json(RESULTS / "timescales" / "timescales.json", {})
    held = set(machines.measured(before))
    assert held
    assert held <= {part.name for part in STUDY.parts(tmp_path, False)}
    assert STUDY.collect(tmp_path, before) == {k: v for k, v in before.items() if k != "machines"}
    for name, case in CASES.items():
        assert list(before[name]["rows"]) == [key(*pair) for pair in case.pairs]
