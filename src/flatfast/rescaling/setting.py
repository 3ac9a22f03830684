"""What a user has tuned: learning rate, momentum or betas, and what goes with them."""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from flatfast.arguments import as_number

Convention = Literal["heavy-ball", "normalized", "scale-free"]
"""What an optimizer with ``momentum`` does with it: a sum of gradients, ``p <- m p + g`` (SGD,
RMSprop); an average of them, ``p <- m p + (1 - m) g``; or an average whose length is then taken
away (Muon, signed momentum)."""


@dataclass(frozen=True)
class Setting:
    """The part of an optimizer's settings that a change of batch or learning rate touches.

    ::

        Setting(lr=0.1, momentum=0.9)
        Setting(lr=3e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1, averaging=0.999)

    Attributes:
        lr: Learning rate, positive.
        momentum: In [0, 1); None for an optimizer that has none.
        betas: The Adam family's decays in place of ``momentum``: of gradients first, then of their
            squares; each in [0, 1).
        alpha: RMSprop's decay of squared gradients, in [0, 1).
        eps: What Adam and RMSprop add to the root of the squares, at least 0.
        weight_decay: At least 0.
        averaging: Decay of averaged weights per step, in [0, 1).
        convention: What ``momentum`` multiplies; ``betas`` are averages always.
        decoupled: Whether weights decay by ``lr * weight_decay`` a step (AdamW), or the decay is
            part of the gradient (SGD's L2 penalty); by default the first where there are ``betas``.

    Raises:
        TypeError: If a value is no number.
        ValueError: If one is out of its range, or momentum is given twice.
    """

    lr: float
    momentum: float | None = None
    betas: tuple[float, ...] | None = None
    alpha: float | None = None
    eps: float | None = None
    weight_decay: float | None = None
    averaging: float | None = None
    convention: Convention = "heavy-ball"
    decoupled: bool | None = None

    def __post_init__(self) -> None:
        self._keep("lr", _positive("lr", self.lr))
        for name in ("momentum", "alpha", "averaging"):
            if (value := getattr(self, name)) is not None:
                self._keep(name, _decay(name, value))
        for name in ("eps", "weight_decay"):
            if (value := getattr(self, name)) is not None:
                self._keep(name, _at_least_0(name, value))
        if self.betas is not None:
            self._keep("betas", _decays(self.betas))
        if self.betas is not None and self.momentum is not None:
            raise ValueError(
                f"give momentum or betas, got momentum {self.momentum:g} and betas {self.betas}"
            )
        if self.convention not in get_args(Convention):
            known = ", ".join(get_args(Convention))
            raise ValueError(f"convention must be one of {known}, got {self.convention!r}")

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def first(self) -> float | None:
        """The decay of gradients: momentum, or the first beta; None if there is neither."""
        return self.betas[0] if self.betas is not None else self.momentum

    @property
    def complement(self) -> float:
        """1 minus the decay of gradients; 1 for an optimizer without momentum."""
        return 1.0 if self.first is None else 1 - self.first

    @property
    def averages(self) -> bool:
        """Whether gradients are averaged, not summed: ``lr`` then is the effective step."""
        return self.betas is not None or self.convention != "heavy-ball"

    @property
    def adaptive(self) -> bool:
        """Whether the step's length does not follow the gradient's: Adam, RMSprop, Muon."""
        squares = self.betas is not None or self.alpha is not None
        return squares or self.convention == "scale-free"

    @property
    def effective_step(self) -> float:
        """Learning rate of whatever is slower than the memory: ``lr / (1 - momentum)`` of a sum."""
        return self.lr if self.averages else self.lr / self.complement

    @property
    def decays_apart(self) -> bool:
        """Whether weight decay is decoupled from the gradient."""
        return self.betas is not None if self.decoupled is None else self.decoupled


def as_setting(setting: Setting | Mapping[str, Any]) -> Setting:
    """The setting itself, or the one that a mapping spells.

    Raises:
        TypeError: If it is neither, or a name is unknown.
    """
    if isinstance(setting, Setting):
        return setting
    if not isinstance(setting, Mapping):
        raise TypeError(
            "setting must be a Setting or a mapping such as {'lr': 0.1, 'momentum': 0.9}, "
            f"got {setting!r}"
        )
    known = [field.name for field in fields(Setting)]
    if unknown := [str(name) for name in setting if name not in known]:
        raise TypeError(f"a setting has no {', '.join(unknown)}; it may have {', '.join(known)}")
    if "lr" not in setting:
        raise TypeError(f"a setting needs lr, got {', '.join(map(str, setting)) or 'nothing'}")
    return Setting(**setting)


def _positive(name: str, value: Any) -> float:
    number = as_number(name, value, "a positive number")
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return number


def _at_least_0(name: str, value: Any) -> float:
    number = as_number(name, value, "a number of at least 0")
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite, got {value}")
    return number


def _decay(name: str, value: Any) -> float:
    number = as_number(name, value, "a number in [0, 1)")
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")
    return number


def _decays(betas: Any) -> tuple[float, ...]:
    if isinstance(betas, str | bytes | bytearray | Set | Mapping) or not hasattr(betas, "__iter__"):
        raise TypeError(f"betas must be numbers in [0, 1), e.g. (0.9, 0.999), got {betas!r}")
    found = tuple(_decay(f"betas[{index}]", beta) for index, beta in enumerate(betas))
    if not found:
        raise ValueError("betas must be numbers in [0, 1), e.g. (0.9, 0.999), got none")
    return found
