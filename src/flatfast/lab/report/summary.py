"""The result of a study as one JSON document, ``summary.json``.

Every number on the page comes from here, so that the two cannot disagree. Values that are not
known are null, never NaN; parts that could not be estimated are null with a reason under
``missing``. ``summary.schema.json`` beside this file is the contract; raise
:data:`SCHEMA_VERSION` when it changes in a way that readers notice.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flatfast.lab.atomic import atomically
from flatfast.lab.estimation.conventions import HEAVY_BALL
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.report.comparisons import comparison_summary
from flatfast.lab.report.generalizations import generalization_summary
from flatfast.lab.report.provenance import provenance
from flatfast.lab.report.study import Best, Study, best_momenta

SCHEMA_VERSION = 2

SCHEMA = Path(__file__).with_name("summary.schema.json")
"""The JSON Schema of the document."""


def summarise(study: Study) -> dict[str, Any]:
    """Everything a study found, as plain JSON values.

    The manifest may hold ``problem`` (``name``, ``version``, ``settings``, ``goal``), ``machine``
    and ``versions`` (mappings), ``command`` and ``created`` (strings); whatever else it holds is
    taken over under ``sweep``. Nothing in it is required, and what is of another form is named
    under ``missing``.

    Args:
        study: Runs and fits.

    Returns:
        A document that satisfies ``summary.schema.json``.
    """
    best = best_momenta(study)
    known = provenance(study.manifest)
    missing = dict(study.missing)
    if known.odd:
        missing["manifest"] = f"the manifest has no readable {', '.join(known.odd)}"
    document: dict[str, Any] = plain(
        {
            "schema_version": SCHEMA_VERSION,
            "problem": {
                "name": known.name,
                "version": known.version,
                "settings": known.settings,
                "goal": known.goal,
            },
            "etas": best.lr,
            "best_momentum": [_at_eta(best, e, _momentum(mu)) for e, mu in enumerate(best.mu)],
            "best_mu": [_at_eta(best, e, _interval(mu)) for e, mu in enumerate(best.mu)],
            "best_time": [_at_eta(best, e, _interval(t)) for e, t in enumerate(best.time)],
            "level": best.level,
            **_exponent(study),
            "collapse": _collapse(study),
            "forecast": _forecast(study, best),
            **comparison_summary(study),
            "generalization": generalization_summary(study),
            "counts": {**_counts(study.runs), "sample": _sample(study)},
            "missing": missing,
            "sweep": known.sweep,
            "machine": known.machine,
            "versions": known.versions,
            "command": known.command,
            "created": known.created,
            **_optimizer(study),
        }
    )
    return document


def plain(value: Any) -> Any:
    """``value`` in the types of JSON: arrays as lists, NaN and infinities as None.

    Text keeps what can be written: names of files may hold bytes that are no characters.
    """
    if isinstance(value, Mapping):
        return {plain(str(name)): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return str(value).encode("utf-8", "replace").decode("utf-8")


def write_summary(summary: Mapping[str, Any], path: Path) -> Path:
    """Write the document so that a reader never sees half of it.

    Args:
        summary: What :func:`summarise` returned.
        path: The file, in an existing folder.

    Returns:
        ``path``.
    """
    text = json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    with atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def _interval(interval: Interval) -> dict[str, float]:
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}


def _momentum(mu: Interval) -> dict[str, float]:
    # A wide interval of 1 - momentum may pass 1, where there is no momentum.
    return {"estimate": 1 - mu.estimate, "low": max(1 - mu.high, 0.0), "high": 1 - mu.low}


def _at_eta(best: Best, e: int, interval: dict[str, float]) -> dict[str, Any]:
    located = bool(best.located[e])
    values = interval if located else dict.fromkeys(("estimate", "low", "high"))
    return {"eta": best.lr[e], **values, "located": located, "reason": best.reason[e]}


def _exponent(study: Study) -> dict[str, Any]:
    fit = study.fit
    if fit is None:
        return {
            "exponent": None,
            "best_C": None,
            "jackknife": None,
            "sensitivity": [],
            "verdicts": [],
        }
    return {
        "exponent": {
            **_interval(fit.exponent),
            "level": fit.level,
            "standard_error": fit.standard_error,
            "scatter": fit.scatter,
            "resamples": fit.n_boot,
            "seed": fit.seed,
            "caution": fit.caution,
        },
        "best_C": {
            **_interval(fit.prefactor),
            "gamma": study.convention.law,
            "free": {"C": fit.free_prefactor, "gamma": fit.exponent.estimate},
        },
        "jackknife": {
            "exponents": [
                {"eta_left_out": lr, "exponent": value}
                for lr, value in zip(fit.lr, fit.jackknife, strict=True)
            ],
            "standard_error": fit.jackknife_error,
        },
        "sensitivity": [
            {"name": item.name, **_interval(item.exponent), "note": item.note}
            for item in fit.sensitivity
        ],
        "verdicts": [
            {"name": item.name, "value": item.value, "inside": item.inside, "text": item.text}
            for item in fit.verdicts
        ],
    }


def _optimizer(study: Study) -> dict[str, Any]:
    """What trained, where it was not heavy ball: summaries without it are of heavy ball."""
    return {} if study.convention is HEAVY_BALL else {"optimizer": study.manifest["optimizer"]}


def _collapse(study: Study) -> dict[str, Any] | None:
    found = study.collapse
    if found is None:
        return None
    return {
        "gamma": found.gamma,
        "quality": found.quality,
        "overlap": found.overlap,
        "best_gamma": _interval(found.best_gamma),
        "best_quality": found.best_quality,
        "level": found.level,
    }


def _forecast(study: Study, best: Best) -> dict[str, Any] | None:
    told = study.forecast
    if told is None:
        return None
    scaled = [
        time.estimate * lr**LAW
        for time, lr, located in zip(best.time, best.lr, best.located, strict=True)
        if located
    ]
    measured = float(np.median(scaled)) if scaled else math.nan
    prefactor = study.fit.prefactor.estimate if study.fit is not None else math.nan
    return {
        "way": told.way,
        "C": told.answer,
        "time": told.answer_time,
        "measured_time": measured,
        "C_ratio": told.answer / prefactor,
        "time_ratio": told.answer_time / measured,
    }


def _counts(runs: pa.Table) -> dict[str, Any]:
    status = np.asarray(runs["status"].to_pylist(), dtype=np.str_)
    named = "method" in runs.column_names
    method = np.asarray(runs["method"].to_pylist() if named else ["grid"] * len(status), np.str_)
    steps = "steps_run" if "steps_run" in runs.column_names else "steps"
    return {
        "runs": len(status),
        "steps": int(np.nansum(runs[steps].to_numpy())),
        "by_status": _tally(status),
        "by_method": {name: _tally(status[method == name]) for name in np.unique(method)},
    }


def _sample(study: Study) -> dict[str, int] | None:
    if study.sample is None:
        return None
    seeds, of = (len(pc.unique(rows["seed"])) for rows in (study.sample, study.runs))
    return {"runs": len(study.sample), "seeds": seeds, "of_seeds": of}


def _tally(status: np.ndarray) -> dict[str, int]:
    return {
        name: int(np.sum(status == name)) for name in ("converged", "not_converged", "diverged")
    }
