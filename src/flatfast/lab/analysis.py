"""From stored runs to a study: times, exponent, collapse, comparison, test error.

Each step is tried on what the runs allow. What cannot be estimated is left out with the reason, in
the words of the step that refused, so that a small sweep still gets its report.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from flatfast.lab.adaptive.plan import PILOT
from flatfast.lab.estimation.collapse import collapse
from flatfast.lab.estimation.comparison import compare
from flatfast.lab.estimation.conventions import HEAVY_BALL, convention_of
from flatfast.lab.estimation.correction import corrected_law
from flatfast.lab.estimation.exponent import ExponentFit, fit_exponent
from flatfast.lab.estimation.generalization import generalization
from flatfast.lab.estimation.methods import (
    ONE_CYCLE,
    REFERENCE,
    SCAN,
    Method,
    one_cycle,
    standard_methods,
)
from flatfast.lab.estimation.optimum import DEFAULT_FIT, locate, median_times
from flatfast.lab.estimation.selection import comparable
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.estimation.usable import usable
from flatfast.lab.forecast.record import Forecast
from flatfast.lab.report.provenance import provenance
from flatfast.lab.report.study import Study
from flatfast.lab.rows import key_rows, keys
from flatfast.lab.sample import sampled_seeds, with_seeds

PILOT_ALONE = (
    "there are runs of a pilot alone, which say where to look and enter no estimate: repeat the "
    "command if it was stopped; if no run reached the goal, allow longer runs (--duration), other "
    "momenta or a goal that is easier to reach"
)
"""Why there is no report of a sweep that ended before its first learning rate."""


def analyse(
    runs: pa.Table,
    manifest: Mapping[str, Any],
    *,
    forecast: Forecast | None = None,
    missing: Mapping[str, str] | None = None,
    n_boot: int = 1000,
    sample: pa.Table | None = None,
) -> Study:
    """Estimate all that a sweep's runs allow.

    Args:
        runs: Rows as the store keeps them.
        manifest: What the store's manifest says of them.
        forecast: What the theory said before the runs, to be drawn beside them.
        missing: Why parts that are not estimated here, such as the forecast, are not there.
        n_boot: Resamples of the seeds.
        sample: Rows with their trajectories, of some of the seeds; by default all rows, or those of
            :func:`flatfast.lab.sample.sampled_seeds` where there are many.

    Returns:
        The study; under ``missing``, part by part, why it could not be estimated, and in the
        manifest, under ``set_aside``, which runs were not used
        (:func:`flatfast.lab.estimation.selection.comparable`).

    Raises:
        ValueError: If there is no grid run at all.
    """
    runs, left_out = usable(runs)
    absent = dict(missing or {})
    if left_out:
        absent["rows"] = "; ".join(left_out)
    if not len(runs):
        raise ValueError(absent.get("rows", "there are no runs"))
    if set(runs["method"].to_pylist()) == {PILOT}:
        raise ValueError(PILOT_ALONE)
    runs, set_aside = comparable(runs)
    if set_aside:
        manifest = {**manifest, "set_aside": set_aside}
    convention = convention_of(manifest)
    sample = _sample(runs, sample)
    grid = time_grid(runs)
    optima = fit = collapsed = comparison = generalized = None
    try:
        optima = locate(median_times(grid, n_boot=n_boot, seed=0), DEFAULT_FIT)
    except ValueError as error:
        absent["optima"] = str(error)
    try:
        fit = fit_exponent(grid, n_boot=n_boot, convention=convention)
    except ValueError as error:
        absent["fit"] = str(error)
    try:
        collapsed = collapse(grid, gamma=convention.law, law=convention.law)
    except ValueError as error:
        absent["collapse"] = str(error)

    names = np.asarray(runs["method"].to_pylist())
    if convention is not HEAVY_BALL:
        absent["comparison"] = (
            "other rules for the momentum are compared up to heavy ball's stability limits, and "
            f"these runs are not heavy ball's but of {manifest['optimizer']['name']}"
        )
    elif fit is None:
        absent["comparison"] = "the law's constant comes from the fit, and there is none"
    elif REFERENCE not in names:
        # A curvature is noted where methods are to be compared, and before their runs are made.
        waiting = manifest.get("comparison", {}).get("curvature") is not None
        why = "the runs of the methods are not made yet: the command that made these makes them"
        absent.setdefault("comparison", why if waiting else "no runs of the methods were asked for")
    else:
        scan = time_grid(runs, SCAN) if SCAN in names else None
        curvature = manifest.get("comparison", {}).get("curvature")
        methods = methods_of(fit) + ((one_cycle(),) if ONE_CYCLE in names else ())
        comparison = compare(runs, methods, curvature=curvature, scan=scan, n_boot=n_boot)
    if optima is not None:
        goal = provenance(manifest).goal
        smoothing = float(goal.get("smoothing", 1.0)) if goal else 0.0
        read, times, best = runs, grid, optima
        try:
            if sample is not None:
                # Seeds are resampled jointly, so that the optima must be those of the same seeds.
                read, times = sample, time_grid(sample)
                best = locate(median_times(times, n_boot=n_boot, seed=0), DEFAULT_FIT)
            generalized = generalization(read, times, best, comparison, smoothing=smoothing)
        except ValueError as error:
            absent["generalization"] = str(error)
    return Study(
        runs,
        manifest,
        grid,
        optima,
        fit,
        collapsed,
        comparison,
        forecast,
        absent,
        generalized,
        sample,
    )


def _sample(runs: pa.Table, sample: pa.Table | None) -> pa.Table | None:
    """Those rows of a sample that are analysed; of many runs, one where none is given."""
    if sample is None:
        seeds = sampled_seeds(runs["seed"].to_numpy())
        return None if seeds is None else with_seeds(runs, seeds)
    kept = keys(with_seeds(runs, np.unique(sample["seed"].to_numpy())))
    return sample.filter(pa.array([key in kept for key in key_rows(sample)], pa.bool_()))


def methods_of(fit: ExponentFit) -> tuple[Method, ...]:
    """The methods compared at a fitted law, with its first correction where that can be fitted.

    Constants are rounded to three digits: they can then be quoted exactly, and the methods' runs
    are found again after a resume. The rules of other exponents equal the law at the geometric mean
    of the grid's learning rates.

    Args:
        fit: The sweep's exponent, prefactor and best momenta.

    Returns:
        The methods, the law first.
    """
    middle = float(np.exp(np.mean(np.log(fit.lr))))
    found = fit.located
    corrected = None
    if np.sum(found) >= 3:
        best_mu = [mu.estimate for mu, located in zip(fit.best_mu, found, strict=True) if located]
        law = corrected_law(fit.lr[found], best_mu)
        corrected = _rounded(law.constant.estimate), _rounded(law.slope.estimate)
    return standard_methods(_rounded(fit.prefactor.estimate), _rounded(middle), corrected)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
