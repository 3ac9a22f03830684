"""Reading trajectories back from stored runs, and choosing the ones that tell the story."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.report.study import CannotDraw, Study, best_momenta, median_time
from flatfast.lab.trajectories import METRIC

FACTOR = 4.0
"""How far from the best ``1 - momentum`` the "too low" and "too high" examples should lie."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One run as it was recorded.

    Attributes:
        seed: Its seed.
        steps: (R,) steps of the records.
        values: Metric name to (R,) values.
        time: ``T_c`` in steps, NaN unless the run converged.
        threshold: The goal's threshold in the metric's own units; NaN if not stored.
    """

    seed: int
    steps: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]
    time: float
    threshold: float


@dataclass(frozen=True, eq=False)
class Example:
    """The runs of one momentum.

    Attributes:
        label: ``too low``, ``best`` or ``too high``: how the momentum lies to the best.
        mu: ``1 - momentum``.
        runs: Their trajectories, by seed.
    """

    label: str
    mu: float
    runs: tuple[Trajectory, ...]


@dataclass(frozen=True, eq=False)
class Examples:
    """Runs at one learning rate with a momentum that is too low, best, and too high."""

    lr: float
    examples: tuple[Example, ...]


def recorded_metrics(runs: pa.Table) -> tuple[str, ...]:
    """Names of the metrics whose trajectories the table holds."""
    if "record_step" not in runs.column_names:
        return ()
    return tuple(n.removeprefix(METRIC) for n in runs.column_names if n.startswith(METRIC))


def trajectories(runs: pa.Table, lr: float, mu: float) -> tuple[Trajectory, ...]:
    """The recorded runs of the main sweep at one learning rate and momentum, by seed.

    Records that are not there, or do not ascend, make no trajectory; a metric that is not finite
    anywhere is none.

    Args:
        runs: The study's runs, with trajectories.
        lr: Learning rate, matched to 1e-6.
        mu: ``1 - momentum``, matched to 1e-6.
    """
    rate = runs["lr"].to_numpy()
    distance = 1.0 - runs["momentum"].to_numpy()
    chosen = np.isclose(rate, lr, rtol=1e-6, atol=0) & np.isclose(distance, mu, rtol=1e-6, atol=0)
    if "method" in runs.column_names:
        chosen &= runs["method"].to_numpy(zero_copy_only=False) == "grid"
    names = recorded_metrics(runs)
    rows = runs.take(np.flatnonzero(chosen)).sort_by("seed").to_pylist()
    found = []
    for row in rows:
        steps = np.asarray(row["record_step"] or [], dtype=np.float64)
        read = {n: np.asarray(row[METRIC + n] or [], dtype=np.float64) for n in names}
        values = {n: value for n, value in read.items() if np.isfinite(value).any()}
        count = min([len(steps), *(len(value) for value in values.values())])
        if count < 2 or not values or not (np.diff(steps[:count]) > 0).all():
            continue
        found.append(
            Trajectory(
                seed=int(row["seed"]),
                steps=steps[:count],
                values={n: value[:count] for n, value in values.items()},
                time=_or_nan(row.get("convergence_step")),
                threshold=_or_nan(row.get("threshold")),
            )
        )
    return tuple(found)


def pick_examples(study: Study, metrics: Sequence[str] = ()) -> Examples:
    """Three momenta at the learning rate in the middle of those whose optimum is known.

    The best is the momentum of the grid nearest to the fitted optimum; the others lie about
    :data:`FACTOR` times above and below in ``1 - momentum``, or at the edge of the grid.

    Args:
        study: Runs and fits.
        metrics: What a trajectory must have recorded.

    Raises:
        CannotDraw: If no such trajectories were kept, or nothing converged.
    """
    if not recorded_metrics(study.recorded):
        raise CannotDraw(
            "The runs were stored without their trajectories. Run the sweep again with "
            "trajectories kept to see them."
        )
    times, mu = median_time(study.grid), study.grid.mu
    best = best_momenta(study)
    usable = np.flatnonzero(best.located)
    if not len(usable):
        usable = np.flatnonzero(np.isfinite(times).any(axis=1))
    if not len(usable):
        raise CannotDraw(
            "No run converged, so there is no best momentum to show. Make the runs longer, or "
            "the threshold easier."
        )
    e = int(usable[len(usable) // 2])
    present = np.flatnonzero(~np.isnan(times[e]))
    finite = present[np.isfinite(times[e, present])]
    target = best.mu[e].estimate if best.located[e] else mu[finite[np.argmin(times[e, finite])]]
    middle = finite[np.argmin(np.abs(np.log(mu[finite] / target)))]
    low = present[np.argmin(np.abs(np.log(mu[present] / (target * FACTOR))))]
    high = present[np.argmin(np.abs(np.log(mu[present] / (target / FACTOR))))]
    lr = float(study.grid.lr[e])
    chosen = [("too low", low), ("best", middle), ("too high", high)]
    kept = []
    for label, m in chosen:
        runs = (
            trajectories(study.recorded, lr, float(mu[m])) if label == "best" or m != middle else ()
        )
        whole = tuple(run for run in runs if set(metrics) <= set(run.values))
        if whole:
            kept.append(Example(label, float(mu[m]), whole))
    if not kept:
        wanted = " and ".join(name.replace("_", " ") for name in metrics) or "any metric"
        raise CannotDraw(
            f"No trajectories of {wanted} were kept at learning rate {lr:g}, or none that can be "
            "read."
        )
    return Examples(lr, tuple(kept))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
