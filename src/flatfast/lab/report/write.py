"""A study on disk: page, summary, figures, the table of runs, and the forecast."""

from collections.abc import Callable
from pathlib import Path

from flatfast.lab.atomic import atomically
from flatfast.lab.forecast.record import FORECAST, write_forecast
from flatfast.lab.report.cards import Shown
from flatfast.lab.report.figures import FIGURES, Drawing
from flatfast.lab.report.page import page
from flatfast.lab.report.study import CannotDraw, Study
from flatfast.lab.report.summary import summarise, write_summary
from flatfast.lab.report.theme import THEMES, save
from flatfast.lab.report.values import values_of
from flatfast.lab.rows import export_runs
from flatfast.lab.status import LIVE, STATUS


def write_report(study: Study, folder: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Write ``index.html``, ``summary.json``, ``runs.parquet`` and ``figures/`` for a study.

    And ``forecast.json`` if it has a forecast.

    Parts that the study lacks are named on the page, with what to do about them; nothing of an
    earlier report remains in their place.

    Args:
        study: Runs and fits.
        folder: Where to write; made if it does not exist.
        progress: Is told what is being drawn or written.

    Returns:
        Path of the page.

    Raises:
        OSError: If ``folder`` cannot be made or written to.
    """
    drawn = folder / "figures"
    drawn.mkdir(parents=True, exist_ok=True)
    tell = progress or (lambda _: None)
    figures = []
    for drawing in FIGURES:
        if drawing.applies(study):
            tell(f"figure of the {drawing.name.replace('_', ' ')}")
            figures.append(_draw(drawing, study, drawn))
    tell("page, summary and table of runs")
    _remove_others(drawn, figures)
    summary = summarise(study)
    write_summary(summary, folder / "summary.json")
    export_runs(study.runs, folder / "runs.parquet")
    if study.forecast is not None:
        write_forecast(study.forecast, folder / FORECAST)
    elif "forecast" not in study.missing:  # one that cannot be read is somebody's to look at
        (folder / FORECAST).unlink(missing_ok=True)
    return write_page(folder, page(summary, figures))


def remove_report(folder: Path) -> None:
    """Remove what :func:`write_report` made, and how its runs went on, where it is there."""
    drawn = folder / "figures"
    _remove_others(drawn, [])
    if drawn.is_dir() and not any(drawn.iterdir()):
        drawn.rmdir()
    for name in ("summary.json", "runs.parquet", FORECAST, "index.html", STATUS, LIVE):
        (folder / name).unlink(missing_ok=True)


def _draw(drawing: Drawing, study: Study, folder: Path) -> Shown:
    try:
        sheets = {theme: drawing.draw(study, theme) for theme in THEMES}
    except CannotDraw as missing:
        return Shown(drawing, None, None, str(missing))
    paths = {theme.name: save(sheets[theme], theme, folder, drawing.name) for theme in THEMES}
    # Marks are in the same places in every theme.
    values = values_of(sheets[THEMES[0]])
    light, dark = (paths[name]["svg"].read_bytes() for name in ("light", "dark"))
    return Shown(drawing, light, dark, values=values)


def _remove_others(folder: Path, figures: list[Shown]) -> None:
    """Remove figures of an earlier report that this one does not have."""
    kept = {figure.drawing.name for figure in figures if figure.light is not None}
    for drawing in FIGURES:
        if drawing.name not in kept:
            for suffix in ("", "-dark"):
                for kind in ("svg", "png"):
                    (folder / f"{drawing.name}{suffix}.{kind}").unlink(missing_ok=True)


def write_page(folder: Path, html: str) -> Path:
    """Write a page where a reader never sees half of it; returns its path."""
    index = folder / "index.html"
    with atomically(index) as partial:
        partial.write_text(html, encoding="utf-8")
    return index
