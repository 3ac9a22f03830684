"""From rows to comparisons with verdicts, and to the matrix of the rules to use."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from studies.study import Result, part_name
from studies.transfer.compare import BASE, Row, losses_of
from studies.transfer.curves import samples_to
from studies.transfer.verdict import TRANSFERS, WITHIN, ratio, verdicts
from studies.transfer.ways import CHANGES, TUNED

LANGUAGE = ("text",)
"""Tasks that are language models; the others are of images."""


def comparisons(rows: Sequence[Row], tuned: Result) -> list[Result]:
    """Every way of every task, optimizer, schedule and change, with its verdict.

    Args:
        rows: Of :func:`studies.transfer.compare.compare`.
        tuned: What was tuned, by the part's name.
    """
    found: list[Result] = []
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task and row["change"] != BASE]
        entries, ratios = [], []
        for row in own:
            if row["way"] == TUNED:
                continue
            oracle = next(r for r in own if _place(r) == _place(row) and r["way"] == TUNED)
            again = tuned[part_name(*_place(row)[:3], "tuned", row["change"])]
            own_samples, its = (samples_to(again["target"], losses_of(r)) for r in (row, oracle))
            ratios.append(ratio(own_samples, its))
            entries.append(_entry(row, oracle, again, asdict(ratios[-1])))
        for entry, verdict in zip(entries, verdicts(ratios), strict=True):
            found.append({**entry, "verdict": verdict, "of": len(entries)})
    return found


def _place(row: Row) -> tuple[str, str, str, str]:
    return row["task"], row["optimizer"], row["schedule"], row["change"]


def _entry(row: Row, oracle: Row, tuned: Result, found: Result) -> Result:
    kept = ("task", "optimizer", "schedule", "change", "batch", "way", "setting", "doubts")
    return {
        **{name: row[name] for name in kept},
        "oracle": oracle["setting"],
        "bounds": tuned["bounds"],
        "ratio": {name: _rounded(value) for name, value in found.items()},
        "loss": _final(row),
        "oracle_loss": _final(oracle),
        "accuracy": round(float(np.mean(row["accuracy"])), 4),
        "oracle_accuracy": round(float(np.mean(oracle["accuracy"])), 4),
    }


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.5g}")


def _final(row: Row) -> float | None:
    """Geometric mean of the final test losses; None where one is infinite."""
    last = losses_of(row)[:, -1]
    return float(f"{np.exp(np.log(last).mean()):.5g}") if np.isfinite(last).all() else None


def finals(rows: Iterable[Row]) -> list[Result]:
    """The tuned settings where they were tuned: what every change starts from."""
    return [
        {
            **{name: row[name] for name in ("task", "optimizer", "schedule", "batch", "setting")},
            "loss": _final(row),
            "accuracy": round(float(np.mean(row["accuracy"])), 4),
            "seeds": len(row["losses"]),
        }
        for row in rows
        if row["change"] == BASE
    ]


def kind_of(entry: Result) -> str:
    """The kind of training: ``SGD, images``."""
    return f"{entry['optimizer']}, {'text' if entry['task'] in LANGUAGE else 'images'}"


def matrix(entries: Sequence[Result]) -> Result:
    """By kind of training and change, what is known of every way, the best first.

    The best is within 2% in most cases, a case being a task with a schedule; among equals it is
    the one whose worst case is least.
    """
    found: Result = {}
    for kind in dict.fromkeys(kind_of(entry) for entry in entries):
        for change in CHANGES:
            own = [e for e in entries if kind_of(e) == kind and e["change"] == change.name]
            ways = [_way(way, own) for way in dict.fromkeys(e["way"] for e in own)]
            ways.sort(key=lambda w: (-w["within"] / w["cases"], w["worst"]))
            if ways:
                found.setdefault(kind, {})[change.name] = ways
    return found


def _is_within(found: Result) -> bool:
    """Whether it took at most 2% more, and no more of its runs failed than of those tuned again."""
    return bool(found["estimate"] <= 1 + WITHIN and found["failures"] <= found["oracle_failures"])


def _way(way: str, entries: Sequence[Result]) -> dict[str, Any]:
    own = [entry for entry in entries if entry["way"] == way]
    ratios = [entry["ratio"] for entry in own]
    worst = max(ratios, key=lambda r: (r["estimate"], r["failures"]))
    return {
        "way": way,
        "cases": len(own),
        "within": sum(_is_within(r) for r in ratios),
        "transfers": sum(entry["verdict"] == TRANSFERS for entry in own),
        "worst": worst["estimate"],
        "worst_failures": worst["failures"],
        "failures": sum(r["failures"] for r in ratios),
        "runs": sum(r["seeds"] for r in ratios),
        "outside": sum(bool(entry["doubts"]) for entry in own),
    }
