"""Averaged weights: the decay of ``torch.optim.swa_utils.AveragedModel``."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from torch.optim import swa_utils

from flatfast.rescaling import Setting
from flatfast.torch.rescaling.records import KEY, Asked, Record

EMA = {"avg_fn": swa_utils.get_ema_avg_fn, "multi_avg_fn": swa_utils.get_ema_multi_avg_fn}
"""Where an average keeps its function, and what makes one of a decay."""

EQUAL = swa_utils.get_swa_avg_fn, swa_utils.get_swa_multi_avg_fn
"""What makes functions of equal weights: they remember all samples, at any batch."""


def averages_of(given: Any) -> list[swa_utils.AveragedModel]:
    """The averages, one or several.

    Raises:
        TypeError: If one is no ``AveragedModel``.
    """
    found = [*given] if isinstance(given, Iterable) else [given]
    for each in found:
        if not isinstance(each, swa_utils.AveragedModel):
            raise TypeError(
                "averaged must be torch.optim.swa_utils.AveragedModel, got "
                f"{type(each).__name__}: the decay of another average is "
                "flatfast.rescale({'lr': 1, 'averaging': 0.999}, batch=...).averaging"
            )
    return found


def rescaled_average(average: swa_utils.AveragedModel, asked: Asked) -> Callable[[], None] | None:
    """What gives an average the decay that remembers as many samples; None if nothing is to change.

    PyTorch keeps the decay inside of a function, which no checkpoint has: the function is replaced,
    and has the record, so that the average of a program that goes on is rescaled there again.

    Raises:
        ValueError: If its function is not one that PyTorch makes, whose decay is not known; or if
            it was rescaled from elsewhere.
    """
    if asked.batch is None:
        return None
    for name, make in EMA.items():
        function: Any = getattr(average, name)
        if function is not None and _is_made_by(function, make):
            own = Asked(asked.batch, None, "ema")  # all rules do the same to averages
            step, record = own.left(getattr(function, KEY, None))
            if step.k is None:
                return None
            decay = float(inspect.getclosurevars(inspect.unwrap(function)).nonlocals["decay"])
            kept = own.of_setting(Setting(1.0, averaging=decay), step).averaging
            return _replacement(average, name, make(kept), record)
    functions = [f for name in EMA if (f := getattr(average, name)) is not None]
    if all(any(_is_made_by(f, make) for make in EQUAL) for f in functions):
        return None
    raise ValueError(
        f"the decay of this {type(average).__name__} is inside of a function of your own: give it "
        "the decay flatfast.rescale({'lr': 1, 'averaging': 0.999}, batch=...).averaging, or make "
        "it of get_ema_multi_avg_fn(decay)"
    )


def _replacement(
    average: swa_utils.AveragedModel, name: str, function: Any, record: Record
) -> Callable[[], None]:
    def replace() -> None:
        setattr(function, KEY, record)
        setattr(average, name, function)

    return replace


def _is_made_by(function: Any, make: Callable[..., Any]) -> bool:
    """Whether it is one of these functions; PyTorch's are wrapped, to need no gradients."""
    made: Any = inspect.unwrap(make())
    return getattr(inspect.unwrap(function), "__code__", None) is made.__code__
