"""The values that a figure shows, and where in the picture each of them is.

For those who point at a mark and want its number, or want the numbers to draw them otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

DIGITS = 6
"""Significant digits that are kept."""

PLACES = 4
"""Decimals of a place in the picture, which is a share of its width or height."""

MOST = 48
"""Points of a line that are told: of one with more, these are spread evenly over it."""

POINTS = 72
"""In an inch."""

Cell = float | str | None


@dataclass(frozen=True)
class Values:
    """What a figure shows.

    Attributes:
        columns: Names of the quantities, with their units.
        rows: One a mark: a number, a word, or None where it has none.
        at: Where the marks are, from the left and the top, as shares of the picture's width and
            height; None for those that lie outside of the axes.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    at: tuple[tuple[float, float] | None, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"columns": self.columns, "rows": self.rows, "at": self.at}

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> "Values":
        """What :meth:`to_json` gave.

        Raises:
            LookupError: If a part is missing.
        """
        return cls(
            tuple(read["columns"]),
            tuple(tuple(row) for row in read["rows"]),
            tuple(None if place is None else tuple(place) for place in read["at"]),
        )


@dataclass(frozen=True, eq=False)
class _Marks:
    axes: Axes
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    up: NDArray[np.float64]
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Sheet(Figure):
    """A figure that knows the values of its marks; :func:`tell` adds them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As Matplotlib's."""
        super().__init__(*args, **kwargs)
        self.told: list[_Marks] = []


def tell(
    axes: Axes, x: ArrayLike, y: ArrayLike, columns: Mapping[str, Any], *, up: ArrayLike = 0.0
) -> None:
    """Tell the values of marks.

    Args:
        axes: Where they are drawn, in a :class:`Sheet`.
        x: Their coordinates, (N,).
        y: The same upwards.
        columns: Name of each quantity to its N values, or to one value of all of them.
        up: How far above their coordinates they are drawn, in points: one number, or (N,).

    Raises:
        TypeError: If the axes are in another kind of figure.
        ValueError: If the figure's marks have other quantities already.
    """
    sheet = axes.get_figure(root=True)
    if not isinstance(sheet, Sheet):
        raise TypeError(f"axes must be in a Sheet, got {type(sheet).__name__}")
    names = tuple(columns)
    told = sheet.told
    if told and told[0].columns != names:
        raise ValueError(
            f"all marks of a figure have the same quantities: {told[0].columns}, got {names}"
        )
    right, top, above = np.broadcast_arrays(*map(np.atleast_1d, (x, y, up)))
    count = len(right)
    listed = [[value] * count if np.ndim(value) == 0 else list(value) for value in columns.values()]
    rows = tuple(tuple(_cell(value) for value in row) for row in zip(*listed, strict=True))
    x_there, y_there, lifted = (each.astype(float) for each in (right, top, above))
    told.append(_Marks(axes, x_there, y_there, lifted, names, rows))


def spread(count: int) -> NDArray[np.intp]:
    """Indices of the points of a line that are told."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(np.intp))


def values_of(figure: Figure) -> Values | None:
    """The values of a figure that has been laid out; None if it tells none."""
    told: Sequence[_Marks] = figure.told if isinstance(figure, Sheet) else ()
    if not told:
        return None
    rows: list[tuple[Cell, ...]] = []
    at: list[tuple[float, float] | None] = []
    size = np.array([figure.bbox.width, figure.bbox.height])
    for marks in told:
        rows += marks.rows
        places = marks.axes.transData.transform(np.column_stack([marks.x, marks.y]))
        places[:, 1] += marks.up * figure.dpi / POINTS
        shares = places / size
        for (left, bottom), (right, up) in zip(shares, places, strict=True):
            inside = bool(np.isfinite([right, up]).all()) and marks.axes.bbox.contains(right, up)
            at.append(
                (round(float(left), PLACES), round(1 - float(bottom), PLACES)) if inside else None
            )
    return Values(told[0].columns, tuple(rows), tuple(at))


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value
    if not np.isfinite(value):
        return None
    # A momentum is as exact as its distance from 1.
    nines = int(-np.log10(1 - value)) if 0.9 < value < 1 else 0
    rounded = float(f"{float(value):.{DIGITS + nines}g}")
    return int(rounded) if rounded.is_integer() else rounded
