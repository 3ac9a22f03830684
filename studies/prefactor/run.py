"""The prefactor against sweeps: which h, which exponents, and what a wrong C costs.

Three parts. Sweeps over momentum of the cases of ``prefactor_cases.py``, each into a store of its
own; the flow along each case's manifold and the local values of h, into ``geometry.json`` beside
them; and what follows from both and from the committed sweeps, ``results/prefactor/prefactor.json``
(``prefactor_analysis.py``). It goes on where it stopped.

    python -m studies.prefactor.run --plan
    python -m studies.prefactor.run --runs runs/prefactor --threads 8
    python -m studies.prefactor.run --runs runs/prefactor --collect
"""

import argparse
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax

from flatfast.lab.atomic import atomically
from flatfast.lab.engines.devices import use_all_cores
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.forecast.limit_times import FOLLOWING
from flatfast.lab.forecast.model import metric_on_points, model_of
from flatfast.lab.machine import machine, versions
from flatfast.lab.problems import load
from flatfast.lab.reproduce import identity
from flatfast.lab.runs import runs_of
from flatfast.lab.store import Store
from flatfast.lab.sweep import sweep
from flatfast.theory import (
    NotOnManifoldError,
    SquaredError,
    drift_curvature,
    excess_rate,
    flow_relaxation,
    hessian_trace,
    nearest,
    trace_curvature,
    trace_curvatures,
)
from flatfast.theory.flow import method_for
from flatfast.theory.model import Array
from studies.prefactor.analysis import analyse
from studies.prefactor.cases import CASES, FACTORS, Case

OUT = Path("results/prefactor/prefactor.json")
GEOMETRY = "geometry.json"
MACHINE = "machine.json"

MOST_RUNS = 1024
"""A case is one batch: on an accelerator a step costs the same for one run and for many."""

COMMITTED: tuple[tuple[str, str], ...] = tuple(
    (name, "{}") for name in ("digits-mlp", "teacher-student", "matrix-sensing", "scalar-product")
)
"""Problems of the committed sweeps, whose geometry is wanted too."""

OTHERS: tuple[tuple[str, str], ...] = (
    ("matrix-sensing", json.dumps({"examples": 90})),
    ("matrix-sensing", json.dumps({"examples": 105})),
    ("scalar-product", json.dumps({"target": 3.0})),
    ("scalar-product", json.dumps({"width": 30})),
)
"""Of the forecasts' own sweeps (``prediction.json``)."""

SECONDS_TO_COMPILE = 15
"""Of a case's program, for the plan."""


QUICK_SEEDS, QUICK_RECORDS = 3, 16
"""Of a look at the sweeps, on a small machine."""


def sweep_case(case: Case, folder: Path, quick: bool) -> None:
    """Make the runs of a case that are not stored yet."""
    problem = case.load()
    pairs = [(case.family.lr, momentum) for momentum in case.momenta()]
    runs = runs_of(pairs, QUICK_SEEDS if quick else case.family.seeds, case.steps)
    records = QUICK_RECORDS if quick else case.family.records
    options: dict[str, Any] = {"records": records, "dtype": "float32"}
    with Store(folder / case.folder, identity(problem, **options)) as store:
        if set(runs.identities()) <= store.done():
            return
        sweep(runs, store, LocalEngine(problem, most_runs=MOST_RUNS, **options))


def geometry(name: str, settings: str) -> dict[str, Any]:
    """The flow from a problem's start, and h by all the ways there are for a model of its size."""
    begun = time.perf_counter()
    problem = load(name, json.loads(settings))
    model, start, _ = model_of(problem)
    read = metric_on_points(problem, model)
    begin = float(read(start[None])[0])
    threshold = problem.goal.threshold_from(begin)
    options: dict[str, Any] = {"tolerance": FOLLOWING.tolerance, "floor": FOLLOWING.floor}
    relaxed = flow_relaxation(model, start, threshold=threshold, metric=read, **options)
    trace, trace_end = hessian_trace(model, start), hessian_trace(model, relaxed.point)
    found: dict[str, Any] = {
        "parameters": model.size,
        "modes": model.residual_count,
        "examples": model.examples,
        "floor": FOLLOWING.floor,
        "metric": problem.goal.metric,
        "start": begin,
        "end": relaxed.end,
        "fraction": relaxed.fraction,
        "time": relaxed.time,
        "evaluations": relaxed.evaluations,
        "trace": trace,
        "trace_end": trace_end,
        "h": {
            "flow": float(relaxed.rate),
            "excess": excess_rate(model, start, trace_end, floor=FOLLOWING.floor),
            "drift": drift_curvature(model, start, floor=FOLLOWING.floor),
        },
    }
    if method_for(model) == "dense":
        if not problem.goal.metric.endswith("trace"):
            goal = trace_end + relaxed.fraction * (trace - trace_end)
            by_trace = flow_relaxation(model, start, threshold=goal, **options)
            found["h"]["flow of the trace"] = float(by_trace.rate)
        found["h"] |= _at_the_end(model, start, relaxed.point)
    return found | {"seconds": time.perf_counter() - begun}


