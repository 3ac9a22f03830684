"""The calibrated pair of learning rate and momentum against the best of a sweep of both.

Written down before the runs: the steps to the goal at most 1.25 times those of the best pair of the
sweep, in the median of the cases, and no run that diverges or does not settle. The best is the
least median over seeds of all cells of which no run diverged: chosen among many, it is a little
better than it would be on other seeds, which is to the disadvantage of the pair.

The margin of :mod:`flatfast.calibration.pair` was chosen on half of the cases
(``development``), by the share of their runs that diverge; the others were held out.
"""

from pathlib import Path
from typing import Any

import numpy as np

from flatfast.lab.calibration import calibrate_problem
from studies import markdown
from studies.calibration.cases import CALIBRATIONS
from studies.calibration.naming import name
from studies.calibration.pair_grid import Trial, run_pairs

Row = dict[str, Any]

BAR = 1.25
"""Steps over those of the best pair that were written down as success, in the median."""


def paired(trial: Trial, swept: Row, folder: Path) -> Row:
    """Runs at the pairs of three calibrations.

    Args:
        trial: The case.
        swept: Its sweep.
        folder: Where runs are kept.
    """
    problem = trial.load()
    found = [calibrate_problem(problem, seed=seed) for seed in range(CALIBRATIONS)]
    named = [one.pair for one in found if one.pair is not None]
    pairs = list(dict.fromkeys((pair.lr, pair.momentum) for pair in named))
    made = run_pairs(trial, pairs, trial.own_seeds, swept["steps"], folder)
    runs = dict(zip(pairs, made, strict=True))
    return {
        "problem": trial.case.problem,
        "settings": dict(trial.case.settings),
        "development": trial.development,
        "calibrations": [
            {
                "pair": None
                if one.pair is None
                else {**runs[one.pair.lr, one.pair.momentum], "margin": one.pair.margin},
                "C": float(one.C),
                "largest": float(one.largest),
                "evaluations": one.evaluations,
            }
            for one in found
        ],
    }


def best(swept: Row) -> Row | None:
    """The fastest cell of which no run diverged; None if none settles."""
    stable = [cell for cell in swept["cells"] if cell["steps"] and not cell["diverged"]]
    return min(stable, key=lambda cell: float(cell["steps"]), default=None)


def at_the_end(swept: Row, cell: Row) -> bool:
    """Whether a cell has the greatest learning rate of its sweep, as a share of the limit."""

    def share(row: Row) -> float:
        return float(row["lr"] * swept["curvature"] / (2 * (1 + row["momentum"])))

    return share(cell) > 0.99 * max(map(share, swept["cells"]))


def ratios(case: Row) -> list[float]:
    """Steps of each calibration's pair over those of the best; infinite where there is none.

    Empty where no pair of the sweep settles either, with which it could be compared.
    """
    fastest = best(case["swept"])
    if fastest is None:
        return []
    return [
        row["pair"]["steps"] / fastest["steps"] if row["pair"] and row["pair"]["steps"] else np.inf
        for row in case["calibrations"]
    ]


def table(found: Row) -> str:
    """A row a case: the best pair, the calibrated ones, and what they cost."""
    heads = (
        "problem",
        "best lr, momentum",
        "steps",
        "calibrated lr, momentum",
        "share of the limit",
        "steps over the best, 3 calibrations",
        "diverged, not settled",
    )
    rows = []
    for case in found["pair"].values():
        fastest = best(case["swept"])
        pairs = [row["pair"] for row in case["calibrations"] if row["pair"]]
        end = "*" if fastest and at_the_end(case["swept"], fastest) else ""
        shares = [
            pair["lr"] * case["swept"]["curvature"] / (2 * (1 + pair["momentum"])) for pair in pairs
        ]
        rows.append(
            [
                f"{name(case)}{'' if case['development'] else ' (held out)'}",
                f"{fastest['lr']:.3g}, {fastest['momentum']:.3g}{end}"
                if fastest
                else "none settles",
                f"{fastest['steps']:.0f}" if fastest else "",
                f"{pairs[0]['lr']:g}, {pairs[0]['momentum']:.3g}" if pairs else "none",
                f"{np.median(shares):.2f}" if pairs else "",
                ", ".join(f"{r:.2f}" if np.isfinite(r) else "-" for r in ratios(case)),
                f"{sum(p['diverged'] for p in pairs)}, {sum(p['unsettled'] for p in pairs)} of "
                f"{sum(p['runs'] for p in pairs)}",
            ]
        )
    note = (
        "`*`: at the greatest share of the limit that was swept, 0.95, and perhaps faster beyond. "
        "The share is over the largest curvature where runs start"
    )
    return markdown.table(heads, rows, note)


def _without(cases: list[Row]) -> str:
    """Cases that cannot be compared, by name."""
    names = [name(case) for case in cases if not best(case["swept"])]
    return f"; no pair of the sweep settles on {', '.join(names)}" if names else ""


def sentence(found: Row) -> str:
    """Medians and worst, of the cases held out and of all, and what diverged."""
    cases = list(found["pair"].values())
    every = [case for case in cases if best(case["swept"])]
    held = [case for case in every if not case["development"]]
    pairs = [row["pair"] for case in cases for row in case["calibrations"] if row["pair"]]
    lost, late, runs = (
        sum(pair[key] for pair in pairs) for key in ("diverged", "unsettled", "runs")
    )
    of_held, of_every = (
        [float(np.median(ratios(case))) for case in some] for some in (held, every)
    )
    return (
        f"Steps of the calibrated pair over those of the best of a sweep: {_middle(of_held)} on "
        f"{len(held)} cases held out, {_middle(of_every)} on all {len(every)} (at most {BAR:g} in "
        f"the median was the bar){_without(cases)}. Of {runs:,} runs at calibrated pairs {lost} "
        f"diverged, and {late} more did not settle."
    )


def _middle(values: list[float]) -> str:
    """Median and worst; where half of a case's pairs do not arrive, that is the worst."""
    worst = f"{max(values):.2f}" if np.isfinite(max(values)) else "does not settle"
    return f"{np.median(values):.2f} in the median (worst: {worst})"
