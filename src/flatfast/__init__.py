"""flatfast: given my learning rate, what should momentum be?

The law (:class:`MomentumLaw`, :func:`transfer`) and what becomes of a setting at another batch
(:func:`rescale`) need nothing but Python;
:mod:`flatfast.timescales` needs NumPy; :mod:`flatfast.lab`, which measures, needs the extra
``flatfast[lab]``.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from flatfast.convention import Convention, heavy_ball, normalized
from flatfast.law import MomentumLaw, effective_step, memory, transfer
from flatfast.rescaling import Change, Rescaled, Rule, Setting, rescale, rules

if TYPE_CHECKING:
    from flatfast import timescales

__version__ = "0.2.0"

__all__ = [
    "Change",
    "Convention",
    "MomentumLaw",
    "Rescaled",
    "Rule",
    "Setting",
    "__version__",
    "effective_step",
    "heavy_ball",
    "memory",
    "normalized",
    "rescale",
    "rules",
    "timescales",
    "transfer",
]

if not TYPE_CHECKING:  # so that NumPy is imported when it is used

    def __getattr__(name: str) -> ModuleType:
        if name == "timescales":
            return import_module("flatfast.timescales")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
