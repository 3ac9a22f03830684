"""What the callbacks of Lightning and Transformers share: from the tuned batch to the trainer's."""

from collections.abc import Iterable
from typing import Any

from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from flatfast.arguments import as_number
from flatfast.rescaling.choice import MEASURED
from flatfast.rescaling.rescale import OwnRule
from flatfast.torch.rescaling.groups import RescaledGroups
from flatfast.torch.rescaling.records import Asked
from flatfast.torch.rescaling.rescale import rescale
from flatfast.torch.wrappers import layers


class Rescaling:
    """What the callbacks take; a base beside the framework's own.

    ::

        class RescaleBatch(Rescaling, Callback): ...

    Attributes:
        reference_batch: Examples in a step, for which the optimizer was tuned.
        rule: The rule.
        batch: Examples in a step of this training, if it was given.
        rescaled: What became of each optimizer's groups, once the training has begun.
    """

    def __init__(
        self,
        reference_batch: float,
        rule: str | OwnRule = MEASURED,
        *,
        batch: float | None = None,
    ) -> None:
        """From which batch, by which rule.

        Args:
            reference_batch: Examples in a step, all devices and accumulated batches together, for
                which learning rate and momentum were tuned.
            rule: A name of :func:`flatfast.rules`, or a function, see :func:`flatfast.rescale`.
            batch: Examples in a step of this training; by default those of a device's batch, times
                the devices, times the batches that are accumulated.

        Raises:
            TypeError: If a batch is no number, or the rule no name and no function.
            ValueError: If a batch is not positive and finite, or no rule has this name.
        """
        as_number("reference_batch", reference_batch, "a positive number of examples")
        Asked.of((reference_batch, reference_batch if batch is None else batch), None, rule)
        self.reference_batch, self.rule, self.batch = reference_batch, rule, batch
        self.rescaled: list[RescaledGroups] = []

    def _rescale(
        self,
        optimizers: Iterable[Any],
        schedulers: Iterable[Any],
        found: float,
        averaged: Iterable[AveragedModel] = (),
    ) -> None:
        """Rescale all optimizers to a step of so many examples, where they are not there yet."""
        every, averages = list(schedulers), list(averaged)
        self.rescaled = []
        for index, optimizer in enumerate(optimizers):
            own = layers(optimizer)
            theirs = [each for each in every if _is_of(each, own)]
            self.rescaled.append(
                rescale(
                    optimizer,
                    batch=(self.reference_batch, found),
                    rule=self.rule,
                    schedulers=theirs,
                    averaged=averages if index == 0 else (),
                )
            )


def _is_of(scheduler: Any, optimizers: list[Any]) -> bool:
    """Whether it may be the scheduler of one of these; of one of another kind nobody knows."""
    inner = scheduler if isinstance(scheduler, LRScheduler) else getattr(scheduler, "scheduler", 0)
    own = getattr(inner, "optimizer", optimizers[0])
    return any(own is each for each in optimizers)


def loader_batch(loader: Any) -> int | None:
    """Examples in a batch of a loader; None where it does not say."""
    for owner in (loader, getattr(loader, "batch_sampler", None)):
        size = getattr(owner, "batch_size", None)
        if isinstance(size, int):
            return size
    return None


def unknown(why: str) -> ValueError:
    """That the examples in a step are not known."""
    return ValueError(
        f"the examples in a step are not known: {why}. Give them: RescaleBatch(reference_batch, "
        "batch=1024), all devices and accumulated batches together"
    )
