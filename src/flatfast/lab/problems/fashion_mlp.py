"""FashionMNIST with a 6-layer perceptron, an experiment of the paper.

arXiv 2210.16400, section 4: squared error on one-hot targets with Gaussian label noise. Images come
from a local folder or from the hub (:mod:`flatfast.lab.images`).
"""

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.images import FASHION_MNIST
from flatfast.lab.problem import Problem
from flatfast.lab.problems._classifier import image_classifier, image_data
from flatfast.lab.problems._settings import Perceptron, takes


@takes(Perceptron, width=100)
def fashion_mlp(
    network: Perceptron,
    *,
    data: str = "",
    examples: int = 1000,
    test_examples: int = 2000,
) -> Problem:
    """The FashionMNIST problem.

    Args:
        network: The shared settings.
        data: A folder with the hub's Parquet layout, or a hub id; empty for ``FLATFAST_DATA``, and
            the hub where that is not set.
        examples: Training images, drawn from the 60,000, as many of each class.
        test_examples: Test images, drawn from the 10,000, as many of each class.

    Returns:
        A problem whose goal is the cooled trace of the Hessian, to 40% of its start.

    Raises:
        ValueError: If a setting is out of range or the data are not image and label.
        FileNotFoundError: If the data can be had neither locally nor from the hub.
        ImportError: If the ``data`` extra is not installed.
    """
    images, checked = image_data(FASHION_MNIST, data, examples, test_examples, network.data_seed)
    return image_classifier(
        "fashion-mlp",
        images,
        network,
        descent=Descent(lr=0.01, momentum=0.9, steps=20_000),
        interpolated_at=1e-3 if network.squared else 1e-2,
        # Near half of the limit of stability at the start: as close to the manifold in 80 steps as
        # a third of that learning rate in 300.
        cooling=Descent(lr=0.03, momentum=0.9, steps=80),
        goal=Goal("cooled:trace", 0.4),
        settings={"data": checked, "examples": examples, "test_examples": test_examples},
        changed=1,
    )


PROBLEMS = {"fashion-mlp": fashion_mlp}
