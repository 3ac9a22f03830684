"""A tuned script whose learning rate or batch size is changed by four: the law, or leaving 0.9?

The pairs are those that the main benchmark tuned at momentum 0.9. The law goes through the pair;
for batches k times as large its prefactor is multiplied by ``k^(-1/3)``. Writes
``results/training/changed.json``.

    python -m studies.training.changed
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from flatfast import MomentumLaw
from studies.training.methods import LAW, Method
from studies.training.runs import complete, read
from studies.training.tasks import TASKS, Kind
from studies.training.train import Run

FOLDER = Path("results/training")
SEEDS = 3
TASK = "digits"
LAST = 0.2
"""Share of the evaluations, the last ones, over which the final accuracy is a mean."""

TUNED = {"minibatch SGD, Kaiming start": 0.016}
"""Learning rates tuned at momentum 0.9 (``digits.json``)."""


@dataclass(frozen=True)
class Change:
    """What becomes of the script: factors of its learning rate and of its batch size."""

    lr: float = 1.0
    batch: float = 1.0


CHANGES = (
    Change(),
    Change(lr=4),
    Change(lr=1 / 4),
    Change(batch=4),
    Change(batch=1 / 4),
    Change(lr=4, batch=4),
)


def runs() -> dict[tuple[str, Change, str], list[Run]]:
    """All runs, by kind, change and method."""
    found = {}
    for kind in TASKS[TASK].kinds:
        if kind.name not in TUNED:
            continue
        lr = TUNED[kind.name]
        C = MomentumLaw.from_reference(lr, 0.9).C
        for change in CHANGES:
            size = kind.batch_size or kind.examples
            if round(change.batch * size) > kind.examples:
                continue  # there are no batches larger than the data
            changed = replace(kind, batch_size=_batch(kind, change))
            for name, prefactor in (("momentum 0.9", None), (LAW, C * change.batch ** (-1 / 3))):
                method = Method(name, "constant", lr * change.lr, prefactor)
                found[kind.name, change, name] = [
                    Run(TASK, changed, method, seed) for seed in range(SEEDS)
                ]
    return found


def _batch(kind: Kind, change: Change) -> int:
    if change.batch == 1:
        return kind.batch_size
    return round(change.batch * (kind.batch_size or kind.examples))


def final(row: dict[str, Any]) -> float:
    """Accuracy on test images over the last evaluations; that of guessing where the run broke."""
    right = np.asarray(row["test"], float) / TASKS[TASK].test
    if not row["finite"]:
        return 0.1
    return float(right[-max(1, round(LAST * len(right))) :].mean())


def told(accuracies: NDArray[np.float64]) -> dict[str, float]:
    """Mean over seeds, and its 95% interval by resampling them."""
    drawn = np.random.default_rng(0).choice(accuracies, (2000, len(accuracies))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"estimate": float(accuracies.mean()), "low": float(low), "high": float(high)}


def main() -> None:
    """Train what is missing and write."""
    every = runs()
    path = FOLDER / "changed.jsonl"
    wanted = [run for group in every.values() for run in group]
    left = complete(wanted, path, workers=2)
    for _ in track(left, "training", total=next(left)):
        pass
    rows = {json.dumps([r["kind"], r["method"], r["seed"]]): r for r in read(path)}
    table: dict[str, dict[str, Any]] = {}
    for (kind, change, method), group in every.items():
        found = [rows[json.dumps([asdict(r.kind), asdict(r.method), r.seed])] for r in group]
        key = f"{kind} {json.dumps(asdict(change))}"
        entry = table.setdefault(key, {"kind": kind, "change": asdict(change), "methods": {}})
        entry["methods"][method] = {
            **told(np.array([final(row) for row in found])),
            "lr": group[0].method.lr,
            "batch_size": group[0].kind.batch_size or group[0].kind.examples,
        }
    (FOLDER / "changed.json").write_text(json.dumps(list(table.values()), indent=1) + "\n")


if __name__ == "__main__":
    main()
