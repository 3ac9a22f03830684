"""How many steps of SGD a second, over how many runs at once.

Matrix sensing (d 20, P 120, label noise, full batch), runs x steps per second of the lab's
simulator against, in the same process and interleaved, repeat by repeat:

(a) a plain PyTorch loop with ``torch.optim.SGD``, one run at a time, on one thread or on all of
    them, whichever is faster here;
(b) a ``torch.func`` ensemble, ``vmap(grad(loss))`` over the same batch;
(c) the machine's float32 matrix product, 2048 cubed, the fastest of NumPy, PyTorch and JAX.

Steps are what is timed: the metric read at the 16 records is the iterate's own test error. What the
cooled one of a sweep costs is measured apart, in steps.

Then the cost of one step of one run as the batch grows from 1 to 4,096 and as d grows from 10 to
100, and the arithmetic and the bytes of a step. Writes ``results/speed/sweep_throughput.json``.

    python -m benchmarks.sweep_throughput
"""

import argparse
import dataclasses
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from flatfast.lab.engines.devices import use_all_cores

use_all_cores()

import torch  # noqa: E402 - after the devices are set

from benchmarks.cases import matrix_sensing  # noqa: E402
from benchmarks.timing import PRODUCT_FLOPS, interleaved, products, rate, seconds  # noqa: E402
from benchmarks.ways import MOMENTUM, torch_ensemble, torch_loop  # noqa: E402
from benchmarks.ways import ours as simulated  # noqa: E402
from flatfast.lab.goal import COOLED, Goal  # noqa: E402
from flatfast.lab.machine import machine  # noqa: E402
from flatfast.lab.problem import Problem  # noqa: E402
from flatfast.lab.problems import load  # noqa: E402
from flatfast.lab.simulation.simulate import simulate  # noqa: E402

LR = 1e-3
ALL_THREADS = torch.get_num_threads()


def ours(problem: Problem, runs: int, steps: int) -> Callable[[], Any]:
    """The simulator, with few and cheap records."""
    return simulated(problem, LR, runs, steps, "test_error", 16)


def record_in_steps(problem: Problem, metric: str, runs: int, steps: int = 256) -> float:
    """What reading ``metric`` once costs, in steps of the same runs."""
    seeds = np.arange(runs)
    reading = dataclasses.replace(problem, goal=Goal(metric, 0.1))

    def spent(steps: int, records: int) -> float:
        def task() -> None:
            simulate(reading, LR, MOMENTUM, seeds, steps=steps, records=records)

        task()
        return statistics.median(seconds(task) for _ in range(5))

    few = spent(steps, 16)
    step = (spent(3 * steps, 16) - few) / (2 * steps)
    return (spent(steps, 128) - few) / (128 - 16) / step


def arithmetic(dimension: int, examples: int) -> dict[str, float]:
    """Floating-point operations and bytes of one step of one run, as the formulas have them."""
    entries = dimension**2
    return {
        "flops_measurements": 2 * 2 * examples * entries,  # A w, and its transpose on the errors
        "flops_factor": 2 * 2 * dimension**3,  # U U^T, and the weighted sum times U
        "flops_update": 4 * entries,
        "normal_draws": examples,
        "bytes_state": 4 * 2 * 2 * entries,  # U and velocity, read and written
        "bytes_between": 4 * 2 * (2 * entries + 2 * examples),  # products and errors, out and in
        "bytes_shared": 4 * examples * entries,  # the measurements, once for a whole batch
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "speed"
    )
    options = parser.parse_args()
    runs, repeats = options.runs, options.repeats
    counts = arithmetic(20, 120)
    flops = sum(value for name, value in counts.items() if name.startswith("flops"))

    case = matrix_sensing()
    problem = case.problem
    loop_steps, ensemble_steps, our_steps = 500, 20, 640
    work: dict[str, Callable[[], Any]] = {
        "flatfast": ours(problem, runs, our_steps),
        "torch_loop_one_thread": torch_loop(case, LR, loop_steps, 1),
        "torch_loop_all_threads": torch_loop(case, LR, loop_steps, ALL_THREADS),
        "torch_ensemble": torch_ensemble(case, LR, runs, ensemble_steps),
        **products(),
    }
    run_steps = {
        "flatfast": runs * our_steps,
        "torch_loop_one_thread": loop_steps,
        "torch_loop_all_threads": loop_steps,
        "torch_ensemble": runs * ensemble_steps,
    }
    times = interleaved(work, repeats)
    rates = {name: rate(times[name], run_steps[name]) for name in run_steps}
    rates["torch_loop"] = max(rates["torch_loop_one_thread"], rates["torch_loop_all_threads"])
    gemm = {name: rate(times[name], PRODUCT_FLOPS) for name in products()}
    best = max(gemm.values())
    result: dict[str, Any] = {
        "machine": machine(),
        "runs": runs,
        "repeats": repeats,
        "seconds": times,
        "run_steps_per_second": rates,
        "gemm_flops_per_second": gemm,
        "step": counts,
        "speedup_over_torch_loop": rates["flatfast"] / rates["torch_loop"],
        "speedup_over_torch_ensemble": rates["flatfast"] / rates["torch_ensemble"],
        "fraction_of_gemm": rates["flatfast"] * flops / best,
    }
    print(f"flatfast        {rates['flatfast']:12,.0f} run-steps/s")
    print(
        f"torch loop      {rates['torch_loop']:12,.0f}   x {result['speedup_over_torch_loop']:.1f}"
    )
    print(
        f"torch ensemble  {rates['torch_ensemble']:12,.0f}"
        f"   x {result['speedup_over_torch_ensemble']:.1f}"
    )
    print(f"of GEMM rate    {result['fraction_of_gemm']:.2f}  ({best / 1e9:.0f} Gflop/s)")

    cost = record_in_steps(problem, COOLED + "test_error", runs=256)
    result["cooled_record_in_steps"] = cost
    print(f"a cooled record costs {cost:.1f} steps")

    result["by_runs"] = []
    for batch in (1, 4, 16, 64, 256, 1024, 4096):
        steps = max(64, min(2000, 200_000 // batch))
        task = ours(problem, batch, steps)
        task()
        spent = statistics.median(seconds(task) for _ in range(3))
        cost = spent / (batch * steps)
        result["by_runs"].append({"runs": batch, "microseconds_per_run_step": 1e6 * cost})
        print(f"runs {batch:5d}   {1e6 * cost:8.3f} us per run-step")
    result["by_dimension"] = []
    for dimension in (10, 20, 40, 70, 100):
        settings = {"dimension": dimension, "examples": 6 * dimension, "start": "init"}
        larger = load("matrix-sensing", settings)
        parts = arithmetic(dimension, 6 * dimension)
        work_of_step = sum(value for name, value in parts.items() if name.startswith("flops"))
        steps = max(16, 400 * 20**3 // dimension**3)
        task = ours(larger, 256, steps)
        task()
        spent = statistics.median(seconds(task) for _ in range(3))
        cost = spent / (256 * steps)
        row = {
            "dimension": dimension,
            "examples": 6 * dimension,
            "microseconds_per_run_step": 1e6 * cost,
            "fraction_of_gemm": work_of_step / cost / best,
        }
        result["by_dimension"].append(row)
        print(
            f"d {dimension:4d}   {1e6 * cost:8.3f} us per run-step"
            f"   {row['fraction_of_gemm']:.2f} of GEMM"
        )

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "sweep_throughput.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
