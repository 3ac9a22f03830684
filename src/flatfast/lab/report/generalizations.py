"""The test metric over momentum: as plain values, in a sentence, and in a table."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from flatfast.lab.estimation.generalization import Generalization, Reading
from flatfast.lab.report.markup import Markup, formula, table, text, with_note
from flatfast.lab.report.study import Study, goal_metric
from flatfast.lab.report.typography import fixed, method_name, metric_name, number, sentence


def generalization_summary(study: Study) -> dict[str, Any] | None:
    """The summary's entry ``generalization``; None where no metric of a test set was recorded."""
    found = study.generalization
    if found is None:
        return None
    return {
        "metric": found.metric,
        "is_goal": found.metric == goal_metric(study),
        "share": found.share,
        "trained": _reading(found.trained),
        "equal_steps": _reading(found.equal_steps),
        "at_eta": [
            {"eta": lr, "steps": found.steps[e], "cells": _cells(found, e)}
            for e, lr in enumerate(found.lr)
        ],
        "methods": [
            {
                "name": one.method,
                "eta": one.lr,
                "momentum": one.momentum,
                "trained": asdict(one.trained),
                "equal_steps": asdict(one.equal_steps),
                "trained_over_law": asdict(one.trained_over_reference),
                "equal_steps_over_law": asdict(one.equal_steps_over_reference),
            }
            for one in found.methods
        ],
        "level": found.level,
        "resamples": found.n_boot,
        "seed": found.seed,
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "fastest": reading.fastest,
        "difference": asdict(reading.difference),
        "etas": reading.rates,
    }


def _cells(found: Generalization, e: int) -> list[dict[str, Any]]:
    """The cells of a learning rate of which at least one reading is known."""
    return [
        {
            "momentum": 1 - mu,
            "trained": _cell(found.trained, e, m),
            "equal_steps": _cell(found.equal_steps, e, m),
        }
        for m, mu in enumerate(found.mu)
        if not np.isnan([found.trained.median[e, m], found.equal_steps.median[e, m]]).all()
    ]


def _cell(reading: Reading, e: int, m: int) -> dict[str, Any]:
    return {
        "estimate": reading.median[e, m],
        "low": reading.low[e, m],
        "high": reading.high[e, m],
    }


def generalization_line(summary: Mapping[str, Any]) -> str:
    """Whether the fastest momentum costs test error, in one sentence; "" where it is not known."""
    found = summary.get("generalization")
    if found is None:
        return ""
    name = metric_name(found["metric"])
    if found["is_goal"]:
        # A name of two parts, "test error, cooled", is closed by a comma too.
        closed = f"{name}," if "," in name else name
        return sentence(f"{closed} is the goal: runs that reach it have it alike at any momentum")
    share = found["share"]
    told = [
        f"{moment}, {level_text(found[part]['fastest'], share)} at the fastest momentum, "
        f"{difference_text(found[part]['difference'], share)}"
        for part, moment in (("trained", "when trained"), ("equal_steps", "at equal steps"))
        if found[part]["difference"]["low"] is not None
    ]
    return sentence(f"{name}: {'; '.join(told)}") if told else ""


def difference_text(difference: Mapping[str, Any], share: bool, others: str = "the others") -> str:
    """A difference from the others in words; none is claimed where the interval holds 0."""
    low, high = difference["low"], difference["high"]
    scale, unit = (100, " points") if share else (1, "")
    ends = f"{_plain(scale * low, share)} to {_plain(scale * high, share)}"
    value = scale * difference["estimate"]
    if low <= 0 <= high:
        return f"no difference from {others} can be told ({_plain(value, share)}{unit}, {ends})"
    way = "lower" if value < 0 else "higher"
    return f"{_plain(abs(value), share)}{unit} {way} than at {others} ({ends})"


def level_text(value: float, share: bool) -> str:
    """A value of the metric: 18.4% or 0.123."""
    return f"{fixed(100 * value, 1)}%" if share else number(value)


def _plain(value: float, share: bool) -> str:
    return fixed(value, 2 if abs(value) < 1 else 1) if share else number(value, 2)


def generalization_table(summary: Mapping[str, Any]) -> Markup | None:
    """The test metric of the compared methods; None where their runs have none."""
    found = summary.get("generalization")
    if found is None or not found["methods"]:
        return None
    share = found["share"]
    rows = [
        [
            formula(method_name(one["name"])),
            *(
                _with_difference(one[part], one[f"{part}_over_law"], share)
                for part in ("trained", "equal_steps")
            ),
        ]
        for one in found["methods"]
    ]
    header = [metric_name(found["metric"]), "when trained", "after the law's steps"]
    return table(header, rows, kind="methods")


def _with_difference(
    value: Mapping[str, Any], difference: Mapping[str, Any], share: bool
) -> Markup:
    """A median, and below it how far it lies over the law's."""
    if value["estimate"] is None:
        return text("–")
    note = ""
    if difference["low"] is not None:
        scale, unit = (100, " points") if share else (1, "")
        low, middle, high = (
            _plain(scale * difference[end], share) for end in ("low", "estimate", "high")
        )
        note = f"{middle}{unit} over the law's ({low} to {high})"
    return with_note(level_text(value["estimate"], share), note)
