"""A deep network on real images: scikit-learn's 8 x 8 digits, with no download.

The paper's FashionMNIST experiment (arXiv 2210.16400, section 4) in small: a 6-layer perceptron on
a few hundred images, squared error on one-hot targets with Gaussian label noise, or cross-entropy
with label flips.
"""

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.problems._classifier import digits, image_classifier


def digits_mlp(
    *,
    examples: int = 200,
    width: int = 40,
    depth: int = 6,
    activation: str = "tanh",
    loss: str = "squared",
    noise_std: float = 0.5,
    flip_probability: float = 0.1,
    batch_size: int = 0,
    data_seed: int = 0,
    init_seed: int = 0,
    start: str = "interpolating",
) -> Problem:
    """The digits problem.

    Args:
        examples: Training images; the rest of the 1,797 are the test set.
        width: Width of the hidden layers.
        depth: Number of layers.
        activation: ``tanh``, ``relu`` or ``gelu``.
        loss: ``squared`` (one-hot targets) or ``cross-entropy``.
        noise_std: Standard deviation of the noise on one-hot targets (squared error).
        flip_probability: Probability of a label flip (cross-entropy).
        batch_size: Examples in a step's gradient, drawn with replacement; 0 for all.
        data_seed: Seed of the split.
        init_seed: Seed of the initial weights.
        start: ``interpolating``, after noise-free descent, or ``init`` (Kaiming).

    Returns:
        A problem whose goal is the cooled trace of the Hessian, to 40% of its start.

    Raises:
        ValueError: If a setting is out of range.
    """
    squared = loss == "squared"
    return image_classifier(
        "digits-mlp",
        digits(examples, data_seed),
        width=width,
        depth=depth,
        activation=activation,
        loss=loss,
        noise_std=noise_std,
        flip_probability=flip_probability,
        batch_size=batch_size,
        init_seed=init_seed,
        start=start,
        descent=Descent(lr=0.02, momentum=0.9, steps=20_000),
        interpolated_at=1e-4 if squared else 3e-4 if flip_probability else 1e-2,
        cooling=Descent(lr=0.02, momentum=0.9, steps=300),
        goal=Goal("cooled:trace", 0.4),
        settings={
            "examples": examples,
            "width": width,
            "depth": depth,
            "activation": activation,
            "loss": loss,
            "noise_std": noise_std if squared else 0.0,
            "flip_probability": 0.0 if squared else flip_probability,
            "batch_size": batch_size,
            "data_seed": data_seed,
            "init_seed": init_seed,
            "start": start,
        },
    )


PROBLEMS = {"digits-mlp": digits_mlp}
