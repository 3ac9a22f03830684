"""What the lab's commands share: a folder of runs, notes on it, and the study of its runs."""

import contextlib
import re
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flatfast.cli.console import Console
from flatfast.cli.interrupts import keeping
from flatfast.convention import normalized

if TYPE_CHECKING:
    import pyarrow as pa

    from flatfast.lab.engines.choose import MakeEngine
    from flatfast.lab.estimation.conventions import Convention
    from flatfast.lab.forecast.record import Forecast
    from flatfast.lab.problem import Problem
    from flatfast.lab.report.study import Study
    from flatfast.lab.runs import Runs
    from flatfast.lab.status import StatusFile
    from flatfast.lab.store import Store

MOST_TOLD = 8
"""How many files that are left out of a folder are named on the terminal."""


NOT_KEPT = ("--out", "--data", "--address", "--slurm")
"""Options of a command whose values are of no use to anybody else."""


def open_store(folder: Path, identity: dict[str, Any], fresh: bool) -> "Store":
    """Open a folder for a sweep's runs; ``fresh`` gives up those that it holds."""
    from flatfast.lab.report import remove_report
    from flatfast.lab.store import Store

    return Store(folder, identity, command=_command(), fresh=fresh, on_fresh=remove_report)


@contextlib.contextmanager
def engines_of(
    console: Console, name: str, folder: Path, fresh: bool, **options: Any
) -> "Iterator[MakeEngine]":
    """Open the engines of a name (:func:`.open_engines`), and say what they warn of."""
    from flatfast.lab.engines.choose import open_engines

    with contextlib.ExitStack() as stack:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            engines = stack.enter_context(open_engines(name, folder=folder, fresh=fresh, **options))
        for each in told:
            console.note(str(each.message))
        yield engines


def records_of(folder: Path) -> int | None:
    """The records of the runs that a folder holds; None if it holds none that say so.

    A sweep that goes on keeps to them: runs of other records would be another sweep. The runs'
    own word counts, so that they are known where the manifest is lost or cut, which opening the
    folder mends only for the sweep that they belong to.
    """
    from flatfast.lab.store import has_runs, manifest_of_chunks

    if not has_runs(folder):
        return None
    try:
        records = manifest_of_chunks(folder)[0]["settings"]["records"]
    except (RuntimeError, LookupError):  # nothing tells what the runs are: opening refuses them
        return None
    return records if isinstance(records, int) and records > 0 else None


def _command() -> str:
    """The command line as anybody can repeat it: without folders and paths of this machine."""
    return portable(shlex.join(["flatfast", *sys.argv[1:]]))


def portable(command: str) -> str:
    """A command without its folders, cluster, account and ``--fresh``; files by their names alone.

    Where the images lay is not kept: the problem's settings say which they are.
    """
    try:
        words = iter(shlex.split(command))
    except ValueError:
        return command
    kept = []
    for word in words:
        if word in NOT_KEPT:
            next(words, None)
        elif word == "--set" and (pair := next(words, "")).startswith("data="):
            continue
        elif word == "--set":
            kept += [word, re.sub(r"[^=]*/", "", pair)]
        elif word != "--fresh" and not word.startswith(
            ("--set=data=", *(f"{option}=" for option in NOT_KEPT))
        ):
            kept.append(re.sub(r"[^=]*/", "", word))
    return shlex.join(kept)


def stored_in(store: "Store") -> str:
    """What a stop leaves while runs are made."""
    if not store.done():
        return "stopped: nothing was stored yet; repeat the command to start again"
    return (
        f"stopped: what is stored in {store.folder} is kept; repeat the command to go on from there"
    )


def status_file(
    store: "Store",
    name: str,
    stages: tuple[str, ...],
    engine: str,
    live: bool,
    grid: "Runs | None",
) -> "StatusFile":
    """What keeps the folder's ``status.json``, and with ``live`` its ``progress.html``.

    Args:
        store: The sweep's store.
        name: What is swept.
        stages: What the sweeps to come are called.
        engine: Where runs are made.
        live: Whether there is to be a page.
        grid: The runs of the grid; None where they are chosen as it goes.
    """
    from flatfast.lab.status import LIVE, StatusFile

    if not live:
        with contextlib.suppress(OSError):  # of an earlier command, and nobody's now
            (store.folder / LIVE).unlink(missing_ok=True)
        return StatusFile(store, stages, engine=engine)
    from flatfast.lab.report.live import LivePage

    wanted = (
        None
        if grid is None
        else Counter(zip(grid.lr.tolist(), grid.momentum.tolist(), strict=True))
    )
    page = LivePage(store.folder, name, wanted)
    return StatusFile(store, stages, engine=engine, also=page)


def tell_live(console: Console, folder: Path) -> None:
    """Say where the page is that shows how runs go on."""
    from flatfast.lab.status import LIVE

    console.say("as it goes on, once the first runs are stored: ", (str(folder / LIVE), "bold"))


def tell_leftovers(console: Console, store: "Store") -> None:
    """Say what of the folder is used and what is not."""
    tell_problems(console, store.problems)
    if store.done():
        console.print(f"{len(store.done())} runs are stored already", highlight=False)


def tell_problems(console: Console, problems: list[str]) -> None:
    """Say what was left out, at most :data:`MOST_TOLD` things one by one."""
    for line in problems[:MOST_TOLD]:
        console.note(line)
    if len(problems) > MOST_TOLD:
        console.note(f"{len(problems) - MOST_TOLD} more files were left out")


