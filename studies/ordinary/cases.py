"""Sweeps of ordinary training: those of the regime map, and two of digits."""

from dataclasses import replace
from functools import partial

from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from studies.regimes.cases import CASES, Case
from studies.regimes.fashion import FASHION_CASES, TO_A_TENTH

SHARES = (0.0, 0.1, 0.5, 1.0)
"""Where a run is looked at, in units of the best momentum's time to the goal."""

WHEN = 0.1
"""Of these the one that the question is about: a user's training is under way."""

SEEDS = 2
"""Runs, and measurements, at each pair."""

FITTED_ON = "fashion"
"""How the names of the sweeps begin on which a and b are fitted."""

DIGITS: dict[str, Scalar] = {
    "examples": 800,
    "width": 40,
    "depth": 4,
    "start": "init",
    "loss": "cross-entropy",
    "flip_probability": 0.0,
}


def digits(batch_size: int) -> Problem:
    """A perceptron on scikit-learn's digits, cross-entropy, minibatches."""
    return replace(load("digits-mlp", {**DIGITS, "batch_size": batch_size}), goal=TO_A_TENTH)


# The guess is a first sweep's, whose grid, FashionMNIST's, ended above most optima.
def _digits(batch_size: int, lr: tuple[float, ...], least: int) -> Case:
    return Case(
        f"digits-batch-{batch_size}",
        "digits",
        0.0,
        lr,
        guess=(0.2, 0.0, 150.0 / batch_size),
        duration=(60.0,),
        make=partial(digits, batch_size),
        batch_size=batch_size,
        records=64,
        per_decade=8,
        reach=7.0,
        least=least,
        seeds=6,
    )


DIGITS_CASES = (
    _digits(16, (0.001, 0.004, 0.016), 1500),
    _digits(64, (0.001, 0.004, 0.016, 0.064), 400),
)

FROM_SCRATCH = ("batch-12-loss", "batch-60-loss", "student-batch-20-loss", "deterministic-loss")
"""Sweeps of the regime map without label noise, from initial weights to a fall of the loss."""

REGIMES: tuple[Case, ...] = (
    *FASHION_CASES,
    *(case for case in CASES if case.name in FROM_SCRATCH),
)
