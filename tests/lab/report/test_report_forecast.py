"""What the theory said before the runs, drawn beside them and told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flatfast.lab.forecast.record import Forecast, read_forecast
from flatfast.lab.report import Study, headline, summarise, write_report
from flatfast.lab.report.axes import FORETOLD, forecast_line
from flatfast.lab.report.figures import FIGURES
from flatfast.lab.report.figures.best_momentum import best_momentum
from flatfast.lab.report.figures.cooled_metric import cooled_metric
from flatfast.lab.report.figures.example_runs import example_runs
from flatfast.lab.report.figures.heat_map import heat_map
from flatfast.lab.report.figures.method_comparison import method_comparison
from flatfast.lab.report.figures.scaled_times import scaled_times
from flatfast.lab.report.figures.time_curves import time_curves
from flatfast.lab.report.page import page
from flatfast.lab.report.theme import DARK, LIGHT
from flatfast.lab.report.trajectories import pick_examples
from flatfast.law import GAMMA

TOLD = Forecast(
    problem="made-up",
    modes=9,
    largest=3.0,
    smallest=0.1,
    noise_std=0.1,
    examples=9,
    relaxation=5.0,
    fraction=0.1,
    critical=0.4,
    flow_prefactor=0.2,
    flow_time=9.0,
    flow_curve=((0.1, 20.0), (0.2, 9.0), (0.8, 40.0)),
    C=(0.03, 0.06, 0.12, 0.24, 1.2),
    time=(None, 200.0, 90.0, 50.0, 500.0),
    best_prefactor=0.21,
    best_time=49.0,
    evaluations=40,
)
FLOW_ALONE = replace(TOLD, C=(), time=(), best_prefactor=None, best_time=None)


@pytest.fixture
def foretold(full: Study) -> Study:
    """A study of runs of which the theory was asked before."""
    return replace(full, forecast=TOLD)


def lines(figure: Figure, wanted: str) -> list[Line2D]:
    """Lines of a figure with a label, a look or a marker."""
    return [
        line
        for axes in figure.axes
        for line in axes.get_lines()
        if wanted in (line.get_label(), line.get_marker())
    ]


def points(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xydata(), dtype=float)


def test_a_forecast_knows_times_between_its_points() -> None:
    assert TOLD.curve.tolist() == [[0.06, 200], [0.12, 90], [0.24, 50], [1.2, 500]]
    assert TOLD.way == "the limit dynamics"
    np.testing.assert_allclose(TOLD.time_at([0.06, 0.24]), [200, 50])
    assert 50 < TOLD.time_at(0.15) < 90
    assert np.isnan(TOLD.time_at([0.03, 2.0])).all()
    assert FLOW_ALONE.way == "the flow"
    assert FLOW_ALONE.curve.tolist() == [[0.1, 20], [0.2, 9], [0.8, 40]]
    C, time = forecast_line(TOLD)
    assert (C[0], C[-1]) == (0.06, 1.2)
    assert np.isfinite(time).all()


def test_the_best_momentum_is_a_line_of_the_law(foretold: Study) -> None:
    (law,) = lines(best_momentum(foretold, LIGHT), "forecast")
    x, y = points(law).T
    np.testing.assert_allclose(y, TOLD.answer * x**GAMMA)
    under = heat_map(foretold, LIGHT).axes[0].get_lines()[0]
    x, y = points(under).T
    np.testing.assert_allclose(y, TOLD.answer * x**GAMMA)


def test_curves_of_times(foretold: Study) -> None:
    C, time = forecast_line(TOLD)
    (curve,) = lines(scaled_times(foretold, LIGHT), "forecast, from the limit dynamics")
    np.testing.assert_allclose(points(curve), np.stack([C, time], axis=1))
    drawn = [
        points(line)
        for line in time_curves(foretold, LIGHT).axes[0].get_lines()
        if line.get_zorder() == 4 and len(points(line)) == len(C)
    ]
    assert len(drawn) == len(foretold.grid.lr)
    for lr, found in zip(foretold.grid.lr, drawn, strict=True):
        np.testing.assert_allclose(found, np.stack([C * lr**GAMMA, time / lr**GAMMA], axis=1))


def test_the_flows_curve_where_the_limit_was_not_followed(full: Study) -> None:
    figure = scaled_times(replace(full, forecast=FLOW_ALONE), LIGHT)
    (curve,) = lines(figure, "forecast, from the flow")
    np.testing.assert_allclose(points(curve), np.stack(forecast_line(FLOW_ALONE), axis=1))


def test_the_laws_time_beside_other_rules(foretold: Study) -> None:
    band = method_comparison(foretold, LIGHT).axes[0].get_lines()
    (law,) = [line for line in band if line.get_linewidth() == 7]
    lr, time = points(law).T
    np.testing.assert_allclose(time, TOLD.answer_time / lr**GAMMA)


def test_examples_have_their_foretold_times(foretold: Study) -> None:
    examples = pick_examples(foretold)
    expected = [
        float(TOLD.time_at(example.mu / examples.lr**GAMMA)) / examples.lr**GAMMA
        for example in examples.examples
    ]
    marks = lines(example_runs(foretold, LIGHT), "v")
    found = [points(mark)[0, 0] for mark in marks]
    np.testing.assert_allclose(found, [time for time in expected if np.isfinite(time)])
    assert len(found) >= 2


def test_cooled_trajectories_have_theirs(deep: Study) -> None:
    figure = cooled_metric(replace(deep, forecast=TOLD), LIGHT)
    marks = [points(line)[0] for line in lines(figure, "v")]
    assert len(marks) >= 3
    assert {height for _, height in marks} == {deep.runs["threshold"][0].as_py()}
    assert all(TOLD.curve[:, 1].min() <= time <= TOLD.curve[:, 1].max() for time, _ in marks)


def test_nothing_foretold_is_drawn_without_a_forecast(full: Study, deep: Study) -> None:
    for drawing in FIGURES:
        study = deep if drawing.name == "cooled_metric" else full
        if not drawing.applies(study):
            continue
        figure = drawing.draw(study, DARK)
        told = [
            text for text in figure.findobj(match=Line2D) if "forecast" in str(text.get_label())
        ]
        assert not told, drawing.name
        assert not [
            line for axes in figure.axes for line in axes.get_lines() if _dashes(line) == FORETOLD
        ]
    assert summarise(full)["forecast"] is None
    assert not any("Forecast" in line for line in headline(summarise(full)))


def _dashes(line: Line2D) -> object:
    return line.get_linestyle() if isinstance(line.get_linestyle(), tuple) else None


def test_how_the_forecast_held_is_told(foretold: Study) -> None:
    summary = summarise(foretold)
    told = summary["forecast"]
    assert foretold.fit is not None
    measured = np.median(
        [
            t.estimate * lr**GAMMA
            for t, lr in zip(foretold.fit.best_time, foretold.fit.lr, strict=True)
        ]
    )
    assert told["measured_time"] == pytest.approx(measured)
    assert told["time_ratio"] == pytest.approx(49 / measured)
    assert told["C_ratio"] == pytest.approx(0.21 / foretold.fit.prefactor.estimate)
    sentence = headline(summary)[-1]
    assert sentence.startswith(
        "Forecast before any run, from the limit dynamics: C = 0.210, converged after "
        "49.0·lr^(−2/3) steps: "
    )
    assert "times the measured C and" in sentence
    assert "Forecast before any run" in page(summary, [])


def test_the_forecast_lies_beside_the_page(single: Study, tmp_path: Path) -> None:
    write_report(replace(single, forecast=TOLD), tmp_path)
    assert read_forecast(tmp_path / "forecast.json") == TOLD
    assert "forecast.json" in (tmp_path / "index.html").read_text(encoding="utf-8")
    write_report(single, tmp_path)
    assert not (tmp_path / "forecast.json").exists()


def test_a_forecast_without_a_measurement(single: Study) -> None:
    sentence = headline(summarise(replace(single, forecast=FLOW_ALONE)))[-1]
    assert "C = 0.200, converged after 9.00·lr^(−2/3) steps" in sentence
    assert "times the measured C" not in sentence
