"""Label noise: what lets SGD drift along the zero-loss manifold to where it is flat.

What matters is the covariance of the gradient that noise on the labels makes on the manifold. For a
model with outputs f(x; w), Jacobian J_b of example b and a batch of B examples, with ½MSE,
``sum((f - y)^2) / (2 B)``, and noise of standard deviation ``std`` on every output:

    covariance = std^2 / B * H,    H = mean over b of J_b^T J_b, the Hessian on the manifold.

Noise in proportion to the Hessian is what the theory of the drift assumes (Blanc et al., COLT 2020;
Damian, Ma and Lee, NeurIPS 2021; Cowsik, Can and Glorioso, arXiv 2210.16400). The docstrings below
say what becomes of it under each kind of noise and loss; ``tests/torch/test_label_noise.py``
measures each.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flatfast.torch.processes import rank

_COUNTS: ContextVar[dict["TargetNoise", int] | None] = ContextVar("counts", default=None)
"""Counts to be put back, of the modules that have drawn since :func:`counts_kept` began."""


@contextlib.contextmanager
def counts_kept() -> Iterator[None]:
    """Draws made within do not count: noise goes on after it as if they had not been."""
    before: dict[TargetNoise, int] = {}
    token = _COUNTS.set(before)
    try:
        yield
    finally:
        _COUNTS.reset(token)
        for module, count in before.items():
            module.count = count


class TargetNoise(nn.Module):
    """Noise with random numbers of its own, off in ``eval()``.

    The draw of a call depends on the seed, on the number of calls so far, and on the rank where
    processes train together: they draw differently, and yet one rank's checkpoint serves all.
    Seed and count are in the ``state_dict``. Neither reads nor moves PyTorch's own generators.

    Attributes:
        seed: Seed of the draws.
        count: Calls so far, in training mode.
    """

    def __init__(self, seed: int = 0) -> None:
        """Start at the first draw of ``seed``, an integer of at least 0."""
        super().__init__()
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.seed = seed
        self.count = 0

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, targets: Tensor) -> Tensor:
        """Targets with a fresh draw of noise, on their device; unchanged in shape in ``eval()``."""
        if not self.training:
            return self.clean(targets)
        generator = torch.Generator(device=targets.device)
        words = np.random.SeedSequence((self.seed, rank(), self.count)).generate_state(1, np.uint64)
        generator.manual_seed(int(words[0]) >> 1)
        kept = _COUNTS.get()
        if kept is not None:
            kept.setdefault(self, self.count)
        self.count += 1
        return self.noisy(targets, generator)

    def clean(self, targets: Tensor) -> Tensor:
        """Targets without noise, in the form that the noisy ones have."""
        return targets

    def noisy(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Targets with noise drawn from ``generator``."""
        raise NotImplementedError

    def get_extra_state(self) -> dict[str, int]:
        """For the ``state_dict``: where the draws are."""
        return {"seed": self.seed, "count": self.count}

    def set_extra_state(self, state: Any) -> None:
        """Go on where a checkpoint was."""
        self.seed, self.count = int(state["seed"]), int(state["count"])


