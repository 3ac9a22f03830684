"""Recipes of the teacher-student problem."""

from flatfast.lab.goal import Goal
from flatfast.lab.recipes.recipe import Recipe, Sizes, sizes, spaced

RECIPES: dict[str, Sizes] = {
    "teacher-student": {
        "quick": Recipe(
            "teacher-student",
            lr=spaced(3e-3, 3e-2, 4),
            scaled_mu=(0.018, 0.32),
            per_decade=6,
            seeds=6,
            duration=100,
            records=64,
            metrics=("cooled:test_error",),
        ),
        "full": Recipe(
            "teacher-student",
            lr=spaced(1e-3, 3e-2, 6),
            scaled_mu=(0.015, 0.45),
            per_decade=10,
            seeds=16,
            duration=120,
            records=96,
            metrics=("cooled:test_error", "test_error"),
            comparison_lr=(*spaced(1e-3, 3e-2, 6), 6e-2),
            comparison_seeds=8,
            comparison_steps=60_000,
            comparison_cycles=True,
            comparison_records=48,
        ),
    },
    "teacher-student-test-error": sizes(
        Recipe(
            "teacher-student",
            question="what if the goal is the cooled test error, not the trace?",
            lr=spaced(1e-3, 3e-2, 6),
            scaled_mu=(0.03, 0.45),
            per_decade=10,
            seeds=16,
            duration=120,
            records=48,
            goal=Goal("cooled:test_error", 0.4),
        ),
        lr=spaced(3e-3, 3e-2, 4),
        scaled_mu=(0.03, 0.3),
        per_decade=6,
        seeds=6,
    ),
    "teacher-student-nesterov": sizes(
        Recipe(
            "teacher-student",
            question="what if the momentum is Nesterov's?",
            # The larger ones of heavy ball's: the others are most of the steps.
            lr=spaced(1e-3, 3e-2, 6)[2:],
            # Lower than heavy ball's, as on matrix sensing.
            scaled_mu=(0.01, 0.2),
            per_decade=10,
            seeds=8,
            duration=120,
            records=64,
            nesterov=True,
        ),
        lr=spaced(3e-3, 3e-2, 4),
        per_decade=6,
        seeds=6,
    ),
}
