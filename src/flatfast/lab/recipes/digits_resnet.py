"""Recipes of the residual network on digits."""

from flatfast.lab.recipes.recipe import Recipe, Sizes, spaced

RECIPES: dict[str, Sizes] = {
    "digits-resnet": {
        "quick": Recipe(
            "digits-resnet",
            lr=(0.005, 0.01, 0.02),
            scaled_mu=(0.06, 1.0),
            per_decade=5,
            seeds=2,
            duration=25,
            records=12,
            settings={"channels": 6, "examples": 100},
        ),
        "full": Recipe(
            "digits-resnet",
            lr=spaced(2e-3, 2e-2, 5),
            scaled_mu=(0.04, 1.5),
            per_decade=8,
            seeds=6,
            duration=35,
            records=32,
            metrics=("cooled:test_error",),
        ),
    },
}
