"""Ordinary training in the regime map: a perceptron on FashionMNIST, minibatches, cross-entropy.

No label noise, from the Kaiming start, the loss read at the iterate: what practice does, but for
its size (2,000 images, four layers of width 50). *Does it behave as matrix sensing does?* The goal
is a training loss of 0.1, from 2.5: far enough down that nearly all images are fitted, and within
reach of every batch. Learning rates are a factor of 4 apart, and so are batches: a batch B and the
next larger one share their value of ``lr^(1/2) / B`` at learning rates a factor of 16 apart.

What would count as "as matrix sensing does", set down before the runs:

1. without noise, all images in every step, the exponent is 1/2 within its interval, and 2/3 is not;
2. in batches the local exponent does not fall as the learning rate grows, beyond its intervals, and
   at one learning rate it is larger for smaller batches;
3. with the smallest batch, at the largest learning rates whose best momentum can be located, it is
   1 within its interval, and 2/3 is not; beyond, plain SGD is best, or no momentum settles;
4. one axis: at equal ``lr^(1/2) / B`` the ratios of the best c contain 1.

One exponent of 2/3 through all, an exponent that falls, or ratios off by more than a half would say
no. One seed at two or three learning rates a batch was looked at before, for the place of the grids
(``c = 0.18 + 520 lr^(1/2) / B``), the lengths, and a goal that every batch reaches. A best momentum
at the end of its grid, plain SGD, is a bound. After a first look, with 2/3 still inside the single
tiles of small batches, the seeds of batches of 16 and 64 were doubled, from 4, and batches of 256
got a fourth.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from studies.data import fashion_needs
from studies.regimes.cases import FEW, NEAR, WITHOUT_NOISE, Case

PART = "fashion"

TO_A_TENTH = Goal("loss", 0.1, relative=False)

SETTINGS: dict[str, Scalar] = {
    "examples": 2000,
    "test_examples": 1000,
    "width": 50,
    "depth": 4,
    "start": "init",
    "loss": "cross-entropy",
    "flip_probability": 0.0,
}
"""Of the problem, without the batch."""

RATES = tuple(0.064 * 4.0**-k for k in range(5))
"""Learning rates, from 0.064 to 0.00025."""

OF_DESCENT, OF_BATCHES = 0.18, 520.0
"""The guess of c: ``OF_DESCENT + OF_BATCHES lr^(1/2) / B``."""

PER_DECADE = 8
"""Momenta per factor of ten in ``mu``: a factor of 4 in the learning rate moves ``lr^(1/2)``,
``lr^(2/3)`` and ``lr`` by 2.4, 3.2 and 4.8 of them."""


def fashion(batch_size: int) -> Problem:
    """Ordinary training on FashionMNIST.

    Args:
        batch_size: Images in a step, 0 for all.

    Raises:
        FileNotFoundError: If the images can be had neither locally nor from the hub.
    """
    problem = load("fashion-mlp", {**SETTINGS, "batch_size": batch_size})
    return replace(problem, goal=TO_A_TENTH)


def _case(batch_size: int, lr: tuple[float, ...], duration: float, **settings: Any) -> Case:
    return Case(
        f"fashion-batch-{batch_size or 'all'}",
        PART,
        0.0,
        lr,
        guess=(OF_DESCENT, 0.0, OF_BATCHES / batch_size if batch_size else 0.0),
        duration=(duration,),
        make=partial(fashion, batch_size),
        batch_size=batch_size,
        records=64,
        per_decade=PER_DECADE,
        needs=fashion_needs,
        **{"reach": NEAR, **settings},
    )


FASHION_CASES = (
    _case(64, RATES, 60.0, least=1000, seeds=FEW),
    _case(16, RATES, 30.0, least=5000, seeds=FEW),
    _case(256, RATES[:4], 90.0, least=100, seeds=4),
    _case(0, RATES[:3], 60.0, seeds=WITHOUT_NOISE, reach=3.0),
)
"""The sweeps, by batch; in small batches times hardly depend on the learning rate."""
