"""What the theory says of a problem before any run of it, as data: constants and times."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from flatfast.lab.atomic import atomically

FORECAST = "forecast.json"
"""Its file, beside the runs of a problem."""


@dataclass(frozen=True)
class Forecast:
    """What the theory says of a problem and its goal.

    Attributes:
        problem: Its name.
        modes: Modes across the manifold.
        largest, smallest: The Hessian's eigenvalues across the manifold, at the start.
        noise_std: Standard deviation of the label noise, as if every step took all examples.
        examples: P.
        relaxation: h, by the flow.
        fraction: What the goal leaves of the metric's excess over the flow's end.
        critical: ``C*``, critical damping.
        flow_prefactor, flow_time: The fastest C by the oscillator, and its time in ``lr^(-2/3)``
            steps.
        flow_curve: Its times at prefactors from that one upwards, in the same units.
        C, time: The limit's curve; times are None where paths stop or do not settle.
        best_prefactor, best_time: Its minimum; None without a curve.
        evaluations: Frames of the manifold (a Jacobian and its modes each) made for all of it.
        effective_modes: Equal modes that would average out as well at the start; None in a forecast
            of an earlier version.
        paths: Paths of the limit at each prefactor, 1 for the mean path; None where none were
            followed, or not told.
    """

    problem: str
    modes: int
    largest: float
    smallest: float
    noise_std: float
    examples: int
    relaxation: float
    fraction: float
    critical: float
    flow_prefactor: float
    flow_time: float
    flow_curve: tuple[tuple[float, float], ...]
    C: tuple[float, ...]
    time: tuple[float | None, ...]
    best_prefactor: float | None
    best_time: float | None
    evaluations: int
    effective_modes: float | None = None
    paths: int | None = None

    @property
    def answer(self) -> float:
        """The prefactor to use: the limit's where there is one."""
        return self.flow_prefactor if self.best_prefactor is None else self.best_prefactor

    @property
    def answer_time(self) -> float:
        """Convergence time with it, in units of ``lr^(-2/3)`` steps."""
        return self.flow_time if self.best_time is None else self.best_time

    @property
    def way(self) -> str:
        """Where the answer comes from."""
        return "the flow" if self.best_prefactor is None else "the limit dynamics"

    @property
    def curve(self) -> NDArray[np.float64]:
        """Ascending prefactors and their times, (N, 2): by the limit if that has a best."""
        if self.best_prefactor is None:
            return np.array(self.flow_curve)
        limit = zip(self.C, self.time, strict=True)
        return np.array([(C, time) for C, time in limit if time is not None])

    def time_at(self, C: ArrayLike) -> NDArray[np.float64]:
        """Convergence times in units of ``lr^(-2/3)`` steps, in the shape of ``C``.

        Interpolated between the curve's, in logarithms; NaN beyond its ends.
        """
        between = PchipInterpolator(*np.log(self.curve).T, extrapolate=False)
        return np.asarray(np.exp(between(np.log(C))))


def write_forecast(made: Forecast, path: Path) -> None:
    """Write as JSON, whole or not at all."""
    with atomically(path) as partial:
        partial.write_text(json.dumps(asdict(made), indent=1) + "\n", encoding="utf-8")


def read_forecast(path: Path) -> Forecast:
    """Read what :func:`write_forecast` wrote.

    Raises:
        ValueError: If the file is damaged, or no forecast; the message names it.
        OSError: If it cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rows = {name: tuple(found[name]) for name in ("C", "time")}
        told = Forecast(**{**found, **rows, "flow_curve": tuple(map(tuple, found["flow_curve"]))})
        numbers = (told.answer, told.answer_time, float(told.time_at(told.answer)))
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"{path} holds no forecast that can be read ({error})") from None
    if not all(0 < number < np.inf for number in numbers):
        raise ValueError(f"{path} holds a forecast whose numbers are not positive and finite")
    return told
