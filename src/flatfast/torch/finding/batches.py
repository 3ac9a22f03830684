"""The batches that all short runs see, the same for each."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from flatfast.torch.batches import Batch, Batches

MOST_BYTES = 2**30
"""Of the batches that are kept; when they are full, runs go through them again."""

EVALUATED = 8
"""Batches on which a run's loss is read."""

SHARE = 4
"""At most one in so many of the batches of an epoch is for that."""


class SameBatches:
    """Batches by number, loaded once and kept.

    Attributes:
        evaluated: Those on which losses are read.
        came_round: Whether runs go through kept batches again, since more would not fit.
    """

    def __init__(self, data: Iterable[Any] | tuple[Tensor, Tensor], device: torch.device) -> None:
        """Load those on which losses are read.

        Raises:
            ValueError: If there is no batch, or data is a map-style data set or can be read but
                once: what is read of an iterator could not be put back.
        """
        if isinstance(data, Iterator):
            raise ValueError(
                f"data must be such that it can be read again, got {type(data).__name__}, of which "
                "what is read is gone: give the DataLoader or a list of batches"
            )
        self._source = Batches(data, device)
        # One that is all the data is trained on as well; so are those of a short epoch, later on.
        epoch = _epoch(data, self._source)
        few = EVALUATED if epoch is None else max(min(EVALUATED, epoch // SHARE), 1)
        self.evaluated = [self._source.first, *(self._source.next() for _ in range(few - 1))]
        self._kept = [self._source.first] if epoch == 1 else []
        self._full = epoch == 1
        self._bytes = sum(map(size_of, self.evaluated))
        self.came_round = False

    def load(self, count: int) -> None:
        """See to it that there are so many training batches.

        Raises:
            ValueError: If the data ends and cannot be gone through again.
        """
        while not self._full and len(self._kept) < count:
            if self._bytes >= MOST_BYTES and self._kept:
                self._full = self.came_round = True
                break
            self._kept.append(self._source.next())
            self._bytes += size_of(self._kept[-1])

    def batch(self, number: int) -> Batch:
        """The training batch of this number, of those loaded."""
        return self._kept[number % len(self._kept)]


def size_of(batch: Batch) -> int:
    """Bytes of a batch's tensors."""
    if isinstance(batch, Tensor):
        return batch.numel() * batch.element_size()
    if isinstance(batch, Mapping):
        return sum(map(size_of, batch.values()))
    if isinstance(batch, list | tuple):
        return sum(map(size_of, batch))
    return 0


def _epoch(data: Any, source: Batches) -> int | None:
    """Batches of an epoch; None if nobody knows."""
    if source.examples is not None and source.examples == source.size:
        return 1
    try:
        return len(data)
    except TypeError:
        return None
