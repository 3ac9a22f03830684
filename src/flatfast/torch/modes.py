"""Training modes of modules, kept while something switches them."""

import contextlib
from collections.abc import Iterable, Iterator

from torch import nn

RATES = (
    "dropout",
    "attention_dropout",
    "dropout_p",
    "dropout_prob",
    "dropout_rate",
    "drop_prob",
    "drop_rate",
    "p",
)
"""Attributes in which attention, recurrent layers, drop path and the like keep what they drop."""


@contextlib.contextmanager
def modes_kept(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put each module's own mode back at the end; modules within it are not touched."""
    modes = [(module, module.training) for module in modules]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def drops(module: nn.Module) -> bool:
    """Whether it draws at random in training mode, by its type or by the name of a rate."""
    rates = (getattr(module, name, None) for name in RATES)
    return isinstance(module, nn.modules.dropout._DropoutNd | nn.RReLU) or any(
        isinstance(rate, float) and 0 < rate < 1 for rate in rates
    )


def whole_model(module: nn.Module, model: nn.Module) -> bool:
    """Whether it is the user's model itself: its mode may mean more than masks."""
    return module is model and any(True for _ in model.children())
