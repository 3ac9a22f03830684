"""Recipes of the perceptron on FashionMNIST."""

from flatfast.lab.recipes.recipe import Recipe, Sizes, spaced

RECIPES: dict[str, Sizes] = {
    "fashion-mlp": {
        "quick": Recipe(
            "fashion-mlp",
            lr=(0.004, 0.008, 0.016),
            scaled_mu=(0.05, 0.45),
            per_decade=8,
            seeds=2,
            duration=60,
            records=14,
            settings={"examples": 500, "test_examples": 1000},
            metrics=("cooled:test_error",),
        ),
        "full": Recipe(
            "fashion-mlp",
            lr=spaced(2e-3, 2e-2, 5),
            scaled_mu=(0.05, 0.9),
            per_decade=8,
            seeds=6,
            duration=110,
            records=32,
            metrics=("cooled:test_error",),
        ),
    },
}
