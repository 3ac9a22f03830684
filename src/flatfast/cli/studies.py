"""What the lab's commands share: a folder of runs, notes on it, and the study of its runs."""

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    import pyarrow as pa

    from flatfast.lab.forecast import Forecast
    from flatfast.lab.problem import Problem
    from flatfast.lab.report.study import Study
    from flatfast.lab.store import Store

MOST_TOLD = 8
"""How many files that are left out of a folder are named on the terminal."""


def open_store(folder: Path, identity: dict[str, Any], fresh: bool) -> "Store":
    """Open a folder for a sweep's runs; ``fresh`` gives up those that it holds."""
    from flatfast.lab.report import remove_report
    from flatfast.lab.store import Store

    return Store(folder, identity, command=_command(), fresh=fresh, on_fresh=remove_report)


def _command() -> str:
    """The command line as anybody can repeat it: without folders and paths of this machine."""
    return portable(shlex.join(["flatfast", *sys.argv[1:]]))


def portable(command: str) -> str:
    """A command without its output folder and ``--fresh``, and with files by their names alone."""
    try:
        words = iter(shlex.split(command))
    except ValueError:
        return command
    kept = []
    for word in words:
        if word == "--out":
            next(words, None)
        elif word != "--fresh" and not word.startswith("--out="):
            kept.append(re.sub(r"[^=]*/", "", word))
    return shlex.join(kept)


def tell_leftovers(console: Console, store: "Store") -> None:
    """Say what of the folder is used and what is not."""
    tell_problems(console, store.problems)
    if store.done():
        console.print(f"{len(store.done())} runs are stored already", highlight=False)


def tell_problems(console: Console, problems: list[str]) -> None:
    """Say what was left out, at most :data:`MOST_TOLD` things one by one."""
    for line in problems[:MOST_TOLD]:
        _note(console, line)
    if len(problems) > MOST_TOLD:
        _note(console, f"{len(problems) - MOST_TOLD} more files were left out")


def _note(console: Console, line: str) -> None:
    console.print("[yellow]note:[/]", Text(line), highlight=False, soft_wrap=True)


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

    about = {name: manifest.get(name) for name in ("machine", "versions", "created")}
    commands = str(manifest.get("command") or "").splitlines()
    about["command"] = "\n".join(dict.fromkeys(map(portable, commands))) or None
    return analyse(runs, {**manifest["settings"], **about}, forecast=forecast)


def forecast_of(folder: Path) -> "Forecast | None":
    """The forecast that lies beside a folder's runs, if one does."""
    from flatfast.lab.forecast import FORECAST, read_forecast

    path = folder / FORECAST
    return read_forecast(path) if path.is_file() else None


def make_forecast(console: Console, problem: "Problem", store: "Store") -> None:
    """Predict the best momentum before the runs and keep it beside them, where theory serves."""
    from flatfast.lab.forecast import FORECAST, write_forecast

    path = store.folder / FORECAST
    if (store.claimed and path.is_file()) or problem.residuals is None:
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
    store.claim()
    write_forecast(found, path)
    console.print(
        f"forecast: best C {found.answer:.3g}, converged after {found.answer_time:.3g} * "
        "lr^(-2/3) steps",
        highlight=False,
        soft_wrap=True,
    )


def report_of(console: Console, store: "Store", runs: "pa.Table") -> Path:
    """Analyse the runs that a command asked for, print the answer, write the report.

    Returns:
        The report's page.
    """
    from flatfast.lab.report import write_report
    from flatfast.lab.rows import KEY

    stored = store.read(KEY)
    tell_problems(console, [line for line in stored.problems if line not in store.problems])
    study = study_of(runs, {**stored.manifest, "command": _command()}, forecast_of(store.folder))
    print_study(console, study)
    page = write_report(study, store.folder)
    others = len(stored.rows) - len(runs)
    if others:
        _note(
            console,
            f"{others} other runs are stored here that this command does not ask for; "
            f"flatfast report {shlex.quote(str(store.folder))} reads all of them",
        )
    return page


def print_study(console: Console, study: "Study") -> None:
    """Print the answer and its tables."""
    from flatfast.cli.tables import study_tables

    for part in study_tables(study):
        console.print(part, highlight=False)
    for line in study.manifest.get("set_aside", ()):
        _note(console, line)
