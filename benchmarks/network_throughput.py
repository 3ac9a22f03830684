"""How many steps of SGD a second on the lab's networks, over some runs at once.

``fashion-mlp`` and ``cifar-resnet`` at their own sizes, on made-up images of the real shape, label
noise, full batch, from Kaiming's weights; interleaved, repeat by repeat, in one process and on the
same cores:

(a) the lab's simulator;
(b) a plain PyTorch loop with ``torch.optim.SGD``, one run at a time;
(c) a ``torch.func`` ensemble, ``vmap(grad(loss))`` of the same batch;
(d) the machine's float32 matrix product, 2048 cubed, the fastest of three libraries;
(e) for the convolutions, PyTorch's own library (oneDNN) at the network's shapes, forward and back.

Writes ``results/speed/network_throughput.json``.

    python -m benchmarks.network_throughput
"""

import argparse
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from flatfast.lab.engines.devices import use_all_cores

use_all_cores()

import torch  # noqa: E402 - after the devices are set

from benchmarks.cases import CASES, Case  # noqa: E402
from benchmarks.timing import (  # noqa: E402
    PRODUCT_FLOPS,
    Work,
    interleaved,
    products,
    rate,
    ratio_of_rates,
)
from benchmarks.ways import (  # noqa: E402
    convolution_flops,
    convolutions,
    ours,
    torch_ensemble,
    torch_loop,
)
from flatfast.lab.machine import machine  # noqa: E402

LR = 1e-3
NETWORKS = ("fashion-mlp", "cifar-resnet")
OURS, LOOP, ENSEMBLE = "flatfast", "torch_loop", "torch_ensemble"

Sizes = tuple[int, int, int]
"""Steps of a repeat: ours, the loop's, the ensemble's."""


def work_of(
    case: Case, runs: int, steps: Sizes, device: str = "cpu"
) -> tuple[dict[str, Work], dict[str, float]]:
    """What is timed by name, and how much of it is in a repeat: run-steps, or operations."""
    work: dict[str, Work] = {
        OURS: ours(case.problem, LR, runs, steps[0]),
        LOOP: torch_loop(case, LR, steps[1], device=device),
        ENSEMBLE: torch_ensemble(case, LR, runs, steps[2], device),
    }
    amount: dict[str, float] = {
        OURS: runs * steps[0],
        LOOP: steps[1],
        ENSEMBLE: runs * steps[2],
    }
    for name, product in products(device=device).items():
        work[f"product_{name}"], amount[f"product_{name}"] = product, PRODUCT_FLOPS
    if case.convolutions:
        work["convolutions"] = convolutions(case, device)
        amount["convolutions"] = convolution_flops(case)
    return work, amount


def measured(
    case: Case,
    runs: int,
    steps: Sizes,
    repeats: int,
    device: str = "cpu",
    only: Collection[str] = (),
) -> dict[str, Any]:
    """The rates of a case; of some pieces of work alone where they are named."""
    work, amount = work_of(case, runs, steps, device)
    chosen = {name: task for name, task in work.items() if not only or name in only}
    times = interleaved(chosen, repeats)
    rates = {name: rate(spent, amount[name]) for name, spent in times.items()}
    found: dict[str, Any] = {
        "problem": case.name,
        "settings": {k: v for k, v in case.problem.settings.items() if k != "data"},
        "runs": runs,
        "flops_of_a_run_step": case.flops,
        "seconds": times,
        "run_steps_per_second": {n: rates[n] for n in (OURS, LOOP, ENSEMBLE) if n in rates},
        "flops_per_second": {
            n: rates[n] for n in rates if n.startswith("product_") or n == "convolutions"
        },
    }
    if OURS not in times:
        return found
    for other in (LOOP, ENSEMBLE):
        if other in times:
            pair = times[OURS], times[other]
            found[f"over_{other}"] = ratio_of_rates(*pair, amount[OURS], amount[other])
    limits = [name for name in times if name.startswith("product_")]
    best = {"gemm": max(limits, key=lambda name: rates[name])} if limits else {}
    if "convolutions" in times:
        best["convolution"] = "convolutions"
    for limit, name in best.items():
        own = amount[OURS] * case.flops
        found[f"share_of_{limit}"] = ratio_of_rates(times[OURS], times[name], own, amount[name])
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--steps", type=int, nargs=3, default=(16, 32, 4), help="a repeat's")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "speed"
    )
    options = parser.parse_args()
    before = os.getloadavg()[0]
    cases = []
    for name in NETWORKS:
        found = measured(CASES[name](), options.runs, tuple(options.steps), options.repeats)
        cases.append(found)
        print(f"{name}: {found['run_steps_per_second'][OURS]:.1f} run-steps/s")
        for key in ("over_torch_loop", "over_torch_ensemble", "share_of_gemm"):
            print(f"  {key:20} {found[key]['estimate']:.2f}")
    result = {
        "machine": machine(),
        "load": {"before": before, "after": os.getloadavg()[0]},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "repeats": options.repeats,
        "cases": cases,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "network_throughput.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
