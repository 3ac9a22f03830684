"""Tables of prefactors that look ahead or follow, beside the best constant of each sweep."""

from typing import Any

import numpy as np

from studies import markdown
from studies.calibration.naming import Row, name
from studies.calibration.rows import rate_at, steps_over_best
from studies.markdown import met

DEVELOPED = (
    "matrix-sensing_noise_std-0.1",
    "teacher-student_noise_std-0.5",
    "scalar-product_noise_std-0.5",
    "digits-mlp_noise_std-0.5",
    "digits-mlp_activation-relu_init_seed-1_noise_std-0.5",
    "digits-mlp_loss-cross-entropy_flip_probability-0.1",
    "digits-resnet_examples-60_channels-4_noise_std-0.5",
)
"""Cases on which the constants of looking ahead and following were chosen."""

WANTED, WORST, FASTER = 1.10, 1.4, 1 / 3
"""What was to be reached: the median, the worst, and the share of cases below 1."""

LOST = np.inf

METHODS = {"start": "C of the start", "fall": "fall=", "follow": "following"}

BOOT = 1000
"""Resamplings of the seeds."""


def ratios_of(found: Row, label: str) -> dict[str, float]:
    """Steps over the swept best of each method that was measured; infinite where it is lost."""
    rate = rate_at(found["sweeps"][label], 1.0)
    if rate is None:
        return {}
    told: dict[str, float] = {}
    if label in found.get("fall", {}):
        each = found["fall"][label]
        told["start"] = _read_off(rate, each["C_start"])
        told["fall"] = _read_off(rate, each["C"])
    if label in found.get("follow", {}):
        steps = _steps(found["follow"][label])
        told["follow"] = float(np.median(steps)) / rate["best_time"]
    return told


def _read_off(rate: Row, prefactors: list[float]) -> float:
    """The median over calibrations."""
    return float(np.median([steps_over_best(rate, C) or LOST for C in prefactors]))


def _steps(row: Row) -> Any:
    return np.array([LOST if step is None else step for step in row["steps"]])


def follow(found: Row) -> str:
    """A row a case: steps over the best by each method, C on the way, and what it cost."""
    heads = (
        "problem",
        "best constant: C, steps",
        "momentum 0.9",
        "C of the start",
        "`fall=`: C",
        "`fall=`",
        "following, 95%",
        "its C: start, at the goal",
        "its gradients, all in all",
    )
    rows = []
    for label, sweep in found["sweeps"].items():
        told = ratios_of(found, label)
        rate = rate_at(sweep, 1.0)
        if not told or rate is None:
            continue
        mark = "*" if label in DEVELOPED else ""
        rows.append(
            [
                f"{name(sweep)}{mark}",
                f"{_number(rate['best_C'])}, {rate['best_time']:,.0f}",
                _constant(rate),
                _ratio(told.get("start")),
                _three(found, label),
                _ratio(told.get("fall")),
                *_followed(found["follow"].get(label), rate),
            ]
        )
    note = (
        "Steps over those of the best constant. * : the constants of both methods were chosen on "
        "these. Constants are read off the sweep's curve, medians of three calibrations; following "
        "was run, its interval is that of the median over seeds, from resampling them, the "
        "best constant's steps taken as known"
    )
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def _three(found: Row, label: str) -> str:
    row = found.get("fall", {}).get(label)
    return f"{np.median(row['C']):.3g}" if row else ""


def _followed(row: Row | None, rate: Row) -> tuple[str, str, str]:
    if row is None:
        return "", "", ""
    steps = _steps(row)
    drawn = np.random.default_rng(0).integers(len(steps), size=(BOOT, len(steps)))
    low, high = np.quantile(np.median(steps[drawn], axis=1), (0.025, 0.975), method="nearest")
    ratio = np.median(steps) / rate["best_time"]
    told = f"{_ratio(ratio)} ({_ratio(low / rate['best_time'])} to "
    first = row["path"][0][2]
    total = np.median(row["evaluations"])
    return (
        f"{told}{_ratio(high / rate['best_time'])})",
        f"{first:.3g}, {np.median(row['C_at_goal']):.3g}",
        f"{total:.0f} in {row['run']:,} steps",
    )


def _constant(rate: Row) -> str:
    """Momentum 0.9, or the bound by the length of its runs."""
    constant = rate["constants"].get("0.9")
    if constant is None:
        return ""
    if constant["time"] is None:
        return f"> {rate['limit'] / rate['best_time']:.1f}"
    return f"{constant['time'] / rate['best_time']:.2f}"


def _number(value: float | None) -> str:
    return "not located" if value is None else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if np.isfinite(value) else "does not settle"


def followed(found: Row) -> str:
    """Median, worst and how many are faster, of each method; on all and on the held-out cases."""
    every = {label: ratios_of(found, label) for label in found["sweeps"]}
    if not any(every.values()):
        return markdown.NOT_YET
    parts = []
    for method, text in METHODS.items():
        of_all = {label: told[method] for label, told in every.items() if method in told}
        if not of_all:
            continue
        held_out = [ratio for label, ratio in of_all.items() if label not in DEVELOPED]
        parts.append(f"{text} {_summary(list(of_all.values()))}; {_summary(held_out)} held out")
    return "Steps over the best constant of a sweep: " + ". ".join(parts) + "."


def _summary(ratios: list[float]) -> str:
    values = np.array(ratios)
    settled = values[np.isfinite(values)]
    lost = len(values) - len(settled)
    faster = int((values < 1).sum())
    if not len(settled):
        return f"none of {len(values)} settles"
    return (
        f"{np.median(values):.2f} in the median and {settled.max():.2f} in the worst of "
        f"{len(values)} cases" + (f" ({lost} more do not settle)" if lost else "") + ", "
        f"below 1 in {faster}"
    )


def followed_bar(found: Row) -> str:
    """What of the bar is met by each method, held out and not, and where it is off."""
    every = {label: ratios_of(found, label) for label in found["sweeps"]}
    lines = []
    for method in ("fall", "follow"):
        of_all = {label: told[method] for label, told in every.items() if method in told}
        if not of_all:
            continue
        values = np.array(list(of_all.values()))
        median, worst, faster = np.median(values), values.max(), (values < 1).mean()
        off = [label for label, ratio in of_all.items() if ratio > WORST]
        where = ", ".join(name(found["sweeps"][label]) for label in off)
        lines.append(
            f"`{METHODS[method]}`: median {met(median <= WANTED)}, worst {met(worst <= WORST)}"
            f"{f' (beyond it: {where})' if off else ''}, arriving {met(np.isfinite(worst))}, "
            f"a third below 1 {met(faster >= FASTER)}"
        )
    return "; ".join(lines).replace("`following`", "following") + "." if lines else markdown.NOT_YET
