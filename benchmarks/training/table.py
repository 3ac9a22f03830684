"""From runs to the result: learning rates chosen on validation images, reported on test images."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.training.curves import Curves, Pair, final, gather, steps_to
from benchmarks.training.methods import LAW, PAIRS, REFERENCE
from benchmarks.training.tasks import Kind, Task

MARGIN = 0.005
"""The accuracy to reach lies this far below the tuned reference's final one."""

RESAMPLES = 2000
"""Bootstrap resamples of the seeds."""

Value = dict[str, float | None]

Seeds = NDArray[np.int64]
"""Which seeds a resample holds."""


def tuned_lr(by_lr: dict[float, Curves]) -> float:
    """Learning rate with the highest validation accuracy, averaged over the run and the seeds.

    The average over the run rewards both an early rise and a high end.
    """
    return max(by_lr, key=lambda lr: float(by_lr[lr].validation.mean()))


def summarise(rows: Iterable[dict[str, Any]], task: Task, kind: Kind) -> dict[str, Any] | None:
    """What was found for one kind of run; None before the reference has run.

    Returns:
        The tuned reference, the accuracy to reach, and for every method and schedule the steps to
        it and the final accuracy, at each learning rate and at the best one, with 95% bootstrap
        intervals over the seeds; and the law against each other method.
    """
    found = gather(rows, task, kind)
    if REFERENCE not in found:
        return None
    lr = tuned_lr(found[REFERENCE])
    reference = found[REFERENCE][lr]
    bar = float(final(reference.test).mean()) - MARGIN
    seeds = len(reference.test)
    resamples = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))
    tuned = {pair: _best(found[pair], bar) for pair in PAIRS if pair in found}
    return {
        "task": task.name,
        "kind": kind.name,
        "seeds": seeds,
        "steps": kind.steps,
        "tuned_lr": lr,
        "C": 0.1 / lr ** (2 / 3),
        "start_accuracy": float(reference.test[:, 0].mean()),
        "accuracy_to_reach": bar,
        "methods": [
            {
                "method": pair[0],
                "schedule": pair[1],
                "at": [
                    {"lr": lr, **_readings(curves, bar, resamples)}
                    for lr, curves in found[pair].items()
                ],
                "best": {
                    "lr_for_steps": best[0],
                    "steps": _readings(found[pair][best[0]], bar, resamples)["steps"],
                    "lr_for_final": best[1],
                    "final": _readings(found[pair][best[1]], bar, resamples)["final"],
                },
            }
            for pair, best in tuned.items()
        ],
        "law_against": [
            _against(found, pair, tuned, bar, resamples)
            for pair in tuned
            if pair[0] != LAW and (LAW, pair[1]) in tuned
        ],
    }


def _best(by_lr: dict[float, Curves], bar: float) -> tuple[float, float]:
    """Learning rates of the fewest steps and of the highest final accuracy, on validation."""

    def steps(lr: float) -> tuple[float, float]:
        mean = by_lr[lr].validation.mean(axis=0)
        return steps_to(bar, mean, by_lr[lr].every), -float(final(mean))

    return min(by_lr, key=steps), max(
        by_lr, key=lambda lr: float(final(by_lr[lr].validation).mean())
    )


def _readings(curves: Curves, bar: float, resamples: Seeds) -> dict[str, Value]:
    return {
        "steps": _interval(lambda which: _steps(curves, bar, which), resamples),
        "final": _interval(lambda which: float(final(curves.test[which]).mean()), resamples),
    }


def _against(
    found: dict[Pair, dict[float, Curves]],
    pair: Pair,
    tuned: dict[Pair, tuple[float, float]],
    bar: float,
    resamples: Seeds,
) -> dict[str, Any]:
    """The law's gain over another method: ratio of steps, and difference of final accuracies."""
    law = (LAW, pair[1])

    def compare(of_law: tuple[float, float], of_other: tuple[float, float]) -> dict[str, Value]:
        def ratio(which: Seeds) -> float:
            ours = _steps(found[law][of_law[0]], bar, which)
            theirs = _steps(found[pair][of_other[0]], bar, which)
            if math.isinf(ours):
                return math.nan if math.isinf(theirs) else 0.0
            return theirs / ours

        def gain(which: Seeds) -> float:
            ours, theirs = found[law][of_law[1]].test, found[pair][of_other[1]].test
            return float((final(ours[which]) - final(theirs[which])).mean())

        return {
            "steps_ratio": _interval(ratio, resamples),
            "final_gain": _interval(gain, resamples),
        }

    return {
        "method": pair[0],
        "schedule": pair[1],
        "at": [{"lr": lr, **compare((lr, lr), (lr, lr))} for lr in found[pair] if lr in found[law]],
        "best": compare(tuned[law], tuned[pair]),
    }


def _steps(curves: Curves, bar: float, which: Seeds) -> float:
    return steps_to(bar, curves.test[which].mean(axis=0), curves.every)


def _interval(statistic: Callable[[Any], float], resamples: Seeds) -> Value:
    """Estimate over all seeds and the middle 95% of the resamples; None for infinite or unknown."""
    estimate = statistic(np.arange(resamples.shape[1]))
    drawn = np.sort([statistic(which) for which in resamples])
    if np.isnan(estimate) or np.isnan(drawn).mean() > 0.025:
        return {"estimate": None, "low": None, "high": None}
    drawn = drawn[~np.isnan(drawn)]
    low, high = drawn[int(0.025 * len(drawn))], drawn[min(int(0.975 * len(drawn)), len(drawn) - 1)]
    ends = {"estimate": estimate, "low": low, "high": high}
    return {name: float(end) if np.isfinite(end) else None for name, end in ends.items()}
