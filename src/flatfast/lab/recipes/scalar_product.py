"""Recipes of the scalar product."""

from flatfast.lab.recipes.recipe import Recipe, Sizes, sizes, spaced

RECIPES: dict[str, Sizes] = {
    "scalar-product": sizes(
        Recipe(
            "scalar-product",
            # Ten times larger, the law's correction turns the slope by as much as the interval of
            # the quick form is wide: it would exclude 2/3, and be right about those rates alone.
            lr=spaced(1e-6, 1e-4, 7),
            scaled_mu=(0.12, 4.0),
            per_decade=12,
            seeds=256,
            duration=40,
            metrics=("u_norm", "v_norm", "trace"),
            comparison_lr=(1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.8e-1),
            comparison_seeds=64,
            comparison_steps=200_000,
            comparison_cycles=True,
            dtype="float64",
        ),
        lr=spaced(1e-6, 1e-4, 5),
        scaled_mu=(0.1, 4.0),
        per_decade=8,
        seeds=64,
        comparison_lr=(1e-4, 1e-3, 1e-2, 3e-2, 1e-1),
        comparison_seeds=16,
        comparison_steps=50_000,
        comparison_cycles=False,
    ),
}
