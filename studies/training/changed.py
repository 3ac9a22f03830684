"""A tuned script whose learning rate or batch size is changed by four: the law, or leaving 0.9?

The pairs are those that the study tuned at momentum 0.9. The law goes through the pair; for batches
k times as large its prefactor is multiplied by ``k^(-1/3)``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatfast import MomentumLaw
from studies.study import part_name
from studies.training.cases import Groups, shortened
from studies.training.methods import LAW, Method
from studies.training.runs import Row, identity
from studies.training.tasks import TASKS, Kind
from studies.training.train import Run

SEEDS = 3
TASK = "digits"
LAST = 0.2
"""Share of the evaluations, the last ones, over which the final accuracy is a mean."""

TUNED = {"minibatch SGD, Kaiming start": 0.016}
"""Learning rates tuned at momentum 0.9."""


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


def groups(quick: bool) -> Groups:
    """The runs of each part: all of a change."""
    return {
        part_name("changed", kind, f"lr-{change.lr:g}", f"batch-{change.batch:g}"): [
            run for runs in methods.values() for run in runs
        ]
        for kind, change, methods in _cases(quick)
    }


def summarise(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Every change whose runs are there, with the final accuracies of both methods."""
    there = {identity(row): row for row in rows}
    table = []
    for kind, change, methods in (*_cases(quick=False), *_cases(quick=True)):
        told: dict[str, Any] = {}
        for method, runs in methods.items():
            found = [there[key] for run in runs if (key := identity(run.settings())) in there]
            if len(found) == len(runs):
                told[method] = {
                    **_told(np.array([_final(row) for row in found])),
                    "lr": runs[0].method.lr,
                    "batch_size": runs[0].kind.batch_size or runs[0].kind.examples,
                }
        if len(told) == len(methods):
            table.append({"kind": kind, "change": asdict(change), "methods": told})
    return table


def _cases(quick: bool) -> Iterator[tuple[str, Change, dict[str, list[Run]]]]:
    """Kinds, changes, and the runs of each method."""
    for whole in TASKS[TASK].kinds:
        if whole.name not in TUNED:
            continue
        kind, lr = shortened(whole) if quick else whole, TUNED[whole.name]
        C = MomentumLaw.from_reference(lr, 0.9).C
        for change in CHANGES[:2] if quick else CHANGES:
            size = kind.batch_size or kind.examples
            if round(change.batch * size) > kind.examples:
                continue  # there are no batches larger than the data
            changed = replace(kind, batch_size=_batch(kind, change))
            prefactors = {"momentum 0.9": None, LAW: C * change.batch ** (-1 / 3)}
            methods = {
                name: [
                    Run(TASK, changed, Method(name, "constant", lr * change.lr, prefactor), seed)
                    for seed in range(SEEDS)
                ]
                for name, prefactor in prefactors.items()
            }
            yield kind.name, change, methods


def _batch(kind: Kind, change: Change) -> int:
    if change.batch == 1:
        return kind.batch_size
    return round(change.batch * (kind.batch_size or kind.examples))


def _final(row: dict[str, Any]) -> float:
    """Accuracy on test images over the last evaluations; that of guessing where the run broke."""
    right = np.asarray(row["test"], float) / TASKS[TASK].test
    if not row["finite"]:
        return 0.1
    return float(right[-max(1, round(LAST * len(right))) :].mean())


def _told(accuracies: NDArray[np.float64]) -> dict[str, float]:
    """Mean over seeds, and its 95% interval by resampling them."""
    drawn = np.random.default_rng(0).choice(accuracies, (2000, len(accuracies))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"estimate": float(accuracies.mean()), "low": float(low), "high": float(high)}
