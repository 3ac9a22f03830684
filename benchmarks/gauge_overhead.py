"""What a gauge costs: one step with it over one without, side by side.

As :mod:`benchmarks.optimizer_overhead`: steps of ``torch.optim.SGD`` on 1 or 100 tensors of 256
numbers, so small that a step is all overhead, with a learning rate that changes at every step.
The gauge is never read, or read once in 100 steps, as a line, as numbers or as the words of a
progress bar; or it keeps a page that is written as often as it may be. Times are the process's
own, since a core may be shared. Where it is, ratios so near to 1 scatter; so the gauge's own parts
are timed by themselves as well. Writes ``results/speed/gauge_overhead.json``.

    python -m benchmarks.gauge_overhead
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.optimizer_overhead import NUMBERS, median_interval, parameters_of
from flatfast.lab.machine import machine
from flatfast.torch import Gauge

EVERY = 100
"""Steps from one reading to the next, and in a block."""

TURNS = {1: 101, 100: 41}
"""Turns by the number of tensors."""

BLOCKS = 21
"""Blocks in which each part is timed."""

PAGE_EVERY = 0.05
"""Seconds between two versions of a page at least, far below what is of use, to see its cost."""

Read = Callable[[Gauge], Any]

READ: dict[str, Read | None] = {
    "plain": None,
    "not read": lambda gauge: None,
    "line": str,
    "numbers": lambda gauge: gauge.readings(),
    "progress bar": lambda gauge: gauge.postfix(),
    "page": lambda gauge: None,
}
"""How the gauge is read; None where there is none."""


def block_of(name: str, tensors: int, folder: Path) -> Callable[[NDArray[np.float64]], float]:
    """Some steps at these learning rates and a reading; gives the seconds of a step."""
    optimizer = torch.optim.SGD(parameters_of(tensors), lr=0.1, momentum=0.9)
    read = READ[name]
    gauge = None if read is None else Gauge(optimizer)
    if gauge is not None and name == "page":
        gauge.page(folder / "run.html", every=PAGE_EVERY)
    (group,) = optimizer.param_groups

    def block(rates: NDArray[np.float64]) -> float:
        begin = time.process_time()
        for lr in rates.tolist():
            group["lr"] = lr
            optimizer.step()
        if gauge is not None and read is not None:
            read(gauge)
        return (time.process_time() - begin) / len(rates)

    return block


def compare(tensors: int, turns: int) -> dict[str, Any]:
    """Microseconds a step of each, and ratios to the step without a gauge."""
    rates = np.linspace(0.1, 0.05, EVERY)
    with tempfile.TemporaryDirectory() as folder:
        blocks = {name: block_of(name, tensors, Path(folder)) for name in READ}
        names = list(blocks)
        spent: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(-1, turns):  # a first round does not count
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                seconds = blocks[name](rates)
                if turn >= 0:
                    spent[name].append(seconds)
    times = {name: np.array(values) for name, values in spent.items()}
    return {
        "tensors": tensors,
        "turns": turns,
        "microseconds": {name: 1e6 * float(np.median(values)) for name, values in times.items()},
        "ratio": {name: median_interval(times[name] / times["plain"]) for name in names[1:]},
    }


def parts() -> dict[str, float]:
    """Microseconds of what a gauge of one parameter group does: medians of many blocks."""
    optimizer = torch.optim.SGD(parameters_of(1), lr=0.1, momentum=0.9)
    gauge = Gauge(optimizer)
    optimizer.step()
    (hook,) = optimizer._optimizer_step_post_hooks.values()
    timed: dict[str, tuple[int, Callable[[], Any]]] = {
        "after a step": (5000, lambda: hook(optimizer, (), {})),
        "nothing": (5000, lambda: None),  # of the lambda above
        "line": (200, lambda: str(gauge)),
        "numbers": (200, gauge.readings),
        "progress bar": (200, gauge.postfix),
    }
    found = {}
    for name, (count, work) in timed.items():
        spent = []
        for _ in range(BLOCKS):
            begin = time.process_time()
            for _ in range(count):
                work()
            spent.append((time.process_time() - begin) / count)
        found[name] = 1e6 * float(np.median(spent))
    found["after a step"] -= found.pop("nothing")
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, help="in place of as many as suit each size")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parents[1] / "results" / "speed" / "gauge_overhead.json",
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found = [
        compare(tensors, chosen.turns or TURNS[tensors])
        for tensors in track(TURNS, "Steps with a gauge")
    ]
    result = {
        "machine": machine(),
        "torch": torch.__version__,
        "numbers_per_tensor": NUMBERS,
        "every": EVERY,
        "page_every_seconds": PAGE_EVERY,
        "parts_microseconds": parts(),
        "steps": found,
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(result["parts_microseconds"])
    for row in found:
        ratios = "  ".join(
            f"{name} {ratio['estimate']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
            for name, ratio in row["ratio"].items()
        )
        print(f"{row['tensors']:5} tensors: {ratios}")


if __name__ == "__main__":
    main()
