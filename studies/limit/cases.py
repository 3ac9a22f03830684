"""What is measured: problems, prefactors, learning rates, and how many runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from studies.limit.ensemble import Array
from studies.limit.problems import (
    PRODUCT_TIMES,
    SENSING_TIMES,
    Problem,
    matrix_sensing,
    rank_one_product,
    scalar_product,
)

LRS = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
SENSING_LRS = (6.3e-2, 1.6e-2, 4e-3, 1e-3, 2.5e-4, 6.3e-5)

PRODUCT_C = (0.3, 0.5, 1.0, 1.5, 3.0)
"""The best C of a sweep is 0.6."""

SENSING_C = (0.082, 0.109, 0.164, 0.327)
"""0.75, 1, 1.5 and 3 times the best C of a sweep; below that the limit cannot be followed."""


@dataclass(frozen=True, eq=False)
class Case:
    """A problem of the study.

    Attributes:
        name: Its name.
        modes: Modes across the manifold.
        problem: What is simulated; asked for only where something is computed.
        observables: What is read, (K,), each in units of its start.
        C: Prefactors.
        times: (T,), from 0.
        lrs: Learning rates.
        runs: Runs of SGD for each C.
        paths: Draws of the limit's amplitudes for each C; 0 for the mean field alone.
    """

    name: str
    modes: int
    problem: Callable[[], Problem]
    observables: tuple[str, ...]
    C: tuple[float, ...]
    times: Array
    lrs: tuple[float, ...]
    runs: int
    paths: int


def _product(
    name: str,
    modes: int,
    problem: Callable[[], Problem],
    lrs: tuple[float, ...],
    runs: int,
    paths: int,
) -> Case:
    read = ("|u|² − |v|²",)
    return Case(name, modes, problem, read, PRODUCT_C, PRODUCT_TIMES, lrs, runs, paths)


def _scalar(width: int, lrs: tuple[float, ...], runs: int, paths: int) -> Case:
    name = f"scalar-product-{width}"
    return _product(name, 1, partial(scalar_product, width), lrs, runs, paths)


def rank_one(m: int, lrs: tuple[float, ...], runs: int, paths: int) -> Case:
    """The rank-one family with vectors of length m."""
    return _product(f"rank-one-{m}", 2 * m - 1, partial(rank_one_product, m), lrs, runs, paths)


CASES = (
    _scalar(1, (*LRS, 1e-7), runs=200_000, paths=400_000),
    _scalar(30, LRS, runs=20_000, paths=20_000),
    rank_one(2, (1e-6,), runs=10_000, paths=40_000),
    rank_one(4, (1e-5,), runs=4000, paths=40_000),
    Case(
        "matrix-sensing",
        120,
        matrix_sensing,
        ("test error", "trace"),
        SENSING_C,
        SENSING_TIMES,
        SENSING_LRS,
        runs=256,
        paths=0,
    ),
)
"""The study. The scalar product of width 1 is the first of the rank-one family."""


def smaller(case: Case) -> Case:
    """A look at a case: the largest learning rates, two prefactors and few runs."""
    return replace(
        case,
        C=case.C[-2:],
        lrs=case.lrs[:3] if len(case.lrs) > 1 else (1e-3,),
        runs=max(4, case.runs // 200),
        paths=case.paths // 200,
    )
