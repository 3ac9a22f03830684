"""What the theory is asked to foretell, and how the sweeps are made that it is set against."""

from dataclasses import dataclass

import numpy as np

from flatfast.lab.problem import Scalar
from studies.sweeps import Subject

COMMITTED = ("scalar-product", "matrix-sensing", "teacher-student")
"""Problems of the committed sweeps. The digits network's 2,000 modes are beyond the dense path."""

SMOOTH = ("scalar-product", "matrix-sensing")
"""Problems whose limit is followed: at the kinks of rectifiers the solver stalls."""


@dataclass(frozen=True)
class Case(Subject):
    """A problem with one setting changed, to be foretold and swept at one learning rate.

    Attributes:
        lr: Learning rate of its sweep.
        seeds: Runs at each momentum.
    """

    lr: float = 1e-3
    seeds: int = 12


def _sensing(**settings: Scalar) -> Case:
    return Case("matrix-sensing", settings)


def _scalar(**settings: Scalar) -> Case:
    return Case("scalar-product", settings, lr=1e-5, seeds=128)


CASES: tuple[Case, ...] = (
    *(_sensing(noise_std=noise) for noise in (0.03, 0.3, 0.055, 0.17)),
    *(_sensing(batch_size=size) for size in (30, 12)),
    *(_scalar(noise_std=noise) for noise in (0.1, 0.25)),
    _scalar(target=3.0),
    _scalar(width=30),
    *(_sensing(examples=examples) for examples in (90, 105)),
)

FACTORS = np.geomspace(0.35, 4.0, 15)
"""Prefactors of a new sweep, in units of the flow's."""

BATCHES = _sensing(batch_size=30)
BATCH_LRS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
BATCH_C = 0.3
"""Batches swept against the learning rate at one C: does the limit come?"""

QUICK_COMMITTED = ("scalar-product",)
QUICK_CASES: tuple[Case, ...] = (Case("scalar-product", {"noise_std": 0.25}, lr=1e-3, seeds=24),)
QUICK_BATCH_LRS = (1e-2,)
