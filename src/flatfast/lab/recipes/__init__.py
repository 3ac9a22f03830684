"""The settings of ``flatfast reproduce NAME``: what is swept, how finely and for how long.

Every problem has two recipes, ``quick`` (a look, in a minute or a few) and ``full`` (the committed
results). Momentum is swept on one logarithmic grid of ``mu = 1 - momentum`` that all learning rates
share, so that no exponent is built into the points; each learning rate takes the part of it in
which ``mu / lr^(2/3)`` lies between two bounds far apart, around the best that was found for the
problem. The run length in units of ``lr^(-2/3)`` steps is the censoring time, several times the
best run's.

Besides the problems' own there are *departures*: where the measured law differs from 2/3, the same
problem with one thing changed, to find out what makes the difference.

One file a problem; its ``RECIPES`` are found by name.
"""

import difflib

from flatfast.lab.gather import gathered
from flatfast.lab.recipes.recipe import Recipe, Sizes

_FOUND: dict[str, Sizes] = gathered(__name__, __path__, "RECIPES")

RECIPES = dict(sorted(_FOUND.items(), key=lambda entry: bool(entry[1]["full"].question)))
"""Name to its ``quick`` and ``full`` recipe, the problems' own before the departures."""

DEPARTURES = frozenset(name for name, sizes in RECIPES.items() if sizes["full"].question)
"""Names of those that change one thing of a problem, to find out what makes the difference."""


def recipe_of(name: str, size: str) -> Recipe:
    """The recipe of a name, ``quick`` or ``full``.

    Raises:
        ValueError: If there is none; the message gives the nearest name.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no experiment {name!r}{hint} (there are {', '.join(RECIPES)})")
    return RECIPES[name][size]
