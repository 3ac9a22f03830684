"""Recipes of the perceptron on FashionMNIST."""

from flatfast.lab.recipes.recipe import Recipe, Sizes, sizes, spaced

SMALL = {"examples": 500, "test_examples": 1000}
"""What two cores can do: the paper's network on fewer images."""

RECIPES: dict[str, Sizes] = {
    "fashion-mlp": {
        "quick": Recipe(
            "fashion-mlp",
            lr=(0.004, 0.008, 0.016),
            scaled_mu=(0.05, 0.45),
            per_decade=8,
            seeds=3,
            duration=60,
            records=14,
            settings=SMALL,
            metrics=("cooled:test_error",),
            adaptive=True,
            width=0.3,
        ),
        "full": Recipe(
            "fashion-mlp",
            lr=(1.12e-3, *spaced(2e-3, 2e-2, 5)),
            scaled_mu=(0.03, 0.9),
            per_decade=8,
            seeds=12,
            duration=110,
            records=16,
            settings=SMALL,
            metrics=("cooled:test_error",),
            comparison_lr=(0.02,),
            comparison_seeds=2,
            comparison_steps=1_000,
            comparison_records=20,
            comparison_shared_length=True,
            comparison_cycles=True,
            adaptive=True,
            budget=370_000,
        ),
    },
    "fashion-mlp-nesterov": sizes(
        Recipe(
            "fashion-mlp",
            question="what if the momentum is Nesterov's?",
            lr=spaced(2e-3, 2e-2, 5),
            # Lower and longer than heavy ball's, as on matrix sensing.
            scaled_mu=(0.015, 0.6),
            per_decade=8,
            seeds=8,
            duration=150,
            records=16,
            settings=SMALL,
            nesterov=True,
            adaptive=True,
            budget=200_000,
        ),
        lr=(0.004, 0.008, 0.016),
        scaled_mu=(0.015, 0.3),
        seeds=3,
        duration=80,
        records=14,
        width=0.3,
        budget=None,
    ),
}
