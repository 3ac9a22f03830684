"""How far the mean of SGD is from the limit dynamics, as the learning rate falls.

SGD with label noise and ``1 - momentum = C lr^(2/3)`` against the limit at the same times
``t = k lr^(2/3)``: the path with every mode's mean variance, and the mean of paths with random
amplitudes. The problems are scalar products of width 1 and 30, matrix sensing, and a product of
two vectors whose number of modes can be chosen (:mod:`studies.limit.rank_one`).

    python -m studies.limit.run            # what is missing, then the tables
    python -m studies.limit.run --plan     # what that would be

Every part is kept in ``--runs-folder`` once it is computed; ``--out`` is written from those there
are. SGD takes some 600,000 steps of wide batches in double precision: minutes on a GPU, days on a
CPU, where ``--quick`` (fewer and larger learning rates, few runs) shows that it works.
"""

import argparse
import fnmatch
import json
import time
from pathlib import Path

import jax

from flatfast.lab.atomic import atomically
from flatfast.lab.machine import machine, versions
from studies.limit.analysis import analysed
from studies.limit.cases import EPS, Case, matrix_sensing, rank_one_case, scalar_product
from studies.limit.cells import Cell, cells_of, devices_of, write_cell

OUT = Path("results/limit/limit.json")
RUNS_FOLDER = Path("runs/limit-study")
LRS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
SENSING_LRS = (6.3e-2, 1.6e-2, 4e-3, 1e-3, 2.5e-4, 6.3e-5)


def all_cases() -> list[Case]:
    """The study.

    The rank-one family has 3 and 7 modes; the scalar product of width 1 is its first member.
    """
    return [
        scalar_product(1, (*LRS, 1e-7), runs=200_000, paths=400_000),
        scalar_product(30, LRS, runs=20_000, paths=20_000),
        rank_one_case(2, (1e-6,), runs=10_000, paths=40_000),
        rank_one_case(4, (1e-5,), runs=4000, paths=40_000),
        matrix_sensing(SENSING_LRS, runs=256),
    ]


def quick_cases() -> list[Case]:
    """The same in a minute or two of a CPU; its numbers mean little."""
    return [
        scalar_product(1, LRS[:4], runs=1000, paths=500),
        scalar_product(30, LRS[:3], runs=100, paths=100),
        *(rank_one_case(m, (1e-4,), runs=500, paths=500) for m in (2, 4)),
        matrix_sensing(SENSING_LRS[:3], runs=4),
    ]


def chosen_cells(cases: list[Case], folder: Path, only: list[str]) -> list[Cell]:
    """The cells that are missing, and match one of the patterns if there are any."""
    return [
        cell
        for case in cases
        for cell in cells_of(case)
        if not (folder / f"{cell.name}.npz").exists()
        and (not only or any(fnmatch.fnmatch(cell.name, pattern) for pattern in only))
    ]


def compute(cells: list[Cell], folder: Path, minutes: float | None) -> None:
    """Compute and keep cells, as long as the next would end in time."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    for number, cell in enumerate(cells):
        spent = time.perf_counter() - began
        if minutes is not None and spent + cell.seconds > 60 * minutes:
            print(f"{len(cells) - number} of {len(cells)} parts left: the time is up")
            return
        seconds = write_cell(cell, folder)
        each = f", {1e6 * seconds / cell.steps:.0f} microseconds a step" if cell.steps else ""
        print(f"{cell.name}: {seconds:.1f} s{each}", flush=True)


def main() -> None:
    """Compute what is missing and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs-folder", type=Path, default=RUNS_FOLDER)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", action="append", default=[], help="pattern of names of parts")
    parser.add_argument("--minutes", type=float, help="begin no part that would end later")
    parser.add_argument("--quick", action="store_true", help="a small version")
    parser.add_argument("--plan", action="store_true", help="say what is missing and stop")
    chosen = parser.parse_args()
    # The start of matrix sensing comes from descent in single precision: no shorter products there.
    jax.config.update("jax_default_matmul_precision", "highest")
    cases = quick_cases() if chosen.quick else all_cases()
    cells = chosen_cells(cases, chosen.runs_folder, chosen.only)
    if chosen.plan:
        for cell in cells:
            print(f"{cell.name:40} {cell.steps:9,} steps {cell.seconds:7.1f} s")
        print(f"{'in all':40} {sum(c.steps for c in cells):9,} steps", end=" ")
        print(f"{sum(c.seconds for c in cells):7.1f} s")
        return
    compute(cells, chosen.runs_folder, chosen.minutes)
    result = {
        "machine": machine(),
        "versions": versions(),
        "devices": devices_of(chosen.runs_folder),
        "noise_std_of_products": EPS,
        "cases": [analysed(case, chosen.runs_folder) for case in cases],
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    with atomically(chosen.out) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
