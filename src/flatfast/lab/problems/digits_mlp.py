"""A deep network on real images: scikit-learn's 8 x 8 digits, with no download.

The paper's FashionMNIST experiment (arXiv 2210.16400, section 4) in small: a 6-layer perceptron on
a few hundred images, squared error on one-hot targets with Gaussian label noise, or cross-entropy
with label flips.
"""

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.problems._classifier import digits, image_classifier
from flatfast.lab.problems._settings import Perceptron, takes


@takes(Perceptron)
def digits_mlp(network: Perceptron, *, examples: int = 200) -> Problem:
    """The digits problem.

    Args:
        network: The shared settings.
        examples: Training images; the rest of the 1,797 are the test set.

    Returns:
        A problem whose goal is the cooled trace of the Hessian, to 40% of its start.

    Raises:
        ValueError: If a setting is out of range.
    """
    return image_classifier(
        "digits-mlp",
        digits(examples, network.data_seed),
        network,
        descent=Descent(lr=0.02, momentum=0.9, steps=20_000),
        interpolated_at=1e-4 if network.squared else 3e-4 if network.flip_probability else 1e-2,
        cooling=Descent(lr=0.02, momentum=0.9, steps=300),
        goal=Goal("cooled:trace", 0.4),
        settings={"examples": examples},
    )


PROBLEMS = {"digits-mlp": digits_mlp}
