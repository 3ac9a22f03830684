"""What a calibration costs, in training steps: time, and the peak of memory.

Three PyTorch models: the lab's perceptron on all 200 digits, ResNet-18's shape at a quarter of its
width on 8 images of 32 x 32, and a small causal transformer as in ``studies/transfer`` (one block
of width 32) on 8 texts of 32 characters. Data are made up: what a step costs does not depend on
them, nor does a calibration's cost. A training step is a forward pass with fresh noise, a backward
pass, and a step of ``torch.optim.SGD``.

Each model in processes of its own, one for times and one for peaks, on one thread. A calibration at
each budget and a row of steps are made in turns; the ratio is taken turn by turn. It is held
against the gradient evaluations that the calibration says it has made, each of which is to cost as
much as a forward and a backward pass. The peak is of the resident memory above what was held
before, which has the weights and the momentum.
Writes ``results/speed/calibration_cost.json``.

    python -m benchmarks.calibration_cost
    python -m benchmarks.calibration_cost --model transformer    # anew, the others as they were
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.chunk_memory import MAPPED
from benchmarks.memory import peak_above
from benchmarks.timing import interleaved, spread
from flatfast.lab.machine import machine
from flatfast.torch import LabelFlips, LabelNoise, calibrate

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = (60, 240)
STEPS = 10
"""Training steps in a turn."""

REPEATS = 3
RATE = 1e-3

Loss = Callable[[Tensor, Tensor], Tensor]
Counted = dict[int, int]
Made = tuple[nn.Module, Loss, tuple[Tensor, Tensor]]

LENGTH, WIDTH, CHARACTERS = 32, 32, 65


def digits() -> Made:
    """The lab's perceptron: six layers of width 40, squared error, Gaussian label noise."""
    sizes = [64, *[40] * 5, 10]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    noise = LabelNoise(0.5)
    data = torch.randn(200, 64), F.one_hot(torch.arange(200) % 10, 10).float()
    return nn.Sequential(*layers[:-1]), lambda f, y: F.mse_loss(f, noise(y)), data


def resnet() -> Made:
    """ResNet-18's shape, cross-entropy, label flips."""
    sys.path.insert(0, str(ROOT / "examples"))
    from cifar_resnet import ResNet18

    flips = LabelFlips(0.1, classes=10)
    data = torch.randn(8, 3, 32, 32), torch.arange(8)
    return ResNet18(width=16), lambda f, y: F.cross_entropy(f, flips(y)), data


class Transformer(nn.Module):
    """One causal block of attention and a wide layer, normalized before each."""

    def __init__(self) -> None:
        """With learned places."""
        super().__init__()
        self.characters = nn.Embedding(CHARACTERS, WIDTH)
        self.places = nn.Parameter(0.1 * torch.randn(LENGTH, WIDTH))
        self.block = nn.TransformerEncoderLayer(
            WIDTH, 2, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.out = nn.Linear(WIDTH, CHARACTERS)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(LENGTH))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, CHARACTERS, LENGTH) of the next character, of texts (B, LENGTH)."""
        shown = self.characters(x) + self.places
        logits: Tensor = self.out(self.block(shown, src_mask=self.mask, is_causal=True))
        return logits.transpose(1, 2)


def transformer() -> Made:
    """The next character of texts, a tenth of them another one."""
    flips = LabelFlips(0.1, classes=CHARACTERS)
    text = torch.randint(CHARACTERS, (8, LENGTH + 1))
    data = text[:, :-1], text[:, 1:]
    return Transformer(), lambda f, y: F.cross_entropy(f, flips(y)), data


MODELS: dict[str, Callable[[], Made]] = {
    "digits-mlp": digits,
    "ResNet-18, width 16": resnet,
    "transformer": transformer,
}


def pieces(name: str, steps: int) -> tuple[dict[str, Callable[[], None]], Counted]:
    """Training steps, and a calibration at each budget; and what these count, once made."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, loss, (inputs, targets) = MODELS[name]()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    counted: Counted = {}

    def train() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(model(inputs), targets).backward()
            optimizer.step()

    def measure(budget: int) -> None:
        found = calibrate(model, loss, (inputs, targets), RATE, budget=budget)
        counted[budget] = found.evaluations

    return {"steps": train, **{str(b): partial(measure, b) for b in BUDGETS}}, counted


def times(name: str, steps: int, repeats: int) -> dict[str, Any]:
    """Of one model, in this process."""
    work, counted = pieces(name, steps)
    taken = interleaved(work, repeats)

    def in_steps(budget: int) -> list[float]:
        pairs = zip(taken[str(budget)], taken["steps"], strict=True)
        return [own * steps / theirs for own, theirs in pairs]

    return {
        "step_seconds": spread([seconds / steps for seconds in taken["steps"]]),
        "budgets": [
            {
                "budget": budget,
                "evaluations": counted[budget],
                "steps": spread(in_steps(budget)),
                "over_counted": spread([n / counted[budget] for n in in_steps(budget)]),
            }
            for budget in BUDGETS
        ],
    }


def peaks(name: str, steps: int) -> dict[str, int]:
    """Of one model, in this process, after everything was made once: bytes."""
    work, _ = pieces(name, steps)
    for task in work.values():
        task()
    return {key: peak_above(task) for key, task in work.items()}


def in_a_process(words: list[Any], mapped: bool) -> dict[str, Any]:
    """:func:`times` or :func:`peaks` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.calibration_cost", "--one", json.dumps(words)],
        # Without it freed memory stays in the process, and no peak is seen; with it, time is lost.
        env={**os.environ, **(MAPPED if mapped else {})},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(name: str) -> dict[str, Any]:
    """One model, in two processes."""
    row = {"model": name, **in_a_process([name, STEPS, REPEATS], False)}
    highest = in_a_process([name, STEPS], True)
    row["step_bytes"] = highest["steps"]
    for entry in row["budgets"]:
        entry["bytes"] = highest[str(entry["budget"])]
    return row


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--one", help="model, steps and, for times, repeats as JSON")
    parser.add_argument("--model", choices=MODELS, help="this one alone")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "speed")
    options = parser.parse_args()
    if options.one:
        words = json.loads(options.one)
        print(json.dumps(times(*words) if len(words) == 3 else peaks(*words)))
        return
    path = options.out / "calibration_cost.json"
    known: list[dict[str, Any]] = []
    if options.model and path.exists():
        known = json.loads(path.read_text())["rows"]
    rows = {row["model"]: row for row in known}
    for name in [options.model] if options.model else MODELS:
        row = rows[name] = measured(name)
        for entry in row["budgets"]:
            print(
                f"{name}, budget {entry['budget']}: {entry['steps']['estimate']:.0f} steps, "
                f"{entry['over_counted']['estimate']:.2f} times what is counted, peak "
                f"{entry['bytes'] / 1e6:.0f} MB ({row['step_bytes'] / 1e6:.0f} MB of a step)"
            )
    in_order = [rows[name] for name in MODELS if name in rows]
    result = {"machine": machine(), "repeats": REPEATS, "rows": in_order}
    options.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