class LabelNoise(TargetNoise):
    """Gaussian noise on targets, a fresh draw at each call.

    ::

        noise = LabelNoise(0.1)
        loss = F.mse_loss(model(x), noise(y))                      # regression
        noise = LabelNoise(0.1, classes=10)
        loss = F.mse_loss(model(x), noise(labels))                 # one-hot targets, noisy
        loss = F.cross_entropy(LabelNoise(0.5)(model(x)), labels)  # noise on logits

    The gradient's covariance on the zero-loss manifold, for B examples with K outputs each:

    - ½MSE, ``sum((f - y)^2) / (2 B)``: ``std^2 / B * H``;
    - ``F.mse_loss``, ``sum((f - y)^2) / (B K)``: ``2 std^2 / (B K) * H``, since that loss is 2 / K
      times the other, its Hessian and its gradient with it;
    - cross-entropy with noise on the logits: ``std^2 / B * mean_b J_b^T S_b^2 J_b`` to first order
      in ``std``, with ``S_b = diag(p_b) - p_b p_b^T`` for predicted probabilities p_b, where the
      Hessian has one ``S_b``: not in proportion to it, and it fades as predictions become certain.

    Noise on the outputs of a squared loss is the same as noise on its targets.

    Attributes:
        std: Standard deviation, in the targets' units.
        classes: Number of classes of integer labels, which become one-hot targets; None for targets
            that are numbers already.
    """

    def __init__(self, std: float, classes: int | None = None, seed: int = 0) -> None:
        """Noise of this size.

        Raises:
            ValueError: If ``std`` is negative or not finite, ``classes`` below 2, or ``seed``
                negative.
        """
        super().__init__(seed)
        if not 0 <= std < float("inf"):
            raise ValueError(f"std must be at least 0 and finite, got {std}")
        if classes is not None and classes < 2:
            raise ValueError(f"classes must be at least 2, got {classes}")
        self.std, self.classes = std, classes

    def clean(self, targets: Tensor) -> Tensor:
        """Targets as they are, or one-hot ones (..., classes) from integer labels (...)."""
        if self.classes is not None:
            one_hot = nn.functional.one_hot(targets.long(), self.classes)
            return one_hot.to(torch.get_default_dtype())
        if not targets.is_floating_point():
            raise TypeError(
                f"targets are {targets.dtype}; numbers need a floating-point type, and labels "
                "need LabelNoise(std, classes=...) or LabelFlips"
            )
        return targets

    def noisy(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Clean targets plus ``std`` times a standard normal draw."""
        clean = self.clean(targets)
        draw = torch.randn(clean.shape, generator=generator, device=clean.device, dtype=clean.dtype)
        return clean + self.std * draw

    def extra_repr(self) -> str:
        """Settings, for ``print(model)``."""
        return f"std={self.std}, classes={self.classes}, seed={self.seed}"


class LabelFlips(TargetNoise):
    """With a given probability a label becomes another one, uniformly; a fresh draw at each call.

    ::

        noise = LabelFlips(0.1, classes=10)
        loss = F.cross_entropy(model(x), noise(labels))

    The labels that the loss sees are then distributed as q: ``1 - probability`` at the true class,
    the rest spread evenly. With cross-entropy the mean loss is least where the model predicts q
    (as with label smoothing), and there the gradient's covariance is ``H / B`` whatever the
    probability: Hessian and covariance both are the mean of ``J_b^T (diag(q) - q q^T) J_b``. With
    ½MSE on one-hot targets it is ``1 / B`` times that mean too, while the Hessian is the mean of
    ``J_b^T J_b``: noise in proportion to the Hessian only as far as the classes are alike.

    Attributes:
        probability: Chance that a label is wrong.
        classes: Number of classes.
    """

    def __init__(self, probability: float, classes: int, seed: int = 0) -> None:
        """Flips of this probability.

        Raises:
            ValueError: If ``probability`` is not in [0, 1], ``classes`` below 2, or ``seed``
                negative.
        """
        super().__init__(seed)
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be in [0, 1], got {probability}")
        if classes < 2:
            raise ValueError(f"classes must be at least 2, got {classes}")
        self.probability, self.classes = probability, classes

    def noisy(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Labels (...) of an integer type, some of them others."""
        if targets.is_floating_point():
            raise TypeError(f"labels must be integers, got {targets.dtype}")
        shape, device = targets.shape, targets.device
        flipped = torch.rand(shape, generator=generator, device=device) < self.probability
        shift = torch.randint(1, self.classes, shape, generator=generator, device=device)
        return torch.where(flipped, (targets + shift.to(targets.dtype)) % self.classes, targets)

    def extra_repr(self) -> str:
        """Settings, for ``print(model)``."""
        return f"probability={self.probability}, classes={self.classes}, seed={self.seed}"
