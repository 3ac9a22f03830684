"""Reading trajectories back from stored runs."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from tests.lab.report.conftest import make_runs, manifest, scalar_metrics

from flatfast.lab.analysis import analyse
from flatfast.lab.goal import Goal
from flatfast.lab.report import Study, write_report
from flatfast.lab.report.figures.example_runs import example_runs
from flatfast.lab.report.figures.manifold_path import manifold_path
from flatfast.lab.report.study import best_momenta
from flatfast.lab.report.theme import LIGHT
from flatfast.lab.report.trajectories import pick_examples, recorded_metrics, trajectories


def table() -> pa.Table:
    return pa.table(
        {
            "lr": [0.1, 0.1, 0.1, 0.1],
            "momentum": [0.9, 1 - 0.1, 0.9, 0.5],
            "seed": [1, 0, 0, 0],
            "method": ["grid", "grid", "law", "grid"],
            "convergence_step": pa.array([None, 7.5, 3.0, 1.0]),
            "threshold": [0.5, 0.5, 0.5, 0.5],
            "record_step": [[0, 5], [0, 5, 10], [0], [0]],
            "metric:error": [[1.0, 0.9], [1.0, 0.6, 0.2], [1.0], [1.0]],
        }
    )


def test_reads_runs_of_the_sweep_by_seed() -> None:
    first, second = trajectories(table(), 0.1, 0.1)
    assert (first.seed, second.seed) == (0, 1)
    assert first.steps.tolist() == [0, 5, 10]
    assert first.values["error"] == pytest.approx([1.0, 0.6, 0.2])
    assert first.time == 7.5
    assert np.isnan(second.time)
    assert recorded_metrics(table()) == ("error",)
    assert recorded_metrics(table().drop_columns(["record_step"])) == ()


def test_examples_surround_the_best(full: Study) -> None:
    found = pick_examples(full)
    low, best, high = found.examples
    assert [e.label for e in found.examples] == ["too low", "best", "too high"]
    assert low.mu > best.mu > high.mu
    e = int(np.flatnonzero(full.grid.lr == found.lr)[0])
    fitted = best_momenta(full).mu[e].estimate
    nearest = full.grid.mu[np.argmin(np.abs(np.log(full.grid.mu / fitted)))]
    assert best.mu == nearest
    assert all(len(example.runs) == 6 for example in found.examples)


def test_trajectories_that_cannot_be_read_are_none() -> None:
    """Empty, missing, not finite, not ascending, of different lengths."""
    steps = [[0, 5, 9], [], None, [0, 5, 9], [0, 9, 5], [0, 5, 9]]
    loss = [[1.0, 0.5, 0.1], [], None, [np.nan] * 3, [1.0, 0.5, 0.1], [1.0, np.nan]]
    count = len(steps)
    rows = pa.table(
        {
            "lr": [0.1] * count,
            "momentum": [0.9] * count,
            "seed": list(range(count)),
            "record_step": pa.array(steps, pa.list_(pa.int64())),
            "metric:loss": pa.array(loss, pa.list_(pa.float32())),
        }
    )
    found = trajectories(rows, 0.1, 0.1)
    assert [run.seed for run in found] == [0, 5]
    assert len(found[1].steps) == 2


@pytest.mark.parametrize("damage", ["empty", "nan", "null", "short"])
def test_every_figure_says_what_damaged_trajectories_lack(
    scalar: Study, damage: str, tmp_path: Path
) -> None:
    runs = scalar.runs
    for name in ("record_step", *(n for n in runs.column_names if n.startswith("metric:"))):
        kind = runs.schema.field(name).type
        lists = runs[name].to_pylist()
        if damage == "nan" and name != "record_step":
            lists = [[np.nan] * len(row) for row in lists]
        elif damage in ("empty", "null", "short"):
            part = {"empty": [], "null": None, "short": [0]}[damage]
            lists = [part] * len(lists)
        place = runs.schema.get_field_index(name)
        runs = runs.set_column(place, name, pa.array(lists, kind))
    page = write_report(replace(scalar, runs=runs), tmp_path)
    assert "or none that can be read" in page.read_text()
    assert not (tmp_path / "figures" / "example_runs.svg").exists()
    assert (tmp_path / "figures" / "time_curves.svg").exists()


@pytest.mark.parametrize("scale", [1e-6, 1e-10], ids=["six nines", "nine nines"])
def test_figures_of_momenta_close_to_1_have_room_for_their_digits(scale: float) -> None:
    goal = Goal("projected_trace", 2.5, relative=False)
    lrs = tuple(scale * np.array([1.0, 3.0, 9.0]))
    runs = make_runs(lrs=lrs, seeds=3, metrics=scalar_metrics, goal=goal)
    study = analyse(runs, manifest("scalar-product", goal, target=1.0), n_boot=50)
    for draw in (manifold_path, example_runs):
        figure = draw(study, LIGHT)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
        for box in [*boxes, *(legend.get_window_extent() for legend in figure.legends)]:
            assert 0 <= box.x0 < box.x1 <= figure.bbox.width
