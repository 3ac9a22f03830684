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

    python benchmarks/sweep_throughput.py
"""

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from flatfast.lab.engines.devices import use_all_cores

use_all_cores()

import jax  # noqa: E402 - after the devices are set
import jax.numpy as jnp  # noqa: E402
import torch  # noqa: E402

from flatfast.lab.goal import COOLED, Goal  # noqa: E402
from flatfast.lab.machine import machine  # noqa: E402
from flatfast.lab.problem import Problem  # noqa: E402
from flatfast.lab.problems import load  # noqa: E402
from flatfast.lab.simulation.simulate import simulate  # noqa: E402

LR, MOMENTUM, NOISE = 1e-3, 0.9, 0.1
ALL_THREADS = torch.get_num_threads()


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock time of ``work()``."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def ours(problem: Problem, runs: int, steps: int) -> Callable[[], Any]:
    """The simulator, with few and cheap records."""
    seeds = np.arange(runs)
    cheap = dataclasses.replace(problem, goal=Goal("test_error", 0.1))
    return lambda: simulate(cheap, LR, MOMENTUM, seeds, steps=steps, records=16)


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


def sensing(dimension: int, examples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Measurements (P, d * d) and targets, for the PyTorch versions."""
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((examples, dimension, dimension))
    symmetric = ((raw + raw.transpose(0, 2, 1)) / np.sqrt(2)).reshape(examples, -1)
    factor = rng.standard_normal((dimension, 2)) / np.sqrt(dimension)
    targets = symmetric @ (factor @ factor.T).ravel()
    return torch.tensor(symmetric, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)


def torch_loop(dimension: int, examples: int, steps: int, threads: int) -> Callable[[], Any]:
    """One run in PyTorch as one would write it."""
    rows, targets = sensing(dimension, examples)

    def work() -> None:
        torch.set_num_threads(threads)
        factor = torch.eye(dimension, requires_grad=True)
        optimizer = torch.optim.SGD([factor], lr=LR, momentum=MOMENTUM)
        for _ in range(steps):
            optimizer.zero_grad()
            noisy = targets + NOISE * torch.randn(examples)
            errors = rows @ (factor @ factor.T).flatten() - noisy
            (errors.square().mean() / 2).backward()
            optimizer.step()
        torch.set_num_threads(ALL_THREADS)

    return work


def torch_ensemble(dimension: int, examples: int, runs: int, steps: int) -> Callable[[], Any]:
    """All runs at once with ``torch.func``."""
    rows, targets = sensing(dimension, examples)

    def loss(factor: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        errors = rows @ (factor @ factor.T).flatten() - targets - NOISE * noise
        return errors.square().mean() / 2

    gradient = torch.func.vmap(torch.func.grad(loss))

    def work() -> None:
        factors = torch.eye(dimension).repeat(runs, 1, 1)
        velocity = torch.zeros_like(factors)
        for _ in range(steps):
            velocity.mul_(MOMENTUM).add_(gradient(factors, torch.randn(runs, examples)))
            factors.add_(velocity, alpha=-LR)

    return work


def products(size: int = 2048) -> dict[str, Callable[[], Any]]:
    """Float32 matrix products by three libraries."""
    left = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    tensor, array = torch.tensor(left), jnp.asarray(left)
    multiply = jax.jit(jnp.matmul)
    return {
        "numpy": lambda: left @ left,
        "torch": lambda: tensor @ tensor,
        "jax": lambda: multiply(array, array).block_until_ready(),
    }


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

    problem = load("matrix-sensing")
    loop_steps, ensemble_steps, our_steps = 500, 20, 640
    work: dict[str, Callable[[], Any]] = {
        "flatfast": ours(problem, runs, our_steps),
        "torch_loop_one_thread": torch_loop(20, 120, loop_steps, 1),
        "torch_loop_all_threads": torch_loop(20, 120, loop_steps, ALL_THREADS),
        "torch_ensemble": torch_ensemble(20, 120, runs, ensemble_steps),
        **products(),
    }
    run_steps = {
        "flatfast": runs * our_steps,
        "torch_loop_one_thread": loop_steps,
        "torch_loop_all_threads": loop_steps,
        "torch_ensemble": runs * ensemble_steps,
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for repeat in range(repeats + 1):
        for name, task in work.items():
            spent = seconds(task)
            if repeat:  # the first round warms up and compiles
                times[name].append(spent)

    rate = {name: run_steps[name] / statistics.median(times[name]) for name in run_steps}
    rate["torch_loop"] = max(rate["torch_loop_one_thread"], rate["torch_loop_all_threads"])
    gemm = {name: 2 * 2048**3 / statistics.median(times[name]) for name in products()}
    best = max(gemm.values())
    result: dict[str, Any] = {
        "machine": machine(),
        "runs": runs,
        "repeats": repeats,
        "seconds": times,
        "run_steps_per_second": rate,
        "gemm_flops_per_second": gemm,
        "step": counts,
        "speedup_over_torch_loop": rate["flatfast"] / rate["torch_loop"],
        "speedup_over_torch_ensemble": rate["flatfast"] / rate["torch_ensemble"],
        "fraction_of_gemm": rate["flatfast"] * flops / best,
    }
    print(f"flatfast        {rate['flatfast']:12,.0f} run-steps/s")
    print(
        f"torch loop      {rate['torch_loop']:12,.0f}   x {result['speedup_over_torch_loop']:.1f}"
    )
    print(
        f"torch ensemble  {rate['torch_ensemble']:12,.0f}"
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
