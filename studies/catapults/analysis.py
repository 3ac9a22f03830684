"""What is read off the cells: the fastest, and where throws land beside the drift."""

from typing import Any

from scipy.stats import binom

Row = dict[str, Any]

ERROR = "cooled:test_error"


def place_metric(case: Row) -> str:
    """What a place is judged by: the test error on the manifold, where there is one."""
    names = case["drift"]["place"]
    return ERROR if ERROR in names else next(iter(names))


def label(cell: Row) -> str:
    """The momentum of a cell."""
    return "the law's" if cell["law"] else f"{cell['momentum']:g}"


def at_most(lost: int, runs: int, level: float = 0.95) -> float:
    """The share lost that so few of so many leave possible, one-sided."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if binom.cdf(lost, runs, middle) > 1 - level else (low, middle)
    return high


def fastest(cells: list[Row], above: bool) -> Row | None:
    """The cell that arrives soonest on one side of the limit; None if none does."""
    arrive = [cell for cell in cells if cell["steps"] and (cell["share"] > 1) == above]
    return min(arrive, key=lambda cell: float(cell["steps"])) if arrive else None


def better(case: Row, thrown: Row) -> tuple[float, float] | None:
    """By how much a throw's place is better than the drift's at equal steps, and the error of that.

    Of the mean over the runs that are left; positive where the throw is better. None where no run
    is left, or too few for an error.
    """
    name = place_metric(case)
    own, other = thrown["place"][name], case["drift"]["place"][name]
    if own is None or other is None or own["error"] is None or other["error"] is None:
        return None
    return other["mean"] - own["mean"], float((own["error"] ** 2 + other["error"] ** 2) ** 0.5)


def no_worse(case: Row, thrown: Row) -> bool:
    """Whether it lands no worse than the drift, within two standard errors."""
    found = better(case, thrown)
    return found is not None and found[0] >= -2 * found[1]
