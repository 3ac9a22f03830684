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
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.methods import REFERENCE, SCAN, Method, standard_methods
from flatfast.lab.estimation.optimum import DEFAULT_FIT, locate, median_times
from flatfast.lab.estimation.selection import comparable
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.forecast import Forecast
from flatfast.lab.report.study import Study


def analyse(
    runs: pa.Table,
    manifest: Mapping[str, Any],
    *,
    forecast: Forecast | None = None,
    n_boot: int = 1000,
) -> Study:
    """Estimate all that a sweep's runs allow.

    Args:
        runs: Rows as the store keeps them.
        manifest: What the store's manifest says of them.
        forecast: What the theory said before the runs, to be drawn beside them.
        n_boot: Resamples of the seeds.

    Returns:
        The study; under ``missing``, part by part, why it could not be estimated, and in the
        manifest, under ``set_aside``, which runs were not used
        (:func:`flatfast.lab.estimation.selection.comparable`).

    Raises:
        ValueError: If there is no grid run at all.
    """
    runs, set_aside = comparable(runs)
    if set_aside:
        manifest = {**manifest, "set_aside": set_aside}
    grid = time_grid(runs)
    missing: dict[str, str] = {}
    optima = fit = collapsed = comparison = None
    try:
        optima = locate(median_times(grid, n_boot=n_boot, seed=0), DEFAULT_FIT)
    except ValueError as error:
        missing["optima"] = str(error)
    try:
        fit = fit_exponent(grid, n_boot=n_boot)
    except ValueError as error:
        missing["fit"] = str(error)
    try:
        collapsed = collapse(grid)
    except ValueError as error:
        missing["collapse"] = str(error)

    names = np.asarray(runs["method"].to_pylist())
    compared = np.unique(runs["lr"].to_numpy()[names == REFERENCE])
    if fit is None:
        missing["comparison"] = "the law's constant comes from the fit, and there is none"
    elif not len(compared):
        missing["comparison"] = "no runs of the methods were asked for"
    else:
        methods = methods_for(fit.prefactor.estimate, grid.lr)
        scan = time_grid(runs, SCAN) if SCAN in names else None
        comparison = compare(runs, methods, compared.tolist(), scan=scan, n_boot=n_boot)
    return Study(runs, manifest, grid, optima, fit, collapsed, comparison, forecast, missing)


def methods_for(prefactor: float, lr: Any) -> tuple[Method, ...]:
    """The methods compared at a fitted prefactor.

    The prefactor is rounded to three digits: it can then be quoted exactly, and the methods' runs
    are found again after a resume.

    Args:
        prefactor: Fitted C at exponent 2/3.
        lr: The grid's learning rates; the linear rule equals the law at their geometric mean.

    Returns:
        The methods, the law first.
    """
    middle = float(np.exp(np.mean(np.log(lr))))
    return standard_methods(float(f"{prefactor:.3g}"), float(f"{middle:.3g}"))
