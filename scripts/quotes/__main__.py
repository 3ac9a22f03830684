"""Write the figures that README and docs quote, from the committed results.

A quoted block stands between ``<!-- quote:NAME -->`` and ``<!-- /quote -->``; this fills it from
``results/*/summary.json``, ``results/theory/*.json`` and ``benchmarks/results/*.json``. With
``--check`` nothing is written and a block that is out of date is an error.

    python -m scripts.quotes [--check]
"""

import argparse
import re
import sys
from collections.abc import Callable

from scripts.quotes import (
    benchmarks,
    calibration,
    lab,
    limit,
    prefactor,
    regimes,
    theory,
    timescales,
    training,
)
from scripts.quotes.values import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- quote:(\w+) -->\n).*?(<!-- /quote -->)", re.DOTALL)

QUOTES: dict[str, Callable[[], str]] = {
    "results": lab.results,
    "comparison": lab.comparison,
    "catapults": lab.catapults,
    "sensitivity": lab.sensitivity,
    "collapse": lab.collapses,
    "corrections": lab.corrections,
    "departures": lab.departures,
    "template": lab.template,
    "throughput": benchmarks.throughput,
    "scaling": benchmarks.scaling,
    "coverage": benchmarks.coverage,
    "overhead": benchmarks.overhead,
    "overhead_brief": benchmarks.overhead_brief,
    "limit": limit.scalar,
    "limit_claim": limit.claim,
    "limit_rates": limit.rates,
    "limit_partings": limit.partings,
    "limit_sensing": limit.sensing,
    "calibration": calibration.table,
    "calibration_summary": calibration.summary,
    "calibration_coverage": calibration.coverage,
    "calibration_brief": calibration.brief,
    "calibration_estimators": calibration.estimators,
    "calibration_reach": calibration.reach,
    "calibration_sides": calibration.sides,
    "calibration_auto": calibration.auto,
    "calibration_along": calibration.along,
    "calibration_online": calibration.online,
    "calibration_budgets": calibration.budgets,
    "forecasts": theory.forecasts,
    "noise_exponents": theory.noise_exponents,
    "forecast_batches": theory.batches,
    "forecast_cost": theory.cost,
    "prefactor_cases": prefactor.cases,
    "prefactor_ratios": prefactor.ratios,
    "prefactor_exponents": prefactor.exponents,
    "prefactor_noise": prefactor.noise_laws,
    "prefactor_reach": prefactor.reach,
    "prefactor_varied": prefactor.varied,
    "prefactor_loss": prefactor.loss,
    "prefactor_which": prefactor.which,
    "regime_deterministic": regimes.deterministic,
    "regime_noise": regimes.noisy,
    "regime_init": regimes.from_init,
    "regime_pooled": regimes.pooled,
    "regime_collapse": regimes.collapse,
    "regime_scratch": regimes.from_scratch,
    "regime_cells": regimes.cells,
    "regime_minibatch": regimes.minibatch,
    "regime_windows": regimes.windows,
    "regime_on_manifold": regimes.on_manifold,
    "regime_student": regimes.student,
    "regime_overdamped": regimes.overdamped,
    "regime_edges": regimes.edges,
    "tau_1": timescales.across,
    "tau_1_noise": timescales.noise,
    "tau_1_corner": timescales.corner,
    "tau_2": timescales.along,
    "tau_spectrum": timescales.spectrum,
    "tau_crossing": timescales.crossing,
    "tau_exponent": timescales.exponent,
    "training_tuned": training.tuned,
    "training_breadth": training.breadth,
    "training_breadth_brief": training.breadth_brief,
    "training_at_lr": training.at_lr,
    "training_changed_brief": training.changed_brief,
    "training_changed": training.changed,
    "training_rules": training.rules,
    "training_best": training.best,
    "training_against": training.against,
}


def quoted(text: str, root: str = "") -> str:
    """A page with its blocks filled; ``root`` is the way from the page to the project's root."""

    def fill(match: re.Match[str]) -> str:
        name = match[2]
        if name not in QUOTES:
            raise SystemExit(f"no quote {name!r}; there are {', '.join(QUOTES)}")
        block = QUOTES[name]().replace("](results/", f"]({root}results/")
        return f"{match[1]}{block}\n{match[3]}"

    return BLOCK.sub(fill, text)


def main() -> None:
    """Fill or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    check = parser.parse_args().check
    stale = []
    for page in PAGES:
        text = page.read_text()
        fresh = quoted(text, "../" * (len(page.relative_to(ROOT).parts) - 1))
        if fresh != text:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(fresh)
    if check and stale:
        sys.exit(f"out of date: {', '.join(map(str, stale))}; run: make quotes")
    print(f"{len(PAGES)} pages, {len(stale)} {'out of date' if check else 'written'}")


if __name__ == "__main__":
    main()
