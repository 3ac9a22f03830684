"""Cells of the tables of calibrated prefactors beside swept ones."""

from studies.calibration.naming import Row


def swept(row: Row | None) -> str:
    """The best C of a sweep with its interval."""
    if not row or row["best_C"] is None:
        return "not located"
    low, high = row["best_C_interval"]
    return f"{row['best_C']:.3g} ({low:.3g} to {high:.3g})"


def spread(prefactors: list[float]) -> str:
    """The least and the greatest of several calibrations' C."""
    return f"{min(prefactors):.3g} to {max(prefactors):.3g}"


def over(row: Row | None) -> str:
    """Median and range of the calibrations."""
    if row is None:
        return ""
    entry = row["over_best"]
    if entry["low"] is None:
        return "does not settle"
    if entry["estimate"] is None:
        return f"{entry['low']:.2f} to not settled"
    high = "not settled" if entry["high"] is None else f"{entry['high']:.2f}"
    return f"{entry['estimate']:.2f} ({entry['low']:.2f} to {high})"


def beside(row: Row | None) -> str:
    """Steps over those of momentum 0.9, or a bound where that has not arrived."""
    if not row or row["over_0.9"] is None:
        return ""
    entry = row["over_0.9"]
    return f"< {entry['estimate']:.2g}" if entry["bound"] else f"{entry['estimate']:.2f}"


def cost_of(case: Row, row: Row) -> float | None:
    """Gradients of a calibration over the steps to the goal."""
    times = row["over_best"]["estimate"]
    return float(case["evaluations"] / (times * row["best_time"])) if times else None


def cost(case: Row, row: Row | None) -> str:
    """The same as a percentage; "" where it is not known."""
    share = row and cost_of(case, row)
    return f"{100 * share:.0f}%" if share else ""
