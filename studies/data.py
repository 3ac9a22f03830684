"""What studies need besides the code: image sets."""

import os
from pathlib import Path

from flatfast.extras import is_there
from flatfast.lab.images import DATA, FASHION_MNIST, ImageSet, place_of


def fashion_needs() -> str:
    """What is missing to load FashionMNIST; empty if nothing is."""
    return needs(FASHION_MNIST)


def needs(images: ImageSet, hub: bool = True) -> str:
    """What is missing to load an image set; empty if nothing is.

    Args:
        images: The set.
        hub: Whether an id of the hub may stand in the place of a folder.
    """
    where = os.environ.get(DATA)
    if not where:
        return f"{images.name}: set {DATA} to the folder that holds it"
    try:
        place = place_of(images, "")
    except FileNotFoundError as error:
        return f"{images.name}: {error}"
    if isinstance(place, Path) or (hub and is_there("datasets")):
        return ""
    return f"{images.name}: {DATA} is no folder, got {where}"
