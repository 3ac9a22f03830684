"""Recipes of the perceptron on digits."""

from flatfast.lab.recipes.recipe import Recipe, Sizes, sizes, spaced

RECIPES: dict[str, Sizes] = {
    "digits-mlp": {
        "quick": Recipe(
            "digits-mlp",
            lr=(0.005, 0.01, 0.02),
            scaled_mu=(0.12, 0.5),
            per_decade=12,
            seeds=2,
            duration=90,
            records=20,
            metrics=("cooled:test_error",),
        ),
        "full": Recipe(
            "digits-mlp",
            lr=spaced(2e-3, 2e-2, 5),
            scaled_mu=(0.08, 0.9),
            per_decade=9,
            seeds=6,
            duration=110,
            records=36,
            metrics=("cooled:test_error",),
            comparison_lr=(*spaced(2e-3, 2e-2, 5)[::2], 6e-2),
            comparison_seeds=4,
            comparison_steps=12_000,
            comparison_cycles=True,
            comparison_records=28,
        ),
    },
    "digits-mlp-small-lr": sizes(
        Recipe(
            "digits-mlp",
            question="does the exponent come closer to 2/3 at smaller learning rates?",
            lr=spaced(2.5e-4, 2e-3, 4),
            scaled_mu=(0.07, 0.5),
            per_decade=10,
            seeds=4,
            duration=90,
            records=30,
        ),
        lr=spaced(1e-3, 4e-3, 3),
        scaled_mu=(0.12, 0.5),
        per_decade=12,
        seeds=2,
        records=20,
    ),
}
