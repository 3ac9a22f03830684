"""The study's parts: the command line's own commands, each an experiment with its page."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from studies.data import needs
from studies.experiments.cases import EXPERIMENTS, IMAGES, NESTEROV, QUICK, Experiment
from studies.experiments.cycles import PROBLEM, cycles
from studies.experiments.nesterov import beside_heavy_ball
from studies.study import RESULTS, Part, Result, Study, json_part, kept_json, read_json

FLATFAST = "from flatfast.cli import main; main()"
SUMMARY, CALIBRATION = "summary.json", "calibration.json"
RUNS = "runs.parquet"
CYCLES = f"{PROBLEM}-cycles"


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Experiments with runs of their own, then those that hold the same runs to other goals."""
    for experiment in QUICK if quick else EXPERIMENTS:
        source = folder / experiment.runs_of
        missing = experiment.runs_of and not (source / SUMMARY).exists()
        out = None if quick else RESULTS / experiment.folder
        yield Part(
            experiment.name,
            partial(compute, experiment, folder, out),
            (folder / experiment.name / SUMMARY).exists,
            takes="" if experiment.runs_of else " ".join(experiment.command),
            needs=f"the runs of {experiment.runs_of}" if missing else _images(experiment),
        )
    if not quick:
        yield json_part(
            folder,
            CYCLES,
            partial(cycles, RESULTS / PROBLEM, folder / CYCLES),
            needs=needs(IMAGES[PROBLEM]),
        )


def _images(experiment: Experiment) -> str:
    """Which images are missing for an experiment; empty if none are."""
    return needs(IMAGES[experiment.name]) if experiment.name in IMAGES else ""


def compute(experiment: Experiment, folder: Path, out: Path | None) -> None:
    """Make an experiment's runs and page, and publish the page.

    Raises:
        RuntimeError: If the command fails; it has said why.
    """
    runs = folder / (experiment.runs_of or experiment.name)
    page = folder / experiment.name
    if experiment.command:
        flatfast([*experiment.command, "--out", str(runs)])
    else:
        flatfast(["report", str(runs), "--out", str(page), *experiment.goal])
    if out is not None:
        flatfast(["report", str(runs), "--out", str(out), *experiment.goal])
        if experiment.departs:
            shutil.rmtree(out / "figures")
        if experiment.calibrated:
            # 3: measured, with doubts, which the file tells.
            flatfast([*experiment.calibrated, "--out", str(out / CALIBRATION)], accepted=(0, 3))


def flatfast(words: Sequence[str], accepted: Sequence[int] = (0,)) -> None:
    """Run the command line in a process of its own, which gives back its memory."""
    done = subprocess.run([sys.executable, "-c", FLATFAST, *words], check=False)
    if done.returncode not in accepted:
        raise RuntimeError(f"flatfast {' '.join(words)} ended with {done.returncode}")


def collect(folder: Path, before: Result) -> Result:
    """The index: each experiment's exponent and best C, as its summary has them.

    And ``nesterov``, by problem: what its runs say beside those with heavy ball. And ``cycles``:
    those of FashionMNIST.
    """
    found = {path.parent.name: _entry(read_json(path, {})) for path in folder.glob(f"*/{SUMMARY}")}
    kept = before.get("experiments", {})
    wanted = [experiment.name for experiment in (*EXPERIMENTS, *QUICK)]
    return {
        "experiments": {name: (kept | found)[name] for name in wanted if name in kept | found},
        "nesterov": {**before.get("nesterov", {}), **_nesterov(folder)},
        "cycles": kept_json(folder, CYCLES) or before.get("cycles"),
    }


def _nesterov(folder: Path) -> dict[str, Any]:
    """The comparisons for which the folder has runs, beside the committed ones of heavy ball."""
    found = {}
    for problem, name in NESTEROV.items():
        ours, theirs = folder / name / RUNS, RESULTS / problem / RUNS
        if ours.exists() and theirs.exists():
            found[problem] = beside_heavy_ball(problem, theirs, ours)
    return found


def _entry(summary: dict[str, Any]) -> dict[str, Any]:
    goal = summary["problem"]["goal"]
    return {"goal": goal, "exponent": summary["exponent"], "best_C": summary["best_C"]}


STUDY = Study(parts, collect)
