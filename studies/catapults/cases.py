"""Problems, learning rates and momenta."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from studies.data import fashion_needs

SHARES = (0.5, 0.71, 0.9, 1.05, 1.2, 1.5, 2.1, 3.0)
"""Learning rates, over the stability limit at the momentum."""

FEW_SHARES = (0.9, 1.05, 1.2, 1.5, 2.1)
"""The same where a step is dear."""

MOMENTA: tuple[float | None, ...] = (0.0, 0.5, 0.8, 0.9, 0.97, None)
"""None is the law's."""

FEW_MOMENTA: tuple[float | None, ...] = (0.0, 0.9, None)


@dataclass(frozen=True)
class Case:
    """A problem.

    Attributes:
        problem: Its name.
        settings: Its settings, without the noise.
        noise: Standard deviation of the label noise.
        seeds: Runs in a cell with noise; without it nothing is random, and there is one.
        steps: Length of a run.
        records: Readings, the later ones further apart.
        shares: Learning rates over the limit.
        momenta: Momenta.
        guarded: Runs in the comparison of safeguards.
        guarded_records: Their readings.
        bounds: Losses at which the safeguard acts, in units of that of outputs of zero; infinite
            for none.
        development: Whether the safeguard was chosen by it.
        needs: What is missing to run it here.
        short: What tells it from the problem's other cases, in tables and figures.
    """

    problem: str
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    noise: float = 0.5
    seeds: int = 4
    steps: int = 200
    records: int = 6
    shares: tuple[float, ...] = FEW_SHARES
    momenta: tuple[float | None, ...] = FEW_MOMENTA
    guarded: int = 100
    guarded_records: int = 3
    bounds: tuple[float, ...] = (inf, 1.0)
    development: bool = False
    needs: Callable[[], str] = str
    short: str = ""

    def load(self, noise: float | None = None) -> Problem:
        """The problem, at its noise or at another."""
        return load(self.problem, {**self.settings, "noise_std": self._noise(noise)})

    def _noise(self, noise: float | None) -> float:
        return self.noise if noise is None else noise

    @property
    def title(self) -> str:
        """Its name in tables and figures."""
        return ", ".join([self.problem, self.short] if self.short else [self.problem])

    @property
    def key(self) -> str:
        """Its name in results and parts."""
        told = [f"{name}-{value}" for name, value in self.settings.items() if name != "init_seed"]
        return "_".join([self.problem, *told])


ALL: dict[str, Any] = {"shares": SHARES, "momenta": MOMENTA}

CASES = (
    Case(
        "matrix-sensing",
        noise=0.1,
        seeds=16,
        steps=300,
        records=10,
        **ALL,
        guarded_records=10,
        bounds=(inf, 1.0, 10.0),
        development=True,
    ),
    Case("scalar-product", seeds=64, steps=120, records=16, **ALL, guarded_records=16),
    Case(
        "teacher-student",
        seeds=8,
        steps=300,
        records=5,
        shares=SHARES,
        momenta=(0.0, 0.9, 0.97, None),
        guarded=25,
        guarded_records=2,
    ),
    Case("digits-mlp", steps=300, records=5, guarded=25, development=True),
    Case(
        "digits-mlp",
        {"activation": "relu", "init_seed": 1},
        short="relu",
        steps=200,
        records=5,
        guarded=25,
    ),
    Case(
        "fashion-mlp",
        {"examples": 500, "test_examples": 1000, "width": 50, "depth": 4},
        short="width 50",
        noise=0.2,
        seeds=2,
        steps=600,
        records=6,
        guarded=8,
        needs=fashion_needs,
    ),
    Case(
        "digits-resnet",
        {"examples": 60, "channels": 4},
        short="60 images",
        seeds=2,
        steps=120,
        guarded=8,
    ),
)

TITLES = {case.key: case.title for case in CASES}
"""By key."""

QUICK = Case(
    "scalar-product",
    {"width": 2},
    seeds=4,
    steps=30,
    records=4,
    shares=(0.9, 1.2),
    guarded=8,
    development=True,
)
"""The case of a quick look."""
