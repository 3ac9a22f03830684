"""Steps a second by one library on the card, beside the rate at which the card multiplies by it.

On a GPU, JAX rounds the operands of a float32 product to TF32 where nothing else is said, PyTorch
does not: a share is told of each library's rate.
"""

import os
from typing import Any

from benchmarks.cases import CASES
from benchmarks.network_throughput import ENSEMBLE, LOOP, OURS, measured
from studies.gpu.apart import Job
from studies.gpu.devices import device, torch_device
from studies.study import Result

PIECES = {
    "jax": (OURS, "product_jax"),
    "torch": (LOOP, ENSEMBLE, "product_torch", "convolutions"),
}
"""What is timed in a process: one library has the card."""

RUNS, STEPS, REPEATS = 64, (128, 128, 32), 7
QUICK_RUNS, QUICK_STEPS, QUICK_REPEATS = 2, (2, 2, 2), 2
SMALL: dict[str, Any] = {"examples": 20, "test_examples": 20, "width": 8, "depth": 2}
"""The perceptron of a quick look."""


def measure(job: Job) -> Result:
    """Time the pieces of one library; :mod:`.rates` puts two libraries together."""
    name, library = job.options["problem"], job.options["library"]
    here = device() if library == "jax" else torch_device()
    on = "cuda" if here["platform"] == "gpu" and library == "torch" else "cpu"
    case = CASES[name](SMALL) if job.quick else CASES[name]()
    size = (QUICK_RUNS, QUICK_STEPS, QUICK_REPEATS) if job.quick else (RUNS, STEPS, REPEATS)
    found = measured(case, *size, device=on, only=PIECES[library])
    steps = ", ".join(f"{n} {r:,.0f}" for n, r in found["run_steps_per_second"].items())
    limit = max(found["flops_per_second"].values())
    return {
        "told": f"run-steps a second: {steps}; products at {limit / 1e12:.3g} Tflop/s",
        **found,
        "load": os.getloadavg()[0],
        "device": here,
    }
