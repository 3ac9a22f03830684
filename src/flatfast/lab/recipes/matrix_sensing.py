"""Recipes of matrix sensing."""

from flatfast.lab.goal import Goal
from flatfast.lab.recipes.recipe import Recipe, Sizes, sizes, spaced

RECIPES: dict[str, Sizes] = {
    "matrix-sensing": {
        "quick": Recipe(
            "matrix-sensing",
            lr=spaced(2.5e-4, 4e-3, 5),
            scaled_mu=(0.03, 0.6),
            per_decade=8,
            seeds=8,
            duration=70,
            records=80,
            metrics=("trace",),
            comparison_lr=(1e-3, 4e-3, 1.6e-2, 4e-2),
            comparison_seeds=4,
            comparison_steps=10_000,
            comparison_records=48,
            comparison_shared_length=True,
        ),
        "full": Recipe(
            "matrix-sensing",
            lr=spaced(6.25e-5, 4e-3, 7),
            scaled_mu=(0.02, 1.0),
            per_decade=12,
            seeds=24,
            duration=100,
            records=128,
            metrics=("trace", "test_error"),
            comparison_lr=(2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 9.05e-2),
            comparison_seeds=12,
            comparison_steps=100_000,
            comparison_cycles=True,
        ),
    },
    "matrix-sensing-paper": {
        "quick": Recipe(
            "matrix-sensing-paper",
            lr=(0.0005, 0.00125, 0.003),
            scaled_mu=(0.02, 0.3),
            per_decade=6,
            seeds=3,
            duration=100,
            records=48,
            metrics=("trace",),
        ),
        "full": Recipe(
            "matrix-sensing-paper",
            lr=spaced(2e-4, 3.2e-3, 5),
            scaled_mu=(0.02, 0.5),
            per_decade=10,
            seeds=12,
            duration=120,
            records=96,
            metrics=("trace", "test_error"),
        ),
    },
    "matrix-sensing-iterate": sizes(
        Recipe(
            "matrix-sensing",
            question="what if the test error is read at the iterate, not after cooling?",
            lr=spaced(6.25e-5, 4e-3, 7),
            scaled_mu=(0.02, 1.0),
            per_decade=12,
            seeds=24,
            duration=100,
            goal=Goal("test_error", 0.1),
        ),
        lr=spaced(2.5e-4, 4e-3, 5),
        scaled_mu=(0.03, 0.6),
        per_decade=8,
        seeds=8,
    ),
    "matrix-sensing-nesterov": sizes(
        Recipe(
            "matrix-sensing",
            question="what if the momentum is Nesterov's?",
            lr=spaced(6.25e-5, 4e-3, 7),
            # Lower than heavy ball's: its friction across the manifold is mu + lr * curvature, and
            # with so much of it from the second term the best mu is smaller, and later.
            scaled_mu=(0.006, 0.4),
            per_decade=12,
            seeds=8,
            duration=200,
            records=128,
            nesterov=True,
        ),
        lr=spaced(2.5e-4, 4e-3, 5),
        scaled_mu=(0.01, 0.3),
        per_decade=8,
        duration=150,
        records=80,
    ),
}
