"""From runs to the result: learning rates chosen on validation images, reported on test images."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.training.curves import Curves, Pair, final, gather, steps_to
from studies.training.methods import LAW, PAIRS, REFERENCE, transferred
from studies.training.tasks import Kind, Task

MARGIN = 0.005
"""The accuracy to reach lies this far below the tuned reference's final one."""

RESAMPLES = 2000
"""Bootstrap resamples of the seeds."""

Value = dict[str, float | None]
"""``estimate``, ``low`` and ``high``; None for infinite."""

Seeds = NDArray[np.int64]
"""Which seeds a resample holds."""

ByRate = dict[float, Curves]


def tuned_lr(by_lr: ByRate) -> float:
    """Learning rate with the highest validation accuracy, averaged over the run and the seeds.

    The average over the run rewards both an early rise and a high end.
    """
    return max(by_lr, key=lambda lr: float(by_lr[lr].validation.mean()))


def summarise(rows: Iterable[dict[str, Any]], task: Task, kind: Kind) -> dict[str, Any] | None:
    """What was found for one kind of run; None before the reference has run.

    Returns:
        The tuned reference, the accuracy to reach, and for every method and schedule the steps to
        it, the final accuracy and its gain over the reference's, at each learning rate and at the
        best one, with 95% bootstrap intervals over the seeds. The accuracy to reach is that of the
        resampled seeds, so that what makes one seed's images easier does not widen an interval.
    """
    found = gather(rows, task, kind)
    if REFERENCE not in found:
        return None
    lr = tuned_lr(found[REFERENCE])
    reader = _Reader(found[REFERENCE][lr])
    tuned = {pair: reader.best(found[pair]) for pair in PAIRS if pair in found}
    readings = {
        pair: {lr: reader.readings(curves) for lr, curves in found[pair].items()} for pair in tuned
    }
    return {
        "task": task.name,
        "kind": kind.name,
        "seeds": reader.seeds,
        "steps": kind.steps,
        "tuned_lr": lr,
        "C": transferred(LAW, lr).C,
        "start_accuracy": float(reader.reference.test[:, 0].mean()),
        "accuracy_to_reach": reader.bar(np.arange(reader.seeds)),
        "methods": [
            {
                "method": pair[0],
                "schedule": pair[1],
                "at": [{"lr": lr, **found_there} for lr, found_there in readings[pair].items()],
                "best": {
                    "lr_for_steps": best[0],
                    "steps": readings[pair][best[0]]["steps"],
                    "lr_for_final": best[1],
                    "final": readings[pair][best[1]]["final"],
                },
            }
            for pair, best in tuned.items()
        ],
        "law_against": [
            {"method": pair[0], "schedule": pair[1], **_against(found, pair, tuned, reader)}
            for pair in tuned
            if pair[0] != LAW and (LAW, pair[1]) in tuned
        ],
    }


class _Reader:
    """Reads curves against the tuned reference's, with intervals."""

    def __init__(self, reference: Curves) -> None:
        self.reference = reference
        self.seeds = len(reference.test)
        self._resamples = np.random.default_rng(0).integers(
            self.seeds, size=(RESAMPLES, self.seeds)
        )

    def bar(self, which: Seeds) -> float:
        """Accuracy to reach."""
        return float(final(self.reference.test[which]).mean()) - MARGIN

    def best(self, by_lr: ByRate) -> tuple[float, float]:
        """Learning rates of the fewest steps and of the highest final accuracy, on validation."""
        bar = float(final(self.reference.validation).mean()) - MARGIN

        def end(lr: float) -> float:
            return float(final(by_lr[lr].validation).mean())

        def steps(lr: float) -> tuple[float, float]:
            mean = by_lr[lr].validation.mean(axis=0)
            return steps_to(bar, mean, by_lr[lr].every), -end(lr)

        return min(by_lr, key=steps), max(by_lr, key=end)

    def steps(self, curves: Curves, which: Seeds) -> float:
        """Steps that these seeds' mean test accuracy takes to the accuracy to reach."""
        return steps_to(self.bar(which), curves.test[which].mean(axis=0), curves.every)

    def readings(self, curves: Curves) -> dict[str, Value | None]:
        """Steps, final accuracy, and its gain over the reference's."""
        ends, gains = final(curves.test), final(curves.test) - final(self.reference.test)
        return {
            "steps": self.interval(lambda which: self.steps(curves, which)),
            "final": self.interval(lambda which: float(ends[which].mean())),
            "gain": self.interval(lambda which: float(gains[which].mean())),
        }

    def interval(self, statistic: Callable[[Seeds], float]) -> Value | None:
        """Estimate over all seeds and the middle 95% of the resamples; None where undefined."""
        estimate = statistic(np.arange(self.seeds))
        drawn = np.sort([statistic(which) for which in self._resamples])
        if np.isnan(estimate) or np.isnan(drawn).mean() > 0.025:
            return None
        drawn = drawn[~np.isnan(drawn)]
        low, high = drawn[int(0.025 * len(drawn))], drawn[int(0.975 * (len(drawn) - 1))]
        ends = {"estimate": estimate, "low": low, "high": high}
        return {name: float(end) if np.isfinite(end) else None for name, end in ends.items()}


def _against(
    found: dict[Pair, ByRate],
    pair: Pair,
    tuned: dict[Pair, tuple[float, float]],
    reader: _Reader,
) -> dict[str, Any]:
    """The law's gain over another method: ratio of steps, and difference of final accuracies.

    At each learning rate, in the mean over all of them, and at both methods' own best ones.
    """
    ours, theirs = found[(LAW, pair[1])], found[pair]

    def compare(our_lrs: tuple[float, float], their_lrs: tuple[float, float]) -> dict[str, Any]:
        def ratio(which: Seeds) -> float:
            own = reader.steps(ours[our_lrs[0]], which)
            other = reader.steps(theirs[their_lrs[0]], which)
            if math.isinf(own):
                return math.nan if math.isinf(other) else 0.0
            return other / own

        gains = final(ours[our_lrs[1]].test) - final(theirs[their_lrs[1]].test)
        return {
            "steps_ratio": reader.interval(ratio),
            "final_gain": reader.interval(lambda which: float(gains[which].mean())),
        }

    common = [lr for lr in theirs if lr in ours]
    apart = np.mean([final(ours[lr].test) - final(theirs[lr].test) for lr in common], axis=0)
    return {
        "at": [{"lr": lr, **compare((lr, lr), (lr, lr))} for lr in common],
        "mean_final_gain": reader.interval(lambda which: float(apart[which].mean())),
        "best": compare(tuned[(LAW, pair[1])], tuned[pair]),
    }