def warn_unstable(
    console: Console,
    problem: "Problem",
    rates: tuple[float, ...],
    momentum: float,
    convention: "Convention",
) -> None:
    """Say which learning rates lie above the stability limit at the start, where SGD has one.

    Args:
        console: Where to print.
        problem: What is run.
        rates: Learning rates.
        momentum: The highest.
        convention: Of both; the limit of other optimizers is another at every step.
    """
    if not convention.plain:
        return
    from flatfast import timescales
    from flatfast.lab.training.stability import steepest_curvature

    curvature = steepest_curvature(problem)
    if not curvature > 0:
        return
    limit = float(timescales.stability_limit(momentum, curvature))
    if convention.name == "normalized":
        limit = normalized(limit, momentum)[0]
    over = [rate for rate in rates if rate >= limit]
    if over:
        console.note(
            f"lr {', '.join(f'{rate:g}' for rate in over)} is above the stability "
            f"limit at the start, {limit:.3g} at momentum {momentum:.4g} (largest Hessian "
            f"eigenvalue {curvature:.3g}): such runs may diverge, or be thrown off the manifold"
        )


def study_of(
    runs: Any,
    manifest: dict[str, Any],
    forecast: "Forecast | None" = None,
    missing: dict[str, str] | None = None,
    sample: "pa.Table | None" = None,
) -> "Study":
    """Analyse stored runs, or of many a sample's trajectories."""
    from flatfast.lab.analysis import analyse

    about = {name: manifest.get(name) for name in ("machine", "versions", "created")}
    commands = str(manifest.get("command") or "").splitlines()
    about["command"] = "\n".join(dict.fromkeys(map(portable, commands))) or None
    described = {**manifest["settings"], **about}
    return analyse(runs, described, forecast=forecast, missing=missing, sample=sample)


def forecast_of(console: Console, folder: Path) -> "tuple[Forecast | None, dict[str, str]]":
    """The forecast that lies beside a folder's runs, if one does, and why it cannot be used."""
    from flatfast.lab.forecast.record import FORECAST, read_forecast

    path = folder / FORECAST
    if not path.is_file():
        return None, {}
    try:
        return read_forecast(path), {}
    except (ValueError, OSError) as error:
        console.note(f"{error}; the report goes without it")
        return None, {"forecast": str(error)}


def make_forecast(console: Console, problem: "Problem", store: "Store") -> None:
    """Predict the best momentum before the runs and keep it beside them, where theory serves."""
    from flatfast.lab.forecast.record import FORECAST, write_forecast

    path = store.folder / FORECAST
    made = store.claimed and forecast_of(console, store.folder)[0] is not None
    if problem.residuals is None or made:
        return
    from flatfast.cli.progress import told_stages
    from flatfast.lab.forecast.forecast import forecast, is_small

    if not is_small(problem):
        return
    try:
        with told_stages(console, "forecast: ") as tell:
            found = forecast(problem, progress=tell)
    except (ValueError, RuntimeError) as error:
        console.note(f"no forecast: {error}")
        return
    store.claim()
    write_forecast(found, path)
    console.say(
        f"forecast: best C {found.answer:.3g}, converged after {found.answer_time:.3g} * "
        "lr^(-2/3) steps"
    )


def report_of(console: Console, store: "Store", runs: "pa.Table") -> Path:
    """Analyse the runs that a command asked for, write their report, print the answer.

    Returns:
        The report's page.
    """
    from flatfast.lab.rows import each_once

    kept = f"all runs are stored in {store.folder}"
    again = shlex.join(["flatfast", "report", str(store.folder)])
    with keeping(f"stopped: {kept}; {again} writes their report"):
        found = store.survey()
        tell_problems(console, [line for line in found.problems if line not in store.problems])
        manifest = {**found.manifest, "command": _command()}
        forecast, missing = forecast_of(console, store.folder)
        page = write_study(
            console,
            lambda: study_of(runs, manifest, forecast, missing),
            store.folder,
            runs=store.folder,
        )
    others = len(each_once(found.keys())) - len(runs)
    if others:
        console.note(
            f"{others} other runs are stored here that this command does not ask for; "
            f"{again} reads all of them"
        )
    return page


def write_study(console: Console, make: "Callable[[], Study]", folder: Path, *, runs: Path) -> Path:
    """Make a study and write its report, then print it: who does not listen still has the report.

    Args:
        console: Where to print.
        make: Makes the study.
        folder: Where to write.
        runs: The folder of its runs.

    Returns:
        The report's page.

    Raises:
        RuntimeError: If the report cannot be written; the message says where the runs are.
    """
    from flatfast.cli.progress import told_stages
    from flatfast.cli.tables import study_tables
    from flatfast.lab.atomic import fault
    from flatfast.lab.report import write_report

    with told_stages(console, "report: ") as tell:
        tell("fits and their intervals")
        study = make()
        try:
            page = write_report(study, folder, tell)
        except OSError as error:
            elsewhere = f"{shlex.join(['flatfast', 'report', str(runs)])} --out ANOTHER"
            raise RuntimeError(
                f"the report cannot be written to {folder}: {fault(error)}. The runs are safe in "
                f"{runs}: make room, or let {elsewhere} write their report elsewhere"
            ) from error
    for part in study_tables(study):
        console.print(part)
    for line in study.manifest.get("set_aside", ()):
        console.note(line)
    return page


def tell_page(console: Console, page: Path) -> None:
    """Say where the report is."""
    console.say("\npage: ", (str(page), "bold"))
