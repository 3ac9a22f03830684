"""Calibrated prefactors against sweeps. Writes ``results/calibration/calibration.json``.

    python -m studies.calibration [--runs FOLDER] [--only WORD] [--measure-only]

Each case is calibrated and swept once; what is there is not made again. Cases whose runs are not in
the folder keep the row that was written before.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from flatfast.lab.atomic import atomically
from flatfast.lab.engines.devices import use_all_cores
from flatfast.lab.machine import machine, versions
from studies.calibration import along, budgets, candidates
from studies.calibration.analysis import summarise
from studies.calibration.cases import CASES, Case
from studies.calibration.collect import collected, estimated, rate_at
from studies.calibration.measure import measure, steps_planned

OUT = Path("results/calibration/calibration.json")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/calibration"))
    parser.add_argument("--only", action="append", help="cases whose label holds this word")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no case after")
    parser.add_argument("--measure-only", action="store_true", help="write no summary")
    parser.add_argument("--collect", action="store_true", help="only summarise what is there")
    parser.add_argument("--plan", action="store_true", help="tell the steps and end")
    parser.add_argument("--quick", action="store_true", help="a few short runs, for a try")
    chosen = parser.parse_args()
    console = Console()
    use_all_cores()
    words = chosen.only or [""]
    cases = [case for case in CASES if any(word in case.label for word in words)]
    if chosen.plan:
        for case in cases:
            console.print(f"{case.label}: {steps_planned(case, 0.2):,.0f} steps at C* 0.2")
        return
    begun = time.perf_counter()
    for case in [] if chosen.collect else cases:
        if time.perf_counter() - begun > 60 * chosen.minutes:
            console.print(f"{case.label}: out of time")
            continue
        before = time.perf_counter()
        try:
            measure(case, chosen.runs / case.label, chosen.quick)
        except (ValueError, RuntimeError) as error:
            console.print(f"{case.label}: {error}")
            continue
        console.print(f"{case.label}: {time.perf_counter() - before:.0f} s")
    if not chosen.measure_only:
        collect(chosen.runs)


def collect(folder: Path) -> None:
    """Summarise the runs that are there, and make what has not been made of the rest."""
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    rows = collected(kept, summarise(CASES, folder), CASES)
    found = {"machine": machine(), "versions": versions(), **rows}
    found["candidates"] = tried = dict(kept.get("candidates", {}))
    labels = {row["label"] for row in found["cases"]} - tried.keys()
    for case in track([case for case in CASES if case.label in labels], "candidates"):
        tried[case.label] = candidates.candidates(case)
    for row in found["cases"]:
        row["estimated"] = estimated(row, tried[row["label"]])
    found["budgets"] = kept.get("budgets") or {
        case.label: budgets.spread(case) for case in budgets.cases()
    }
    found["along"] = kept.get("along", {}) | {
        case.label: along.along(case, row["best_C"], row["best_time"])
        for case in along.cases()
        if case.label not in kept.get("along", {})
        for row in _located(found, case)
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with atomically(OUT) as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n")


def _located(found: dict[str, Any], case: Case) -> list[dict[str, Any]]:
    """The case's sweep at the calibration's own learning rate, if it has a located optimum."""
    rates = [rate_at(row, 1.0) for row in found["cases"] if row["label"] == case.label]
    return [rate for rate in rates if rate and rate["best_C"] is not None]


if __name__ == "__main__":
    main()
