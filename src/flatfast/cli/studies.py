"""What the lab's commands share: a folder of runs, notes on it, and the study of its runs."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from flatfast.lab.forecast import Forecast
    from flatfast.lab.problem import Problem
    from flatfast.lab.report.study import Study
    from flatfast.lab.store import Store


def open_store(folder: Path, identity: dict[str, Any], fresh: bool) -> "Store":
    """Open a folder for a sweep's runs; with ``fresh``, delete what it holds first."""
    from flatfast.lab.report import remove_report
    from flatfast.lab.store import Store, discard

    if fresh and discard(folder):
        remove_report(folder)
    return Store(folder, identity, command=shlex.join(["flatfast", *sys.argv[1:]]))


def tell_leftovers(console: Console, store: "Store") -> None:
    """Say what of the folder is used and what is not."""
    for line in store.problems:
        console.print(f"[yellow]note:[/] {line}", highlight=False, soft_wrap=True)
    if store.done():
        console.print(f"{len(store.done())} runs are stored already", highlight=False)


def warn_unstable(
    console: Console, problem: "Problem", rates: tuple[float, ...], momentum: float
) -> None:
    """Say which learning rates lie above the stability limit at the start."""
    from flatfast import timescales
    from flatfast.lab.training.stability import steepest_curvature

    curvature = steepest_curvature(problem)
    if not curvature > 0:
        return
    limit = float(timescales.stability_limit(momentum, curvature))
    over = [rate for rate in rates if rate >= limit]
    if over:
        console.print(
            f"[yellow]note:[/] lr {', '.join(f'{rate:g}' for rate in over)} is above the stability "
            f"limit at the start, {limit:.3g} at momentum {momentum:.4g} (largest Hessian "
            f"eigenvalue {curvature:.3g}): such runs may diverge, or be thrown off the manifold",
            highlight=False,
            soft_wrap=True,
        )


def study_of(runs: Any, manifest: dict[str, Any], forecast: "Forecast | None" = None) -> "Study":
    """Analyse stored runs."""
    from flatfast.lab.analysis import analyse

    about = {name: manifest.get(name) for name in ("machine", "versions", "command", "created")}
    return analyse(runs, {**manifest["settings"], **about}, forecast=forecast)


def forecast_of(folder: Path) -> "Forecast | None":
    """The forecast that lies beside a folder's runs, if one does."""
    from flatfast.lab.forecast import FORECAST, read_forecast

    path = folder / FORECAST
    return read_forecast(path) if path.is_file() else None


def make_forecast(console: Console, problem: "Problem", folder: Path) -> None:
    """Predict the best momentum before the runs and keep it beside them, where theory serves."""
    from flatfast.lab.forecast import FORECAST, write_forecast

    path = folder / FORECAST
    if path.is_file() or problem.residuals is None:
        return
    from flatfast.cli.progress import told_stages
    from flatfast.lab.predict import forecast, is_small

    if not is_small(problem):
        return
    try:
        with told_stages(console, "forecast: ") as tell:
            found = forecast(problem, progress=tell)
    except (ValueError, RuntimeError) as error:
        console.print(f"[yellow]note:[/] no forecast: {error}", highlight=False, soft_wrap=True)
        return
    write_forecast(found, path)
    console.print(
        f"forecast: best C {found.answer:.3g}, converged after {found.answer_time:.3g} * "
        "lr^(-2/3) steps",
        highlight=False,
        soft_wrap=True,
    )


def report_of(console: Console, store: "Store") -> Path:
    """Analyse a store's runs, print the answer, write the report; returns its page."""
    from flatfast.lab.report import write_report

    study = study_of(store.table(), store.manifest, forecast_of(store.folder))
    print_study(console, study)
    return write_report(study, store.folder)


def print_study(console: Console, study: "Study") -> None:
    """Print the answer and its tables."""
    from flatfast.cli.tables import study_tables

    for part in study_tables(study):
        console.print(part, highlight=False)
