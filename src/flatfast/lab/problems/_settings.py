"""Settings that several problems have, with one meaning and one default."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar, get_type_hints

from flatfast.lab.problem import Problem, Scalar


@dataclass(frozen=True)
class Training:
    """How a network is trained on the lab's small data sets.

    Attributes:
        noise_std: Standard deviation of the label noise (squared error), in units of the targets'
            own or of one-hot targets.
        batch_size: Examples in a step's gradient, drawn with replacement; 0 for all.
        data_seed: Seed of the data: what is drawn, and the split.
        init_seed: Seed of the initial weights.
        start: ``interpolating``, after noise-free descent; ``bad-minimizer``, after it on shuffled
            labels and then on the true ones; or ``init`` (Kaiming).
    """

    noise_std: float = 0.5
    batch_size: int = 0
    data_seed: int = 0
    init_seed: int = 0
    start: str = "interpolating"

    def settings(self) -> dict[str, Scalar]:
        """As a problem keeps them."""
        return asdict(self)


@dataclass(frozen=True)
class Classifier(Training):
    """A network that classifies, and how it is trained.

    Attributes:
        activation: ``tanh``, ``relu`` or ``gelu``.
        loss: ``squared`` (one-hot targets) or ``cross-entropy``.
        flip_probability: Probability of a label flip (cross-entropy).
    """

    activation: str = "tanh"
    loss: str = "squared"
    flip_probability: float = 0.1

    @property
    def squared(self) -> bool:
        """Whether the loss is the squared error."""
        return self.loss == "squared"

    @property
    def noise(self) -> dict[str, float]:
        """``noise_std`` and ``flip_probability``; 0 for the kind that the loss does not have."""
        return {
            "noise_std": self.noise_std if self.squared else 0.0,
            "flip_probability": 0.0 if self.squared else self.flip_probability,
        }

    def settings(self) -> dict[str, Scalar]:
        """As a problem keeps them: no noise of the kind that the loss does not have."""
        return {**super().settings(), **self.noise}


@dataclass(frozen=True)
class Perceptron(Classifier):
    """A perceptron on images, and how it is trained.

    Attributes:
        width: Width of the hidden layers.
        depth: Number of layers, the last included.
    """

    width: int = 40
    depth: int = 6


Settings = TypeVar("Settings", bound=Training)


def takes(
    kind: type[Settings], **defaults: Any
) -> Callable[[Callable[..., Problem]], Callable[..., Problem]]:
    """Let a problem's function have shared settings beside its own.

    The function gets them as its first argument; whoever calls it names each, and its signature
    lists its own settings, then the shared ones.

    Args:
        kind: The shared settings.
        **defaults: Defaults that differ for this problem.
    """
    kinds = get_type_hints(kind)
    shared = [field.name for field in fields(kind)]

    def decorate(function: Callable[..., Problem]) -> Callable[..., Problem]:
        @functools.wraps(function)
        def made(**settings: Any) -> Problem:
            common = {name: settings.pop(name) for name in shared if name in settings}
            return function(kind(**{**defaults, **common}), **settings)

        own = list(inspect.signature(function).parameters.values())[1:]
        standard = kind(**defaults)
        keyword = inspect.Parameter.KEYWORD_ONLY
        listed = [
            inspect.Parameter(
                name, keyword, default=getattr(standard, name), annotation=kinds[name]
            )
            for name in shared
        ]
        signature = inspect.Signature([*own, *listed], return_annotation=Problem)
        made.__signature__ = signature  # type: ignore[attr-defined]
        return made

    return decorate
