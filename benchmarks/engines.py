"""What the engines cost beside one another, and the constants that a large cluster is planned by.

The same sweeps by this process (``local``), by worker processes (``processes``) and by tasks of Ray
on this machine's own cluster (``ray``), one after the other in every repeat, each stored as a sweep
is. An engine is opened, has made a first chunk on each worker and only then is timed. Two rates:
run-steps a second of wall clock, and run-steps a second of processor time of this process and all
that it has started, which is what a core does however busy the machine is with other things.

Then whole commands in processes of their own, from their start to the last row; and

- what a worker's start takes until its first row: imports, the job, the first chunk with and
  without JAX's persistent compilation cache, and the same chunk again;
- the driver's seconds a stored chunk, over a thousand of them, and the bytes of a row, on the way
  and stored;
- the driver's memory while Ray brings it tasks.

Writes ``results/speed/engines.json``.

    python -m benchmarks.engines
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.engine_cases import CASES, Case, swept
from benchmarks.engine_costs import driver_memory, starts, storing
from benchmarks.timing import ratio_of_rates, seconds
from flatfast.lab.engines.choose import open_engines
from flatfast.lab.engines.devices import use_all_cores
from flatfast.lab.machine import machine, usable_cores
from flatfast.lab.runs import chunks

ENGINES = ("local", "processes", "ray")

BESIDE = ("processes", "ray")
"""Those that are compared with the local engine."""


def compared(repeats: int, cases: tuple[Case, ...]) -> list[dict[str, Any]]:
    """Rates of all engines for each sweep, and their ratios to the local one's."""
    jobs = {case.name: case.job() for case in cases}
    times: dict[str, dict[str, list[dict[str, float]]]]
    times = {case.name: {engine: [] for engine in ENGINES} for case in cases}
    for repeat in range(repeats):
        for engine in ENGINES if repeat % 2 == 0 else ENGINES[::-1]:
            with open_engines(engine) as make:
                for case in cases:
                    made = make(jobs[case.name])
                    first = case.plan(0, min(made.width * made.workers, case.runs // 4))
                    list(made.run(chunks(first, made.width)))
                    spent = swept(case, make, jobs[case.name], case.plan((repeat + 1) * case.runs))
                    times[case.name][engine].append(spent)
                    rates = [case.run_steps / spent[kind] for kind in ("clock", "processor")]
                    print(f"{repeat} {engine:10s}{case.name:16s}{rates[0]:14,.0f}{rates[1]:14,.0f}")
    return [_rates(case, times[case.name]) for case in cases]


def _rates(case: Case, times: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "problem": case.name,
        "runs": case.runs,
        "steps": case.steps,
        "seconds": times,
    }
    for kind in ("clock", "processor"):
        of = {engine: [each[kind] for each in times[engine]] for engine in ENGINES}
        found[f"run_steps_per_{kind}_second"] = {
            engine: case.run_steps / statistics.median(of[engine]) for engine in ENGINES
        }
        found[f"over_local_by_{kind}"] = {
            engine: ratio_of_rates(of[engine], of["local"], case.run_steps, case.run_steps)
            for engine in BESIDE
        }
    return found


def whole_commands(repeats: int, case: Case) -> dict[str, Any]:
    """Seconds of commands that sweep, from nothing to the report, engine after engine."""
    times: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for repeat in range(repeats):
        for engine in ENGINES if repeat % 2 == 0 else ENGINES[::-1]:
            with tempfile.TemporaryDirectory() as folder:
                words = [sys.executable, "-c", "from flatfast.cli import main; main()", "sweep"]
                words += [case.name, "--start", "init", "--lr", str(case.lr), "--momentum", "0.9"]
                words += ["--seeds", str(case.runs), "--steps", str(case.steps), "--records", "16"]
                words += ["--engine", engine, "--out", f"{folder}/runs"]
                times[engine].append(
                    seconds(partial(subprocess.run, words, capture_output=True, check=True))
                )
                print(f"{repeat} {engine:10s}whole command  {times[engine][-1]:8.1f} s")
    return {
        "problem": case.name,
        "runs": case.runs,
        "steps": case.steps,
        "seconds": times,
        "over_local": {
            engine: ratio_of_rates(times[engine], times["local"], 1, 1) for engine in BESIDE
        },
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=["compared", "commands", "starts", "storing", "memory"])
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "speed"
    )
    options = parser.parse_args()
    use_all_cores()  # here: a worker process imports this file, and settles its own
    path = options.out / "engines.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    cores = min(2, usable_cores())
    parts: dict[str, Callable[[], Any]] = {
        "compared": lambda: compared(options.repeats, CASES),
        "commands": lambda: whole_commands(3, CASES[1]),
        "starts": lambda: [starts(3, case, cores) for case in CASES[1::2]],
        "storing": lambda: storing(CASES[1]),
        "memory": lambda: driver_memory(Case("scalar-product", 128 * 1500, 400, 1e-4)),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            before = os.getloadavg()[0]
            found[name] = {"found": part(), "load": {"before": before, "after": os.getloadavg()[0]}}
            found |= {"machine": machine(), "repeats": options.repeats}
            options.out.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
