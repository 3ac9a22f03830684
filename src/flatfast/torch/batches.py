"""The batches of a training, round after round, in whatever form they come."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from flatfast.torch.reloading import twice

Batch: TypeAlias = Any

OTHERS = "for others pass forward=lambda model, batch: (outputs, targets)"
"""What to do about batches and outputs of another form."""


class Batches:
    """Endless batches on a device.

    Attributes:
        first: The first batch.
        size: Examples in it, None if it holds no tensor that could be counted.
        examples: Examples in all, None if not known.
        reloads: Whether two looks at a batch are loaded one by one.
    """

    def __init__(self, data: Iterable[Batch] | tuple[Tensor, Tensor], device: torch.device) -> None:
        """Look at the first.

        Args:
            data: A loader or other iterable; or inputs and targets, which are then one batch.
            device: Where they are wanted.

        Raises:
            TypeError: If data cannot be gone through.
            ValueError: If there is none, it is empty, or data is a map-style data set.
        """
        kind = type(data)
        gives = hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")
        if not gives or isinstance(data, str | bytes):
            raise TypeError(
                "data must be a DataLoader or another iterable of batches, or inputs and targets "
                f"as two tensors, got {data!r}"
            )
        if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
            raise ValueError(
                f"data must give batches, and {type(data).__name__} gives examples: wrap it in a "
                "DataLoader with the batch size of the training"
            )
        whole = isinstance(data, tuple) and all(isinstance(part, Tensor) for part in data)
        self._rounds = _endless([data] if whole else _apart(data), device)
        self.first = next(self._rounds)
        self.size = _length(self.first)
        if self.size == 0:
            raise ValueError("the first batch is empty")
        self.examples = self.size if whole else _examples(data)
        pairs = None if whole else twice(data)
        self.reloads = pairs is not None
        self._pairs = None if pairs is None else _endless(pairs, device)

    def two(self) -> tuple[Batch, Batch]:
        """The next one, and the same examples again: loaded anew, where that can be done.

        Raises:
            ValueError: As :meth:`next`.
        """
        if self._pairs is not None:
            return next(self._pairs), next(self._pairs)
        batch = self.next()
        return batch, batch

    def next(self) -> Batch:
        """The next one.

        Raises:
            ValueError: If the data can be gone through only once, and that has been done.
        """
        return next(self._rounds)


def _endless(data: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    told = "data gives no batch"
    while True:
        empty = True
        for batch in data:
            empty = False
            yield moved(batch, device)
        if empty:
            raise ValueError(told)
        told = (
            "data can be gone through only once: give a DataLoader or a list of batches instead of "
            "a generator"
        )


def pair(model: nn.Module, batch: Batch) -> tuple[Any, Any]:
    """Outputs and targets of a batch ``(inputs, targets)``.

    Raises:
        ValueError: If the batch has another form.
    """
    if not (isinstance(batch, tuple | list) and len(batch) == 2):
        raise ValueError(f"a batch must be (inputs, targets), got {type(batch).__name__}; {OTHERS}")
    return model(batch[0]), batch[1]


def moved(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device, in its own form."""
    if hasattr(batch, "to"):  # a tensor, or a batch of its own kind, as tokenizers make
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        found = [moved(part, device) for part in batch]
        return type(batch)(*found) if hasattr(batch, "_fields") else type(batch)(found)
    return batch


def copied(batch: Batch) -> Batch:
    """The batch in its own form, with tensors of its own: what reads it may write into it."""
    if isinstance(batch, Tensor):
        return batch.clone()
    if hasattr(batch, "to"):
        return copy.deepcopy(batch)
    if isinstance(batch, Mapping):
        return {key: copied(value) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        found = [copied(part) for part in batch]
        return type(batch)(*found) if hasattr(batch, "_fields") else type(batch)(found)
    return batch


def parts(data: Any) -> list[Any]:
    """A loader, what draws its examples, and the loader that it may wrap."""
    batches, inner = getattr(data, "batch_sampler", None), _wrapped(data)
    samplers = [getattr(data, "sampler", None), batches, getattr(batches, "sampler", None)]
    return [data, *samplers, *([] if inner is None else parts(inner))]


def _wrapped(data: Any) -> Any:
    """The loader within: Accelerate's hold the one that works."""
    return getattr(data, "base_dataloader", None)


def _apart(data: Any) -> Any:
    """A loader whose workers persist has one iterator, which training may be in the middle of."""
    inner = _wrapped(data)
    if isinstance(data, DataLoader) and (data.persistent_workers or inner is not None):
        data = copy.copy(data)
        data.__dict__ |= {"persistent_workers": False, "_iterator": None}
        if inner is not None:
            data.__dict__["base_dataloader"] = _apart(inner)
    return data


def _length(batch: Batch) -> int | None:
    """Examples in a batch: the length of its first tensor that has one."""
    return next((len(tensor) for tensor in _tensors(batch) if tensor.ndim), None)


def _tensors(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        yield from _tensors(list(batch.values()))
    elif isinstance(batch, list | tuple):
        for part in batch:
            yield from _tensors(part)


def _examples(data: Any) -> int | None:
    try:
        return len(data.dataset)
    except (AttributeError, TypeError):
        return None
