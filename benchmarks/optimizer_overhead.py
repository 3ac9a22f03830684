"""What following the learning rate costs: one step, coupled over plain, side by side.

Parameters are 1, 100 or 1,000 tensors of 256 numbers, so small that a step is all overhead: on
larger ones the ratios are nearer to 1. The learning rate is written before every step, changed or
not, in the plain run too. Compared are ``couple`` and ``flatfast.torch.SGD`` with
``torch.optim.SGD``, for each of its implementations. Compiled, ``torch.optim.SGD`` keeps a constant
momentum and takes its learning rate as a tensor: with a momentum that changes, it compiles again
for each value.

Blocks of steps are timed in turns, in an order that changes; a ratio is the median over the blocks
of a turn's ratio, with a 95% interval of that median. Writes
``results/speed/optimizer_overhead.json``.

    python -m benchmarks.optimizer_overhead
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import binom

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.lab.machine import machine
from flatfast.torch import couple

LAW = MomentumLaw.from_reference(0.1, 0.9)
TENSORS = (1, 100, 1000)
NUMBERS = 256
SECONDS_PER_BLOCK = 0.02

Advance = Callable[[float], None]
"""One step at this learning rate."""

Make = Callable[[list[torch.Tensor]], Advance]
"""An optimizer of these parameters."""


def plain(**options: bool) -> Make:
    """``torch.optim.SGD``."""

    def make(parameters: list[torch.Tensor]) -> Advance:
        optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, **options)
        return _by_hand(optimizer)

    return make


def coupled(**options: bool) -> Make:
    """``torch.optim.SGD``, coupled."""

    def make(parameters: list[torch.Tensor]) -> Advance:
        optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, **options)
        couple(optimizer, LAW)
        return _by_hand(optimizer)

    return make


def ours(**options: Any) -> Make:
    """``flatfast.torch.SGD``."""

    def make(parameters: list[torch.Tensor]) -> Advance:
        return _by_hand(flatfast.torch.SGD(parameters, lr=0.1, law=LAW, **options))

    return make


def plain_compiled(parameters: list[torch.Tensor]) -> Advance:
    """``torch.optim.SGD`` compiled, learning rate as a tensor."""
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.SGD(parameters, lr=rate, momentum=0.9)
    step = torch.compile(optimizer.step)

    def advance(lr: float) -> None:
        rate.fill_(lr)
        step()

    return advance


def ours_compiled(parameters: list[torch.Tensor]) -> Advance:
    """``flatfast.torch.SGD`` compiled."""
    optimizer = flatfast.torch.SGD(parameters, lr=0.1, law=LAW)
    return _by_hand(optimizer, torch.compile(optimizer.step))


def _by_hand(optimizer: torch.optim.Optimizer, step: Callable[[], Any] | None = None) -> Advance:
    take = step or optimizer.step
    (group,) = optimizer.param_groups

    def advance(lr: float) -> None:
        group["lr"] = lr
        take()

    return advance


PLAIN = "torch.optim.SGD"

COMPARED: dict[str, dict[str, Make]] = {
    "foreach": {
        PLAIN: plain(foreach=True),
        "couple": coupled(foreach=True),
        "flatfast.torch.SGD": ours(foreach=True),
    },
    "fused": {
        PLAIN: plain(fused=True),
        "couple": coupled(fused=True),
        "flatfast.torch.SGD": ours(fused=True),
    },
    "compiled": {
        PLAIN: plain_compiled,
        "flatfast.torch.SGD": ours_compiled,
    },
}


def parameters_of(tensors: int) -> list[torch.Tensor]:
    """Parameters with gradients."""
    found = []
    for _ in range(tensors):
        parameter = torch.randn(NUMBERS, requires_grad=True)
        parameter.grad = 1e-3 * torch.randn(NUMBERS)
        found.append(parameter)
    return found


def block(advance: Advance, rates: list[float]) -> float:
    """Seconds a step."""
    begin = time.perf_counter()
    for lr in rates:
        advance(lr)
    return (time.perf_counter() - begin) / len(rates)


def compare(implementation: str, tensors: int, turns: int) -> list[dict[str, Any]]:
    """Microseconds a step of each, and ratios to ``torch.optim.SGD``; lr constant and changing."""
    torch._dynamo.reset()
    methods = {
        name: make(parameters_of(tensors)) for name, make in COMPARED[implementation].items()
    }
    for advance in methods.values():
        block(advance, _rates(20, changing=True))
    step = block(methods[PLAIN], _rates(20, changing=False))
    steps = max(int(SECONDS_PER_BLOCK / step), 5)
    found = []
    for changing in (False, True):
        spent = _in_turns(methods, _rates(steps, changing), turns)
        found.append(
            {
                "implementation": implementation,
                "tensors": tensors,
                "lr": "changes at every step" if changing else "constant",
                "microseconds": {name: 1e6 * float(np.median(spent[name])) for name in spent},
                "ratio": {
                    name: median_interval(spent[name] / spent[PLAIN]) for name in list(spent)[1:]
                },
            }
        )
    return found


def _in_turns(
    methods: dict[str, Advance], rates: list[float], turns: int
) -> dict[str, NDArray[np.float64]]:
    names = list(methods)
    spent: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(turns):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            spent[name].append(block(methods[name], rates))
    return {name: np.array(times) for name, times in spent.items()}


def _rates(steps: int, changing: bool) -> list[float]:
    return list(np.linspace(0.1, 0.05, steps)) if changing else [0.1] * steps


def median_interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Median with its distribution-free 95% interval."""
    ordered = np.sort(values)
    rank = int(binom.ppf(0.025, len(ordered), 0.5))
    return {
        "estimate": float(np.median(ordered)),
        "low": float(ordered[max(rank - 1, 0)]),
        "high": float(ordered[min(len(ordered) - rank, len(ordered) - 1)]),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=201)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parents[1]
        / "results"
        / "speed"
        / "optimizer_overhead.json",
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cases = [(implementation, tensors) for implementation in COMPARED for tensors in TENSORS]
    found = [
        row
        for case in track(cases, "Optimizer steps")
        for row in compare(*case, turns=chosen.turns)
    ]
    result = {
        "machine": machine(),
        "torch": torch.__version__,
        "numbers_per_tensor": NUMBERS,
        "turns": chosen.turns,
        "steps": found,
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    for row in found:
        ratios = "  ".join(
            f"{name} {ratio['estimate']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
            for name, ratio in row["ratio"].items()
        )
        print(f"{row['implementation']:9} {row['tensors']:5} tensors, lr {row['lr']}: {ratios}")


if __name__ == "__main__":
    main()