def _at_the_end(model: SquaredError, start: Array, end: Array) -> dict[str, float]:
    """Curvatures at the end of the flow: towards the start, and the largest; none if it is off Γ.

    With a floor the flow may leave Γ where modes fade, as at a point of lost rank.
    """
    try:
        point = nearest(model, end).point
        found = {"end, from the start": trace_curvature(model, point, start - point)}
    except NotOnManifoldError:
        return {}
    if model.size > 2:
        found["end, largest"] = float(trace_curvatures(model, point, 1)[0])
    return found


class Notes:
    """Results by name in a JSON file, written after each; for use from many threads."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._each: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def keep(self, key: str, compute: Callable[[], dict[str, Any]]) -> None:
        """Compute and write what is not there yet."""
        with self._lock:
            own = self._each[key]
        with own:
            if key in self.found:
                return
            value = compute()
            with self._lock:
                self.found[key] = value
                with atomically(self._path) as unfinished:
                    unfinished.write_text(json.dumps(self.found, indent=1) + "\n")


def tasks(folder: Path, parts: list[str], quick: bool) -> list[tuple[str, Callable[[], None]]]:
    """What there is to do, named, the most informative first."""
    notes = Notes(folder / GEOMETRY)
    wanted: list[tuple[str, Callable[[], None]]] = []
    if "sweeps" in parts:
        wanted += [(case.key, partial(sweep_case, case, folder, quick)) for case in CASES]
    # All cases that differ in noise alone share a flow.
    kinds = list(dict.fromkeys(case.geometry() for case in CASES))
    if "flows" in parts:
        others = [kind for kind in (*COMMITTED, *OTHERS) if kind not in kinds]
        for kind in [*kinds, *others]:
            key = " ".join(kind)
            wanted.append((f"flow {key}", partial(notes.keep, key, partial(geometry, *kind))))
    return wanted


def plan() -> None:
    """Print what the sweeps cost on a large accelerator."""
    total = 0.0
    for case in CASES:
        cooling = case.family.records * case.load().cooling.steps
        seconds = (case.steps + cooling) * case.family.step
        total += seconds
        print(
            f"{case.key}: lr {case.family.lr:g}, "
            f"C {case.centre * FACTORS[0]:.3g} to {case.centre * FACTORS[-1]:.3g}, "
            f"{12 * case.family.seeds} runs, {case.steps:,} steps and {cooling:,} of cooling: "
            f"{seconds:.1f} s"
        )
    compiling = SECONDS_TO_COMPILE * len(CASES)
    print(f"{len(CASES)} cases: {total:.0f} s of steps, {compiling} s of compiling over threads")


def work(wanted: list[tuple[str, Callable[[], None]]], threads: int, seconds: float) -> None:
    """Do the tasks, several at once: one compiles while another runs. None begins too late."""
    begun = time.monotonic()

    def one(task: tuple[str, Callable[[], None]]) -> None:
        name, do = task
        started = time.monotonic() - begun
        if started > seconds:
            return print(f"left out for lack of time: {name}", flush=True)
        try:
            do()
        except (ValueError, RuntimeError) as error:
            return print(f"failed: {name}: {error}", flush=True)
        now = time.monotonic() - begun
        print(f"{now:6.1f} s: {name} ({now - started:.1f} s)", flush=True)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, wanted))


def _note_machine(path: Path, parts: list[str]) -> None:
    """Write down where each part ran last: they need not share a machine."""
    ran_on = machine() | {"accelerator": jax.devices()[0].device_kind, "versions": versions()}
    noted = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(noted | dict.fromkeys(parts, ran_on), indent=1) + "\n")


def main() -> None:
    """Plan, or run, and collect."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/prefactor"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", help="what has this in its name")
    parser.add_argument("--parts", default="sweeps,flows")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin none after")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few seeds and records, for a look")
    parser.add_argument("--plan", action="store_true", help="print what it costs")
    parser.add_argument("--collect", action="store_true", help="only put together what is there")
    chosen = parser.parse_args()
    if chosen.plan:
        return plan()
    if not chosen.collect:
        use_all_cores()
        chosen.runs.mkdir(parents=True, exist_ok=True)
        every = tasks(chosen.runs, chosen.parts.split(","), chosen.quick)
        wanted = [task for task in every if chosen.only is None or chosen.only in task[0]]
        work(wanted, chosen.threads, 60 * chosen.minutes)
        _note_machine(chosen.runs / MACHINE, chosen.parts.split(","))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(analyse(chosen.runs), indent=1) + "\n")


if __name__ == "__main__":
    main()
