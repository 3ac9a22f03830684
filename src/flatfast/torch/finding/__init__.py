"""A pair of learning rate and momentum, measured by short runs where no law holds."""

from flatfast.torch.finding.find import find
from flatfast.torch.finding.found import Found
from flatfast.torch.finding.grid import Pair

__all__ = ["Found", "Pair", "find"]
