"""The values that figures tell, and a page made again from what it holds."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from flatfast.lab.report import Study, summarise, write_report
from flatfast.lab.report.figures import FIGURES
from flatfast.lab.report.figures.best_momentum import best_momentum
from flatfast.lab.report.rewrite import page_again, rewrite_page
from flatfast.lab.report.study import CannotDraw, best_momenta, median_time
from flatfast.lab.report.theme import LIGHT, new_figure, save
from flatfast.lab.report.values import MOST, Values, spread, tell, values_of

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "results").glob("**/index.html"))


def test_places_are_shares_from_the_left_and_the_top() -> None:
    figure = new_figure()
    axes = figure.add_axes((0.25, 0.5, 0.5, 0.4))
    axes.set_xlim(0, 10)
    axes.set_ylim(1, 100)
    axes.set_yscale("log")
    tell(axes, [0.0, 10.0, 5.0], [1.0, 100.0, 10.0], {"x": [0, 10, 5], "word": "one"})
    values = values_of(figure)
    assert values is not None
    assert values.columns == ("x", "word")
    assert values.rows == ((0, "one"), (10, "one"), (5, "one"))
    assert np.allclose([at for at in values.at if at], [(0.25, 0.5), (0.75, 0.1), (0.5, 0.3)])


def test_a_mark_outside_of_the_axes_has_no_place() -> None:
    figure = new_figure()
    axes = figure.add_subplot()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    tell(axes, [0.5, 2.0, np.nan], [0.5, 0.5, 0.5], {"x": [0.5, 2.0, np.nan]})
    values = values_of(figure)
    assert values is not None
    assert [at is None for at in values.at] == [False, True, True]
    assert values.rows == ((0.5,), (2,), (None,))


def test_marks_above_their_coordinates_lie_where_they_are_drawn() -> None:
    figure = new_figure(height=4)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    tell(axes, [0.5, 0.5], [0.25, 0.25], {"x": 1}, up=[0, 72])
    values = values_of(figure)
    assert values is not None
    assert values.at == ((0.5, 0.75), (0.5, 0.5))  # an inch of four


def test_a_momentum_is_as_exact_as_its_distance_from_1() -> None:
    figure = new_figure()
    axes = figure.add_subplot()
    given = np.array([0.5, 0.9, 0.98765432123, 0.99994129123, 1 - 1.234567e-9, 1.0])
    tell(axes, given, given, {"momentum": given})
    values = values_of(figure)
    assert values is not None
    told = np.array([row[0] for row in values.rows], float)
    assert np.allclose(1 - told, 1 - given, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("time_curves", "full"),
        ("scaled_times", "full"),
        ("method_range", "full"),
        ("example_runs", "full"),
        ("manifold_path", "scalar"),
        ("cooled_metric", "deep"),
        ("generalization", "tested"),
    ],
)
def test_what_is_drawn_is_where_the_values_say(
    name: str, of: str, request: pytest.FixtureRequest
) -> None:
    (drawing,) = (each for each in FIGURES if each.name == name)
    sheet = drawing.draw(request.getfixturevalue(of), LIGHT)
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    values = values_of(sheet)
    assert values is not None
    picture = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    height, width = picture.shape[:2]
    plain = np.array([to_rgb(LIGHT.surface), to_rgb(LIGHT.grid)])
    ink = (np.abs(picture[:, :, None] - plain).max(axis=-1) > 0.12).all(axis=-1)

    def drawn(right: int, down: int) -> float:
        """Share of the values' places, moved by so many pixels, at which something is drawn."""
        at = np.array([place for place in values.at if place is not None])
        x, y = np.rint(at * [width, height] + [right, down]).astype(int).T
        inside = (x > 4) & (x < width - 4) & (y > 4) & (y < height - 4)
        near = [ink[v - 4 : v + 5, u - 4 : u + 5].any() for u, v in zip(x, y, strict=True)]
        return float(np.mean(np.array(near)[inside]))

    assert drawn(0, 0) == 1
    assert max(drawn(0, 12), drawn(0, -12), drawn(12, 0), drawn(-12, 0)) < 0.97


def test_methods_without_a_time_lie_at_their_own_marks(full: Study) -> None:
    (drawing,) = (each for each in FIGURES if each.name == "method_comparison")
    sheet = drawing.draw(full, LIGHT)
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    values = values_of(sheet)
    assert values is not None
    column = values.columns.index
    marks = [
        (at, row[column("rule")], row[column("learning rate")])
        for at, row in zip(values.at, values.rows, strict=True)
        if row[column("outcome")]
    ]
    assert len(marks) > len({lr for _, _, lr in marks})  # some lie on top of each other
    assert len({at for at, _, _ in marks}) == len(marks)
    picture = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    height, width = picture.shape[:2]
    for at, rule, _ in marks:
        assert at is not None
        x, y = round(at[0] * width), round(at[1] * height)
        near = picture[y - 3 : y + 4, x - 3 : x + 4]
        assert np.abs(near - to_rgb(LIGHT.surface)).max() > 0.3, rule


