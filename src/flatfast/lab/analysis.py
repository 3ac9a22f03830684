"""From stored runs to a study: times, exponent, collapse, comparison.

Each step is tried on what the runs allow. What cannot be estimated is left out with the reason, in
the words of the step that refused, so that a small sweep still gets its report.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from flatfast.lab.estimation.collapse import collapse
from flatfast.lab.estimation.comparison import compare
from flatfast.lab.estimation.correction import corrected_law
from flatfast.lab.estimation.exponent import ExponentFit, fit_exponent
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
from flatfast.lab.report.study import Study


def analyse(
    runs: pa.Table,
    manifest: Mapping[str, Any],
    *,
    forecast: Forecast | None = None,
    missing: Mapping[str, str] | None = None,
    n_boot: int = 1000,
) -> Study:
    """Estimate all that a sweep's runs allow.

    Args:
        runs: Rows as the store keeps them.
        manifest: What the store's manifest says of them.
        forecast: What the theory said before the runs, to be drawn beside them.
        missing: Why parts that are not estimated here, such as the forecast, are not there.
        n_boot: Resamples of the seeds.

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
    runs, set_aside = comparable(runs)
    if set_aside:
        manifest = {**manifest, "set_aside": set_aside}
    grid = time_grid(runs)
    optima = fit = collapsed = comparison = None
    try:
        optima = locate(median_times(grid, n_boot=n_boot, seed=0), DEFAULT_FIT)
    except ValueError as error:
        absent["optima"] = str(error)
    try:
        fit = fit_exponent(grid, n_boot=n_boot)
    except ValueError as error:
        absent["fit"] = str(error)
    try:
        collapsed = collapse(grid)
    except ValueError as error:
        absent["collapse"] = str(error)

    names = np.asarray(runs["method"].to_pylist())
    if fit is None:
        absent["comparison"] = "the law's constant comes from the fit, and there is none"
    elif REFERENCE not in names:
        absent["comparison"] = "no runs of the methods were asked for"
    else:
        scan = time_grid(runs, SCAN) if SCAN in names else None
        curvature = manifest.get("comparison", {}).get("curvature")
        methods = methods_of(fit) + ((one_cycle(),) if ONE_CYCLE in names else ())
        comparison = compare(runs, methods, curvature=curvature, scan=scan, n_boot=n_boot)
    return Study(runs, manifest, grid, optima, fit, collapsed, comparison, forecast, absent)


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
