"""The memory of a batch of runs: what the simulator says beforehand, and what it takes.

Each measurement in a process of its own: the program is compiled and run once, what is free is
given back, and the peak of the resident memory is read over further runs, above what was held
before. A batch at its own width, and at others that are set here: a peak is known to some MB, which
is more than small problems take at theirs. Linux alone tells a peak that can be set back.

Writes ``results/speed/chunk_memory.json``.

    python -m benchmarks.chunk_memory
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import made_up
from benchmarks.memory import peak_above
from flatfast.lab.machine import machine
from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from flatfast.lab.simulation import tile
from flatfast.lab.simulation.simulate import footprint, simulate

WIDTHS: tuple[tuple[str, Mapping[str, Scalar], tuple[int, ...]], ...] = (
    ("matrix-sensing", {}, (4096, 16384)),
    ("digits-mlp", {}, (64, 256)),
    ("fashion-mlp", {}, (8, 16)),
    ("cifar-resnet", {}, (8, 16)),
)
"""Of each problem, how many runs go on at once. Its own width is 8 for the networks."""

MAPPED = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Of the C library: every array is taken from the system and given back at once."""

RECORDS, STEPS, COOLING = 4, 4, 2
"""Of a run: how long it goes on, and is cooled, does not change what it takes."""


def problem_of(name: str, settings: Mapping[str, Scalar]) -> Problem:
    """The problem from its initial weights, with a short cooling."""
    own = {**settings, "start": "init"}
    found = made_up(name, own)[0] if name in ("fashion-mlp", "cifar-resnet") else load(name, own)
    return dataclasses.replace(found, cooling=dataclasses.replace(found.cooling, steps=COOLING))


def measured(name: str, settings: Mapping[str, Scalar], width: int) -> dict[str, Any]:
    """Predicted and measured bytes of one batch of a problem on one device, in this process."""
    tile.NARROWEST = tile.WIDEST = width
    problem = problem_of(name, settings)
    need = footprint(problem, RECORDS)
    seeds = np.arange(width)

    def work() -> None:
        simulate(problem, 1e-4, 0.9, seeds, steps=STEPS, records=RECORDS)

    work()
    peaks = [peak_above(work) for _ in range(3)]
    predicted = need.at_once + width * need.per_run
    return {
        "problem": name,
        "settings": dict(settings),
        "width": width,
        "predicted": predicted,
        "measured": sorted(peaks)[1],
        "peaks": peaks,
        "ratio": predicted / sorted(peaks)[1],
    }


def in_a_process(name: str, settings: Mapping[str, Scalar], width: int) -> dict[str, Any]:
    """:func:`measured` in a process with one device."""
    words = ["--one", json.dumps([name, dict(settings), width])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chunk_memory", *words],
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "1", **MAPPED},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--one", help="problem, settings and width as JSON, measured here")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "speed"
    )
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(*json.loads(options.one))))
        return
    rows = []
    for name, settings, widths in WIDTHS:
        for width in widths:
            row = in_a_process(name, settings, width)
            rows.append(row)
            print(
                f"{name} {dict(settings)} {row['width']:4d} runs: predicted "
                f"{row['predicted'] / 1e6:.1f} MB, measured {row['measured'] / 1e6:.1f} MB, "
                f"ratio {row['ratio']:.2f}"
            )
    result = {"machine": machine(), "rows": rows}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "chunk_memory.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
