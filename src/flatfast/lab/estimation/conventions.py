"""What momentum means to an optimizer, and which exponents are asked of it.

Heavy ball sums gradients; the law is then ``1 - momentum = C lr^(2/3)``. In the normalized
convention, of Adam's beta 1 and of SGD with as much dampening as momentum, gradients are averaged:
the same runs have the learning rate ``lr / (1 - momentum)``, and the same law, with the same C,
reads ``1 - momentum = C^3 lr^2``. Times shrink with the same power of the learning rate in either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flatfast.convention import normalized_exponent
from flatfast.law import GAMMA


@dataclass(frozen=True)
class Convention:
    """A convention of momentum, and what it is called.

    Attributes:
        name: ``heavy-ball`` or ``normalized``.
        law: Exponent of the learning rate in the law for ``1 - momentum``.
        candidates: Exponents that get a verdict, by name; the law's first.
        momentum: What the optimizer calls it.
        power: Power of C in the law: C itself for heavy ball, its cube in the other.
        plain: Whether the optimizer is SGD, whose law it is; not so of Adam and its kin.
    """

    name: str
    law: float
    candidates: tuple[tuple[str, float], ...]
    momentum: str = "momentum"
    power: float = 1.0
    plain: bool = True

    @property
    def mu(self) -> str:
        """``1 - momentum`` in its words."""
        return f"1 − {self.momentum}"

    @property
    def law_name(self) -> str:
        """The law's exponent: 2/3, or 2."""
        return self.candidates[0][0]


HEAVY_BALL = Convention("heavy-ball", GAMMA, (("2/3", GAMMA), ("1/2", 0.5), ("1", 1.0)))
"""The law's exponent, a deterministic quadratic's, and a linear rule's."""

NORMALIZED = Convention(
    "normalized",
    normalized_exponent(GAMMA),
    (("2", normalized_exponent(GAMMA)), ("1", normalized_exponent(0.5))),
    power=3.0,
)
"""The same two; a linear rule sets no momentum here."""

ADAPTIVE = replace(NORMALIZED, momentum="beta 1", plain=False)
"""Of Adam and AdamW."""

MATRIX = replace(NORMALIZED, plain=False)
"""Of Muon."""

CONVENTIONS = {
    "sgd": HEAVY_BALL,
    "normalized-sgd": NORMALIZED,
    "adam": ADAPTIVE,
    "adamw": ADAPTIVE,
    "muon": MATRIX,
}
"""By optimizer, as the lab names them."""


def convention_of(manifest: Mapping[str, Any]) -> Convention:
    """The convention of a sweep's runs; heavy ball where its manifest names no optimizer."""
    optimizer = manifest.get("optimizer")
    name = optimizer.get("name") if isinstance(optimizer, Mapping) else None
    return CONVENTIONS.get(str(name), HEAVY_BALL)
