"""Where the law ends: runs for a map of the best momentum over noise and learning rate.

Sweeps the cases of ``studies.regimes.cases``. Every learning rate is stored when it is done; the
same command goes on where it was. ``FOLDER/tables/CASE.parquet`` has one row per run, without the
trajectories: all that ``studies.regimes.analysis`` needs.

    python -m studies.regimes.run --runs runs/regimes [--quick] [--only CASE] [--minutes M]
    python -m studies.regimes.run --plan
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import pyarrow.parquet as pq

from flatfast.lab.atomic import atomically
from flatfast.lab.engines.devices import use_all_cores
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.machine import machine, versions
from flatfast.lab.reproduce import identity
from flatfast.lab.runs import runs_of
from flatfast.lab.store import Store
from flatfast.lab.sweep import sweep
from studies.regimes.cases import CASES, Case

MOST_RUNS = 1024
"""All runs at one learning rate in one batch: on an accelerator a wide batch costs what a narrow
one does, and steps are what takes time."""

COLUMNS = ("lr", "momentum", "seed", "steps", "status", "convergence_step")
"""What is kept of a run beside the stores."""

STEP_SECONDS = 5e-5
"""What a step of a batch is taken to last in ``--plan``."""


def plan(cases: tuple[Case, ...]) -> str:
    """A line per case: learning rates, batch, steps in all, and seconds at ``STEP_SECONDS``."""
    lines, whole = [], 0.0
    for case in cases:
        steps = sum(case.steps(lr) for lr in case.lr)
        width = max(len(case.momenta(lr)) for lr in case.lr) * case.seeds
        whole += steps * STEP_SECONDS
        lines.append(
            f"{case.name:24} {len(case.lr)} lr, {width:5} runs at once, {steps:9,} steps, "
            f"{steps * STEP_SECONDS:6.1f} s"
        )
    return "\n".join([*lines, f"{len(cases)} cases: {whole:.0f} s, compiling not counted"])


def run(case: Case, folder: Path, ends: float) -> bool:
    """Sweep a case, one learning rate after the other.

    Args:
        case: What to sweep.
        folder: Where stores and tables go.
        ends: Time, as of ``time.monotonic``, after which no learning rate is begun.

    Returns:
        Whether all of it is done.
    """
    options: dict[str, Any] = {"records": case.records}
    problem = case.make()
    engine = None
    with Store(folder / case.name, identity(problem, **options)) as store:
        for lr in case.lr:
            pairs = [(lr, momentum) for momentum in case.momenta(lr)]
            wanted = runs_of(pairs, case.seeds, case.steps)
            if set(wanted.identities()) <= store.done():
                continue
            if time.monotonic() > ends:
                return False
            begun = time.perf_counter()
            engine = engine or LocalEngine(problem, most_runs=MOST_RUNS, **options)
            sweep(wanted, store, engine)
            print(
                f"{case.name:24} lr {lr:.3g}: {len(wanted)} runs of {case.steps(lr):,} steps in "
                f"{time.perf_counter() - begun:.1f} s",
                flush=True,
            )
            with atomically(folder / "tables" / f"{case.name}.parquet") as partial:
                table = store.table().select(COLUMNS)
                pq.write_table(table, partial, compression="zstd")
            note_machine(folder / "tables" / "machines.json", case.name)
    return True


def note_machine(path: Path, name: str) -> None:
    """Write down what a case was computed on, beside the others: they may differ."""
    known = json.loads(path.read_text()) if path.exists() else {}
    where = {"machine": machine(), "device": jax.devices()[0].device_kind, "versions": versions()}
    with atomically(path) as partial:
        partial.write_text(json.dumps({**known, name: where}, indent=1) + "\n")


def main() -> None:
    """Run, or tell what would be run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/regimes"), metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and learning rates")
    parser.add_argument("--only", nargs="*", choices=[case.name for case in CASES], metavar="CASE")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing after")
    parser.add_argument("--plan", action="store_true", help="print what would be run")
    chosen = parser.parse_args()
    cases = tuple(case for case in CASES if chosen.only is None or case.name in chosen.only)
    if chosen.quick:
        cases = tuple(case.quick() for case in cases)
    if chosen.plan:
        print(plan(cases))
        return
    use_all_cores()
    tables = chosen.runs / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * chosen.minutes
    # Accelerators round the factors of single-precision products to ten bits unless told not to:
    # too coarse for a descent to a loss of 1e-9.
    with jax.default_matmul_precision("highest"):
        left = [case.name for case in cases if not run(case, chosen.runs, ends)]
    print(f"not finished: {', '.join(left)}" if left else f"{len(cases)} cases done")


if __name__ == "__main__":
    main()
