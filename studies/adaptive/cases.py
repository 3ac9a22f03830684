"""What is measured, and what was to count as success before anything was.

1. *Synthetic*: on the smooth shapes (:data:`SMOOTH`) intervals cover at least 90% of the time and
   the bias of the exponent is below a quarter of the interval's width, pooled over the designs; in
   every design the median sweep takes at most a quarter of the dense grid's steps. The other two
   shapes jump: there a failure is to be told.
2. *Problems*: the intervals of exponent and C overlap the dense sweep's; the estimates differ by
   less than the joint error, the root of the sum of both half-widths squared; at most a quarter of
   the run-steps.
3. *Rivals*: at equal run-steps, the root mean square errors of the exponent and of the best
   momenta. Ours is kept only if no rival is better by more than a tenth in the first.
"""

from dataclasses import replace

from flatfast.lab.recipes import recipe_of
from flatfast.lab.recipes.recipe import Recipe
from studies.statistics.cases import Design

# Sweeps of a network's size: a decade of five learning rates, few seeds. Their seeds are those of
# the dense grid that the cost is measured against.
DESIGNS = (
    Design("5 learning rates, 5% noise", rates=5, decades=1.0, seeds=6, noise=0.05),
    Design(
        "5 learning rates, 15% noise, half of it a seed's own, exponent 3/4",
        rates=5,
        decades=1.0,
        seeds=8,
        noise=0.15,
        shared=0.5,
        gamma=0.75,
    ),
    Design("7 learning rates, 30% noise", rates=7, decades=1.5, seeds=16, noise=0.3, moves=0.05),
)

FEW = Design(
    "3 learning rates over a factor of 4, 5% noise, a width of 0.3 asked",
    rates=3,
    decades=0.6,
    seeds=3,
    noise=0.05,
)
"""As a quick look at a network of images: beside the others, and not pooled with them."""

SMOOTH = ("two-branch", "flat bottom", "many oscillators", "kink")
"""Shapes on which an adaptive sweep is to do what a dense grid does."""

JUMPING = ("cliff", "one oscillator")
"""Shapes whose time jumps from one momentum to the next."""

WIDTH = 0.1
"""Width of the exponent's interval that is asked for."""

QUICK_WIDTH = 0.3
"""The same of a quick look."""

PROBLEMS = ("digits-mlp", "teacher-student", "matrix-sensing")
"""Problems of the lab, the most informative first."""

RIVAL_SHAPES = ("two-branch", "flat bottom", "many oscillators")
"""Shapes on which rivals are compared, in the second design."""

MOST_COST = 0.25
"""Run-steps over the dense sweep's, at most."""

LEAST_COVERAGE = 0.9
"""Of intervals said to be of 95%."""


def swept(name: str, quick: bool = False) -> Recipe:
    """The adaptive sweep of a problem, without a comparison of methods."""
    recipe = recipe_of(name, "quick" if quick else "full").adaptively()
    return replace(recipe, comparison_lr=(), width=QUICK_WIDTH if quick else WIDTH)
