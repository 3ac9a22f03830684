"""Batches that are loaded twice, so that what their data set draws is seen as noise.

Augmentation in a data set's transforms is drawn whenever an example is loaded. Two gradients of one
loaded batch do not differ by it; of a batch that is loaded again they do.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset


def twice(data: Any) -> DataLoader[Any] | None:
    """The loader with each of its batches twice in a row; None where they cannot be had again.

    The two come from one process, one after the other: workers that all begin at one seed would
    draw the same for both.

    Args:
        data: Anything that gives batches. Only PyTorch's loaders of map-style data sets tell which
            examples a batch holds.
    """
    if not isinstance(data, DataLoader) or isinstance(data.dataset, IterableDataset):
        return None
    if type(data).__iter__ is not DataLoader.__iter__:
        return None  # it makes more of its batches than the data set gives
    workers = min(data.num_workers, 1)
    options: dict[str, Any] = {
        "num_workers": workers,
        "collate_fn": data.collate_fn,
        "timeout": data.timeout if workers else 0,
        "worker_init_fn": data.worker_init_fn,
        "multiprocessing_context": data.multiprocessing_context if workers else None,
        "generator": data.generator,
    }
    if data.batch_sampler is not None:
        return DataLoader(data.dataset, batch_sampler=_Twice(data.batch_sampler), **options)
    return DataLoader(data.dataset, batch_size=None, sampler=_Twice(data.sampler), **options)


class _Twice:
    """A sampler, each of whose choices comes twice."""

    def __init__(self, chosen: Iterable[Any]) -> None:
        self._chosen = chosen

    def __iter__(self) -> Iterator[Any]:
        for choice in self._chosen:
            again = list(choice) if isinstance(choice, Iterable) else choice
            yield again
            yield again
