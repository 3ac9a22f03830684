"""ResNet-18 on CIFAR-10: label noise, any schedule, momentum 0.9 against the law.

    pip install ".[torch,lab,data]" tensorboard
    python examples/resnet18_cifar10.py --lr 0.1 --momentum 0.9
    python examples/resnet18_cifar10.py --lr 0.4 --C 0.464          # C of the pair (0.1, 0.9)
    tensorboard --logdir runs

Images come from a local folder of the hub's Parquet files, or from the hub itself.
They are kept and augmented on the device. Every epoch ends with a checkpoint: stopped at any time,
the same command goes on. On a GPU try ``--precision bfloat16 --channels-last --compile``.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from cifar_resnet import ResNet18
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F
from torch.optim import lr_scheduler as schedulers
from torch.utils.tensorboard import SummaryWriter

from flatfast.lab.images import CIFAR10, load_images
from flatfast.torch import SGD, LabelFlips


class Images(NamedTuple):
    """Images (P, 3, 32, 32), standardised, and classes (P,)."""

    pixels: Tensor
    classes: Tensor


def parsed() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="uoft-cs/cifar10", help="hub id or local folder")
    add("--lr", type=float, default=0.1, help="learning rate, at the schedule's peak")
    add("--schedule", choices=SCHEDULES, default="cosine")
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--momentum", type=float, help="a constant momentum (default: 0.9)")
    rule.add_argument("--C", type=float, help="the law's prefactor")
    add("--label-noise", type=float, default=0.1, help="probability of a wrong label")
    add("--weight-decay", type=float, default=5e-4)
    add("--epochs", type=int, default=30)
    add("--batch-size", type=int, default=128)
    add("--width", type=int, default=64, help="channels of the first stage")
    add("--examples", type=int, help="training images (default: all)")
    add("--precision", choices=["float32", "bfloat16", "float16"], default="float32")
    add("--channels-last", action="store_true")
    add("--compile", action="store_true")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=Path("runs/resnet18_cifar10"))
    return parser.parse_args()


def load(source: str, split: str, device: str, examples: int | None = None) -> Images:
    """A split of the data, or as many images of each class, on the device."""
    found = load_images(CIFAR10, source, split, examples)
    pixels = torch.tensor(found.pixels)
    mean, deviation = torch.tensor([125.3, 123.0, 113.9]), torch.tensor([63.0, 62.1, 66.7])
    scaled = ((pixels - mean) / deviation).permute(0, 3, 1, 2).contiguous()
    return Images(scaled.to(device), torch.tensor(found.labels).to(device))


def batches(data: Images, size: int, seed: int, epoch: int) -> Iterator[Images]:
    """An epoch's batches: shuffled, shifted by up to 4 pixels, half of them mirrored.

    What is drawn depends on the seed and the epoch alone, so that a resumed run goes on exactly.
    """
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    order = torch.randperm(len(data.classes), generator=generator).to(data.classes.device)
    padded = F.pad(data.pixels, (4, 4, 4, 4))
    for first in range(0, len(order) - size + 1, size):
        chosen = order[first : first + size]
        down, right = torch.randint(0, 9, (2,), generator=generator).tolist()
        images = padded[chosen, :, down : down + 32, right : right + 32]
        mirrored = (torch.rand(size, generator=generator) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        yield Images(images, data.classes[chosen])


MAY_CHANGE = {"data", "out", "device", "compile", "channels_last"}
"""Options that may be others where a run goes on: of how it is computed, and where it lies."""

SCHEDULES = {
    "constant": lambda optimizer, steps: schedulers.ConstantLR(optimizer, factor=1.0),
    "cosine": lambda optimizer, steps: schedulers.CosineAnnealingLR(optimizer, T_max=steps),
    "warmup-cosine": lambda optimizer, steps: schedulers.SequentialLR(
        optimizer,
        [
            schedulers.LinearLR(optimizer, 0.01, total_iters=max(steps // 20, 1)),
            schedulers.CosineAnnealingLR(optimizer, T_max=steps - max(steps // 20, 1)),
        ],
        milestones=[max(steps // 20, 1)],
    ),
    "one-cycle": lambda optimizer, steps: schedulers.OneCycleLR(
        optimizer, optimizer.param_groups[0]["lr"], total_steps=steps + 1, cycle_momentum=False
    ),
}


class Training:
    """A run: everything that a checkpoint holds, and how to go on."""

    def __init__(self, options: argparse.Namespace, steps: int) -> None:
        """At the start, or where the last checkpoint was."""
        self.options = options
        torch.manual_seed(options.seed)
        self.model = ResNet18(options.width).to(options.device)
        if options.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.run: Any = torch.compile(self.model) if options.compile else self.model
        settings: dict[str, Any] = {"lr": options.lr, "weight_decay": options.weight_decay}
        self.optimizer: torch.optim.Optimizer
        if options.C is not None:
            self.optimizer = SGD(
                self.model.parameters(), C=options.C, total_steps=steps, **settings
            )  # <- the one line
        else:
            momentum = 0.9 if options.momentum is None else options.momentum
            self.optimizer = torch.optim.SGD(self.model.parameters(), momentum=momentum, **settings)
        self.scheduler = SCHEDULES[options.schedule](self.optimizer, steps)
        self.noise = LabelFlips(options.label_noise, classes=10, seed=options.seed)
        self.scaler = torch.amp.GradScaler(options.device, enabled=options.precision == "float16")
        self.epoch, self.history = 0, list[dict[str, float]]()
        self.used: dict[str, float] = {}
        self.settings = {
            name: value for name, value in vars(options).items() if name not in MAY_CHANGE
        }
        self.path = options.out / "checkpoint.pt"
        if self.path.exists():
            self._resume()

    def train_epoch(self, data: Images) -> Iterator[Tensor]:
        """One epoch; yields the loss of every step."""
        options = self.options
        self.run.train()
        for images, classes in batches(data, options.batch_size, options.seed, self.epoch):
            with self._autocast():
                outputs = self.run(self._laid_out(images))
                loss = F.cross_entropy(outputs, self.noise(classes))
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            group = self.optimizer.param_groups[0]
            self.used = {name: round(float(group[name]), 9) for name in ("lr", "momentum")}
            self.scheduler.step()
            yield loss.detach()
        self.epoch += 1

    @torch.no_grad()
    def accuracy(self, data: Images) -> float:
        """Share of right answers."""
        self.run.eval()
        right = 0
        for images, classes in zip(*(part.split(1000) for part in data), strict=True):
            with self._autocast():
                right += (self.run(self._laid_out(images)).argmax(1) == classes).sum()
        return float(right) / len(data.classes)

    def save(self) -> None:
        """Write the checkpoint: whole, or not at all."""
        partial = self.path.with_suffix(".partial")
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        rest = {"epoch": self.epoch, "history": self.history, "settings": self.settings}
        torch.save({**parts, **rest}, partial)
        os.replace(partial, self.path)

    def _resume(self) -> None:
        state = torch.load(self.path, map_location=self.options.device, weights_only=True)
        before = state.get("settings", {})
        if other := [name for name, value in self.settings.items() if before.get(name) != value]:
            raise SystemExit(
                f"{self.path} is of a run with another {', '.join(other)} "
                f"({', '.join(str(before.get(name)) for name in other)}): give another --out"
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.epoch, self.history = state["epoch"], state["history"]

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "noise": self.noise,
            "scaler": self.scaler,
        }

    def _autocast(self) -> torch.autocast:
        precision = self.options.precision
        return torch.autocast(
            self.options.device.partition(":")[0],
            dtype=torch.float16 if precision == "float16" else torch.bfloat16,
            enabled=precision != "float32",
        )

    def _laid_out(self, images: Tensor) -> Tensor:
        if not self.options.channels_last:
            return images
        return images.contiguous(memory_format=torch.channels_last)


def main() -> None:
    """Train to the end, from wherever the run is."""
    options = parsed()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        train = load(options.data, "train", options.device, options.examples)
        test = load(options.data, "test", options.device)
    except (OSError, ValueError) as error:
        raise SystemExit(f"--data: {error}") from error
    if not 1 <= options.batch_size <= len(train.classes):
        raise SystemExit(
            f"--batch-size must be in [1, {len(train.classes)}], got {options.batch_size}"
        )
    steps_per_epoch = len(train.classes) // options.batch_size
    training = Training(options, steps_per_epoch * options.epochs)
    writer = SummaryWriter(str(options.out), purge_step=training.epoch * steps_per_epoch + 1)
    bar = Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[reading]}"),
    )
    with bar:
        task = bar.add_task(
            "", total=steps_per_epoch * options.epochs, epoch=training.epoch, reading=""
        )
        while training.epoch < options.epochs:
            done = training.epoch * steps_per_epoch
            losses = []
            for step, loss in enumerate(training.train_epoch(train), start=done + 1):
                losses.append(loss)  # on the device: reading it would wait for the step
                bar.update(task, completed=step)
            reading = {
                "step": done + steps_per_epoch,
                **training.used,
                "loss": float(torch.stack(losses).mean()),
                "accuracy": training.accuracy(test),
            }
            training.history.append(reading)
            training.save()
            for name in ("lr", "momentum", "loss", "accuracy"):
                writer.add_scalar(name, reading[name], reading["step"])
            text = f"loss {reading['loss']:.3f}, test accuracy {reading['accuracy']:.1%}"
            bar.update(task, epoch=training.epoch, reading=text)
    writer.close()
    (options.out / "history.json").write_text(json.dumps(training.history, indent=1) + "\n")
    print(f"test accuracy {training.history[-1]['accuracy']:.2%}; {options.out}/history.json")


if __name__ == "__main__":
    main()
