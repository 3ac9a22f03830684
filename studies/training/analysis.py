"""From runs to the result: learning rates chosen on validation images, reported on test images."""

from collections.abc import Iterable
from dataclasses import dataclass
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

Array = NDArray[np.float64]
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
        "accuracy_to_reach": reader.bar.estimate,
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


@dataclass(frozen=True)
class _Statistic:
    """What all seeds say, and each resample of them, (resamples,)."""

    estimate: float
    drawn: Array

    def interval(self) -> Value | None:
        """The estimate and the middle 95% of the resamples; None where undefined."""
        if np.isnan(self.estimate) or np.isnan(self.drawn).mean() > 0.025:
            return None
        drawn = np.sort(self.drawn[~np.isnan(self.drawn)])
        low, high = drawn[int(0.025 * len(drawn))], drawn[int(0.975 * (len(drawn) - 1))]
        ends = {"estimate": self.estimate, "low": low, "high": high}
        return {name: float(end) if np.isfinite(end) else None for name, end in ends.items()}


class _Reader:
    """Reads curves against the tuned reference's, for all seeds and for resamples of them.

    Attributes:
        reference: The tuned reference's curves.
        seeds: How many there are.
        bar: Accuracy to reach.
    """

    def __init__(self, reference: Curves) -> None:
        self.reference = reference
        self.seeds = len(reference.test)
        self._resamples = np.random.default_rng(0).integers(
            self.seeds, size=(RESAMPLES, self.seeds)
        )
        counts = (self._resamples[..., None] == np.arange(self.seeds)).sum(axis=1)
        self._weights = counts / self.seeds
        end = self.mean(final(reference.test))
        self.bar = _Statistic(end.estimate - MARGIN, end.drawn - MARGIN)

    def best(self, by_lr: ByRate) -> tuple[float, float]:
        """Learning rates of the fewest steps and of the highest final accuracy, on validation."""
        bar = float(final(self.reference.validation).mean()) - MARGIN

        def end(lr: float) -> float:
            return float(final(by_lr[lr].validation).mean())

        def steps(lr: float) -> tuple[float, float]:
            mean = by_lr[lr].validation.mean(axis=0)
            return float(steps_to(bar, mean, by_lr[lr].every)), -end(lr)

        return min(by_lr, key=steps), max(by_lr, key=end)

    def mean(self, values: Array) -> _Statistic:
        """Mean of a value of each seed."""
        return _Statistic(float(values.mean()), values[self._resamples].mean(axis=1))

    def steps(self, curves: Curves) -> _Statistic:
        """Steps that the seeds' mean test accuracy takes to the accuracy to reach."""
        every, test = curves.every, curves.test
        return _Statistic(
            float(steps_to(self.bar.estimate, test.mean(axis=0), every)),
            steps_to(self.bar.drawn, self._weights @ test, every),
        )

    def readings(self, curves: Curves) -> dict[str, Value | None]:
        """Steps, final accuracy, and its gain over the reference's."""
        gains = final(curves.test) - final(self.reference.test)
        return {
            "steps": self.steps(curves).interval(),
            "final": self.mean(final(curves.test)).interval(),
            "gain": self.mean(gains).interval(),
        }


def _ratio(other: _Statistic, own: _Statistic) -> _Statistic:
    """Ratio of steps: zero where ours alone are infinite, undefined where both are."""
    with np.errstate(invalid="ignore"):  # infinity over infinity
        estimate = np.divide(other.estimate, own.estimate)
        return _Statistic(float(estimate), other.drawn / own.drawn)


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
        own, other = reader.steps(ours[our_lrs[0]]), reader.steps(theirs[their_lrs[0]])
        gains = final(ours[our_lrs[1]].test) - final(theirs[their_lrs[1]].test)
        return {
            "steps_ratio": _ratio(other, own).interval(),
            "final_gain": reader.mean(gains).interval(),
        }

    common = [lr for lr in theirs if lr in ours]
    apart = np.mean([final(ours[lr].test) - final(theirs[lr].test) for lr in common], axis=0)
    return {
        "at": [{"lr": lr, **compare((lr, lr), (lr, lr))} for lr in common],
        "mean_final_gain": reader.mean(apart).interval(),
        "best": compare(tuned[(LAW, pair[1])], tuned[pair]),
    }
