"""Readings as numbers by name, as a line of text, and as a few words."""

from collections.abc import Sequence

from flatfast.torch.gauge.history import History
from flatfast.torch.gauge.reading import GroupReading


def numbers(groups: Sequence[GroupReading], history: History) -> dict[str, float]:
    """For a log; see :meth:`flatfast.torch.Gauge.readings`."""
    distinct = groups if len(set(map(_compared, groups))) > 1 else groups[:1]
    found: dict[str, float] = {}
    for index, group in enumerate(distinct):
        suffix = f"/{index}" if len(distinct) > 1 else ""
        found |= {f"{name}{suffix}": value for name, value in group.numbers().items()}
    if history.curvatures:
        last = history.curvatures[-1]
        found["curvature"] = last.curvature.value
        found["curvature_step"] = float(last.step)
        limit = lowest_limit(groups)
        if limit is not None:
            found["curvature_over_limit"] = last.curvature.value / limit
    if (law := history.last_law) is not None:
        found |= {"C_calibrated": law.C, "C_low": law.low, "C_high": law.high}
    return found


def line(steps: int, groups: Sequence[GroupReading], history: History) -> str:
    """All of it in one line."""
    told = [_group(group) for group in groups]
    if len(set(told)) == 1:
        text = told[0]
    else:
        text = "; ".join(f"group {index}: {each}" for index, each in enumerate(told))
    parts = [f"step {steps:,}: {text}"]
    if history.curvatures:
        last = history.curvatures[-1]
        parts.append(f"curvature {last.curvature.value:.3g} (step {last.step:,})")
        if (limit := lowest_limit(groups)) is not None:
            share = last.curvature.value / limit
            parts[-1] += f", {share:.2f} of the stability limit {limit:.3g}"
    if (law := history.last_law) is not None:
        parts.append(f"calibrated C {law.C:.3g} ({law.low:.3g} to {law.high:.3g})")
    return "; ".join(parts)


def short(groups: Sequence[GroupReading], history: History) -> dict[str, str]:
    """The first group's, for a progress bar."""
    first = groups[0]
    found = {"lr": f"{first.lr:.3g}", "momentum": momentum(first.momentum)}
    found["step"] = f"{first.effective_step:.3g}"
    if history.curvatures and (limit := lowest_limit(groups)) is not None:
        found["curvature/limit"] = f"{history.curvatures[-1].curvature.value / limit:.2f}"
    return found


def momentum(value: float) -> str:
    """With as many digits as ``1 - momentum`` needs to be told to two."""
    return f"{value:.3f}" if value < 0.99 else f"{value:.5f}".rstrip("0")


def lowest_limit(groups: Sequence[GroupReading]) -> float | None:
    """The least positive stability limit of the groups; None where none has one."""
    limits = [g.stability_limit for g in groups if 0 < g.stability_limit < float("inf")]
    return min(limits, default=None)


def _compared(group: GroupReading) -> tuple[tuple[str, float], ...]:
    return tuple(group.numbers().items())  # NaN, which equals nothing, left out


def _group(group: GroupReading) -> str:
    C = "" if group.C != group.C else f", C {group.C:.3g}"
    return (
        f"lr {group.lr:.4g}, momentum {momentum(group.momentum)} (memory {group.memory:,.0f} "
        f"step{'' if 0.5 <= group.memory < 1.5 else 's'}), effective step "
        f"{group.effective_step:.3g}{C}"
    )