def test_the_fitted_optima_are_told_too(full: Study) -> None:
    (drawing,) = (each for each in FIGURES if each.name == "time_curves")
    sheet = drawing.draw(full, LIGHT)
    FigureCanvasAgg(sheet)
    sheet.draw_without_rendering()
    values, best = values_of(sheet), best_momenta(full)
    assert values is not None
    told = [row[1] for row in values.rows if row[-1] == "fitted optimum"]
    located = [mu.estimate for mu, known in zip(best.mu, best.located, strict=True) if known]
    assert told == pytest.approx(located, rel=1e-5)


def test_refuses_other_quantities_and_other_figures() -> None:
    axes = new_figure().add_subplot()
    tell(axes, 1.0, 1.0, {"x": 1.0})
    with pytest.raises(ValueError, match=r"same quantities.*x.*y"):
        tell(axes, 1.0, 1.0, {"y": 1.0})
    with pytest.raises(TypeError, match="Sheet, got Figure"):
        tell(Figure().add_subplot(), 1.0, 1.0, {"x": 1.0})
    assert values_of(Figure()) is None


def test_long_lines_are_thinned_to_their_ends() -> None:
    assert spread(3).tolist() == [0, 1, 2]
    kept = spread(1000)
    assert len(kept) == MOST
    assert (kept[0], kept[-1]) == (0, 999)


def test_every_figure_tells_its_values(study: Study) -> None:
    for drawing in FIGURES:
        if not drawing.applies(study):
            continue
        try:
            sheet = drawing.draw(study, LIGHT)
        except CannotDraw:
            continue
        FigureCanvasAgg(sheet)
        sheet.draw_without_rendering()
        values = values_of(sheet)
        assert values is not None, drawing.name
        assert len(values.rows) == len(values.at)
        assert any(values.at), drawing.name
        assert all(len(row) == len(values.columns) for row in values.rows)
        assert Values.from_json(json.loads(json.dumps(values.to_json()))) == values


def test_the_picture_has_its_mark_where_the_values_say(full: Study, tmp_path: Path) -> None:
    sheet = best_momentum(full, LIGHT)
    save(sheet, LIGHT, tmp_path, "best")
    values, best = values_of(sheet), best_momenta(full)
    assert values is not None
    assert [row[1] for row in values.rows] == pytest.approx(
        [mu.estimate for mu in best.mu], rel=1e-5
    )
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    height, width = picture.shape[:2]
    for at in values.at:
        assert at is not None
        pixel = picture[round(at[1] * height), round(at[0] * width)]
        assert np.allclose(pixel, to_rgb(LIGHT.second), atol=0.02)


def test_the_map_tells_every_cell(full: Study) -> None:
    (drawing,) = (each for each in FIGURES if each.name == "heat_map")
    sheet = drawing.draw(full, LIGHT)
    FigureCanvasAgg(sheet)
    sheet.draw_without_rendering()
    values = values_of(sheet)
    assert values is not None
    times = median_time(full.grid)
    assert len(values.rows) == np.sum(~np.isnan(times))
    time, outcome = map(values.columns.index, ("convergence time (steps)", "outcome"))
    told = [row[time] for row in values.rows if row[time] is not None]
    assert told == pytest.approx(times[np.isfinite(times)].tolist(), rel=1e-5)
    assert all(row[outcome] for row in values.rows if row[time] is None)


def test_a_page_is_made_again_from_itself(unreached: Study, tmp_path: Path) -> None:
    path = write_report(unreached, tmp_path)
    before = path.read_text(encoding="utf-8")
    assert page_again(before) == before
    path.write_text(before.replace("<h1>", "<h1>Of an older form: "), encoding="utf-8")
    assert rewrite_page(tmp_path).read_text(encoding="utf-8") == before


def test_a_page_without_its_data_is_refused(single: Study, tmp_path: Path) -> None:
    html = write_report(single, tmp_path).read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"lacks.*values"):
        page_again(html.replace('id="values"', 'id="others"'))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.parent.name)
def test_committed_pages_are_of_todays_form(path: Path) -> None:
    html = path.read_text(encoding="utf-8")
    assert page_again(html) == html, f"make it anew: make pages ({path.relative_to(ROOT)})"
    held = json.loads(html.split('id="summary">')[1].split("</script>")[0])
    assert held == json.loads(path.with_name("summary.json").read_text(encoding="utf-8"))


def test_data_hold_no_end_of_an_element(single: Study) -> None:
    from flatfast.lab.report.markup import embedded

    held = embedded("summary", {"name": "</script><b>", **summarise(single)})
    assert held.count("<") == 2
