"""Recipes of ResNet-18's shape on CIFAR-10.

The small size takes about 13 ms of a core for a run's step (100 images of 16 x 16, 4 channels).
ResNet-18's own width is for a GPU; it was not run.
"""

from dataclasses import replace
from typing import Any

from flatfast.lab.recipes.recipe import Recipe, Sizes, sizes, spaced

FULL = Recipe(
    "cifar-resnet",
    lr=(0.016, 0.032, 0.064),
    scaled_mu=(0.03, 0.6),
    per_decade=8,
    seeds=6,
    duration=110,
    records=16,
    metrics=("cooled:test_error",),
    comparison_lr=(0.064,),
    comparison_seeds=2,
    comparison_steps=700,
    comparison_records=16,
    comparison_shared_length=True,
    adaptive=True,
    budget=35_000,
)

QUICK: dict[str, Any] = {
    "seeds": 3,
    "duration": 70,
    "width": 1.0,
    "budget": None,
    "comparison_lr": (),
}

RECIPES: dict[str, Sizes] = {
    "cifar-resnet": sizes(FULL, **QUICK),
    "cifar-resnet-gpu": sizes(
        replace(
            FULL,
            lr=spaced(8e-3, 6.4e-2, 4),
            duration=60,
            seeds=3,
            adaptive=False,
            budget=None,
            per_decade=6,
            comparison_lr=(),
            question="does ResNet-18 at its own width follow the law? For a GPU.",
            settings={
                "examples": 500,
                "test_examples": 2000,
                "side": 32,
                "channels": 64,
                "blocks": 2,
                "precision": "bfloat16",
            },
        ),
        **QUICK,
    ),
}
