"""Figures of the report: legible, complete, and silent about what is not there."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from tests.lab.report.conftest import cooled_metrics, make_runs, manifest

from flatfast.lab.adaptive.plan import PILOT
from flatfast.lab.analysis import analyse
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.goal import Goal
from flatfast.lab.report import CannotDraw, Study
from flatfast.lab.report.axes import log_ticks, padded, plain_label, power_label
from flatfast.lab.report.figures import FIGURES, Drawing
from flatfast.lab.report.figures.best_momentum import best_momentum
from flatfast.lab.report.figures.cooled_metric import cooled_metric
from flatfast.lab.report.figures.example_runs import example_runs
from flatfast.lab.report.figures.heat_map import heat_map, log_edges
from flatfast.lab.report.figures.manifold_path import manifold_path
from flatfast.lab.report.figures.method_comparison import method_comparison
from flatfast.lab.report.figures.scaled_times import scaled_times
from flatfast.lab.report.figures.time_curves import time_curves
from flatfast.lab.report.study import median_time, mostly_diverged
from flatfast.lab.report.theme import DARK, LIGHT, SIZE, THEMES, Theme, save
from flatfast.lab.report.trajectories import pick_examples

SMALLEST = 9.5
"""Least size of text, in points."""


def luminance(colour: object) -> float:
    channel = np.array(to_rgb(colour), dtype=np.float64)  # type: ignore[arg-type]
    linear = np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: object, other: object) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def labels(figure: Figure) -> list[str]:
    return [label for axes in figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("drawing", FIGURES, ids=lambda drawing: drawing.name)
def test_draws_legibly(
    drawing: Drawing, theme: Theme, full: Study, scalar: Study, deep: Study
) -> None:
    study = {"manifold_path": scalar, "cooled_metric": deep}.get(drawing.name, full)
    assert drawing.applies(study)
    figure = drawing.draw(study, theme)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width == pytest.approx(SIZE[0])
    assert 3 < height < 6
    box = figure.bbox
    texts = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text().strip()]
    for text in texts:
        if text.get_visible():
            assert float(text.get_fontsize()) >= SMALLEST, text.get_text()
            if text.axes is None or text.axes.get_visible():
                assert contrast(text.get_color(), theme.surface) > 4.5, text.get_text()
    for legend in figure.legends:
        around = legend.get_window_extent()
        assert box.x0 - 1 <= around.x0
        assert around.x1 <= box.x1 + 1
    for axes in figure.axes:
        tight = axes.get_tightbbox()
        if axes.get_visible() and tight is not None:
            assert box.x0 - 1 <= tight.x0
            assert tight.x1 <= box.x1 + 1


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_times_have_units(theme: Theme, full: Study) -> None:
    for draw in (heat_map, time_curves, scaled_times, method_comparison, example_runs):
        assert any("step" in label for label in labels(draw(full, theme))), draw.__name__


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_ordered_colours_are_ordered_for_every_eye(theme: Theme) -> None:
    shades = [luminance(colour) for colour in theme.ordered()(np.linspace(0, 1, 12))]
    assert (np.diff(shades) > 0).all()
    assert min(contrast(theme.ordered()(x), theme.surface) for x in (0.0, 1.0)) > 1.4


def test_the_map_has_a_cell_for_every_pair_and_hatches_the_censored(full: Study) -> None:
    times, diverged = median_time(full.grid), mostly_diverged(full.grid)
    figure = heat_map(full, LIGHT)
    axes = figure.axes[0]
    cells = [c for c in axes.collections if isinstance(c, PolyCollection)]
    by_hatch = {c.get_hatch() or "": len(c.get_paths()) for c in cells}
    assert by_hatch[""] == np.isfinite(times).sum()
    assert by_hatch["xxxx"] == diverged.sum() > 0
    assert by_hatch["////"] == (np.isposinf(times) & ~diverged).sum() > 0


def test_the_map_carries_the_law_and_the_fit(full: Study) -> None:
    assert full.fit is not None
    axes = heat_map(full, LIGHT).axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    slopes = [
        np.diff(np.log(line.get_ydata()))[0] / np.diff(np.log(line.get_xdata()))[0]
        for line in lines
    ]
    # The law lies on the fit, not under it.
    assert slopes == pytest.approx([full.fit.exponent.estimate, 2 / 3])


def test_an_absent_cell_stays_blank(deep: Study) -> None:
    # Each learning rate has its own momenta here: most pairs of the common grid have no run.
    cells = heat_map(deep, LIGHT).axes[0].collections
    drawn = sum(len(c.get_paths()) for c in cells if isinstance(c, PolyCollection))
    assert drawn == (~np.isnan(median_time(deep.grid))).sum() < deep.grid.log_time[..., 0].size


def test_curves_mark_optima_and_put_arrows_at_the_limit(full: Study) -> None:
    axes = time_curves(full, LIGHT).axes[0]
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    assert len(diamonds) == len(full.grid.lr)
    arrows = [line for line in axes.lines if line.get_marker() == r"$\uparrow$"]
    shown = sum(len(np.atleast_1d(line.get_xdata())) for line in arrows)
    times = median_time(full.grid)
    assert shown == (np.isposinf(times) & ~mostly_diverged(full.grid)).sum()
    heights = {float(y) for line in arrows for y in np.atleast_1d(line.get_ydata())}
    assert heights <= set(full.grid.limit)


def test_the_slopes_go_through_the_centre(full: Study) -> None:
    axes = best_momentum(full, LIGHT).axes[0]
    centre = np.exp(np.mean(np.log(full.grid.lr)))
    heights = []
    for name, slope in (("slope 2/3, the law", 2 / 3), ("slope 1/2", 0.5), ("slope 1", 1.0)):
        (line,) = [line for line in axes.lines if line.get_label() == name]
        x, y = np.log(np.asarray(line.get_xdata())), np.log(np.asarray(line.get_ydata()))
        assert np.diff(y) / np.diff(x) == pytest.approx(slope)
        heights.append(np.interp(np.log(centre), x, y))
    assert np.ptp(heights) < 1e-3
    assert any("exponent" in text.get_text() for text in axes.texts)


def test_an_endless_interval_does_not_squeeze_the_points(full: Study) -> None:
    assert full.fit is not None
    endless = tuple(Interval(mu.estimate, 1e-30, np.inf) for mu in full.fit.best_mu)
    figure = best_momentum(replace(full, fit=replace(full.fit, best_mu=endless)), LIGHT)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    estimates = [mu.estimate for mu in endless]
    assert low > min(estimates) / 100
    assert high < max(estimates) * 100


def test_the_comparison_rings_the_best_and_stacks_the_censored(full: Study) -> None:
    assert full.comparison is not None
    axes = method_comparison(full, LIGHT).axes[0]
    rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert len(rings) == sum(best.outcome == "measured" for best in full.comparison.best)
    marks = [line for line in axes.lines if line.get_marker() in (r"$\uparrow$", "x")]
    places = [
        tuple(np.round(line.get_transform().transform(line.get_xydata())[0], 1)) for line in marks
    ]
    assert len(places) == len(set(places)) > 0
    top = axes.transAxes.transform((1, 1))[1]
    assert all(height < top for _, height in places)


def test_examples_mark_each_convergence_time(full: Study) -> None:
    axes = example_runs(full, LIGHT).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    runs = [run for example in pick_examples(full).examples for run in example.runs]
    known = {(run.time, run.threshold) for run in runs if np.isfinite(run.time)}
    shown = {tuple(float(x[0]) for x in map(np.asarray, dot.get_data())) for dot in dots}
    assert len(shown) > 6
    assert {at for at in shown if np.isfinite(at[0])} <= known


def test_paths_lie_beside_the_hyperbola(scalar: Study) -> None:
    for axes in manifold_path(scalar, LIGHT).axes:
        u, v = (np.asarray(data, dtype=float) for data in axes.lines[0].get_data())
        assert u * v == pytest.approx(1.0)


def test_cooled_panels_share_one_c(deep: Study) -> None:
    panels: list[Axes] = [axes for axes in cooled_metric(deep, LIGHT).axes if axes.get_title()]
    assert len(panels) == 6
    for axes in panels:
        curves = [line for line in axes.lines if line.get_linestyle() == "-"]
        assert len(curves) == 4
    # The scaled trajectories of a panel coincide up to their noise.
    ends = [
        np.asarray(line.get_ydata())[-1] for line in panels[3].lines if line.get_linestyle() == "-"
    ]
    assert np.ptp(ends) < 0.05 * np.mean(ends)


def test_says_what_is_missing_and_what_to_do(single: Study, unreached: Study, full: Study) -> None:
    flat = replace(full, runs=full.runs.drop_columns(["record_step"]))
    for draw, study, words in (
        (best_momentum, single, "add learning rates"),
        (heat_map, single, "two or more"),
        (heat_map, unreached, "longer"),
        (time_curves, unreached, "longer"),
        (scaled_times, single, "Sweep two or more"),
        (method_comparison, single, "constant comes from the fit"),
        (example_runs, flat, "without their trajectories"),
        (cooled_metric, full, "cooled:trace"),
    ):
        with pytest.raises(CannotDraw, match=words):
            draw(study, LIGHT)


def test_no_common_c_is_no_fault_of_who_did_not_choose_the_momenta() -> None:
    lrs = (2e-3, 6e-3, 1.6e-2)
    made = {"metrics": cooled_metrics, "goal": Goal("cooled:trace", 0.35), "seeds": 3}
    apart = zip(lrs, (0.05, 0.2, 0.8), strict=True)
    pairs = [(lr, c * least * lr ** (2 / 3)) for lr, least in apart for c in (1, 1.4, 2)]
    grid = make_runs(pairs=pairs, **made)
    about = manifest("digits-mlp", Goal("cooled:trace", 0.35))
    with pytest.raises(CannotDraw, match="Choose momenta that grow"):
        cooled_metric(analyse(grid, about, n_boot=20), LIGHT)
    pilot = make_runs(pairs=pairs[:2], method=PILOT, **made)
    with pytest.raises(CannotDraw, match="chooses its own momenta"):
        cooled_metric(analyse(pa.concat_tables([grid, pilot]), about, n_boot=20), LIGHT)


def test_leaves_matplotlib_as_it_was(full: Study) -> None:
    before = dict(matplotlib.rcParams)
    heat_map(full, DARK)
    assert dict(matplotlib.rcParams) == before


def test_the_same_runs_give_the_same_bytes(full: Study, tmp_path: Path) -> None:
    paths = [
        save(best_momentum(full, LIGHT), LIGHT, tmp_path, name)["svg"] for name in ("one", "two")
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_needs_no_simulator_and_no_pyplot() -> None:
    code = (
        "import sys, flatfast.lab.report; "
        "print([m for m in ('jax', 'torch', 'matplotlib.pyplot') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@given(st.floats(1e-9, 1e6), st.floats(3.0, 1e9))
def test_ticks_lie_inside_and_are_few(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 8
    assert all(low * 0.99 <= tick <= low * ratio * 1.01 for tick in ticks)
    assert ticks == sorted(ticks)


def test_labels_of_ticks() -> None:
    assert [plain_label(x) for x in (0.002, 0.5, 20.0, 5000.0)] == [
        "0.002",
        "0.5",
        "20",
        "5\N{NARROW NO-BREAK SPACE}000",
    ]
    assert power_label(1e-4) == "10⁻⁴"
    assert power_label(3e5) == "3 × 10⁵"


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=9, unique=True))
def test_edges_part_the_cells(centres: list[float]) -> None:
    ordered = np.sort(centres)
    edges = log_edges(ordered)
    assert len(edges) == len(ordered) + 1
    assert (edges[:-1] <= ordered * (1 + 1e-12)).all()
    assert (ordered <= edges[1:] * (1 + 1e-12)).all()
    low, high = padded(ordered)
    assert low < ordered[0]
    assert ordered[-1] < high
