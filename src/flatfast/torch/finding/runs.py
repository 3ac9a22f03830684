"""Short runs from the present state, each of which leaves it as it was.

Runs go one after the other in the user's own model, whose weights and buffers are put back after
each. So a loss or a forward pass that holds on to the model works, no model need be copied, and one
more set of weights is all the memory that is needed. Every run of a repeat sees the same batches
and random numbers.
"""

import contextlib
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flatfast.torch.batches import Batch, copied
from flatfast.torch.finding.batches import SameBatches
from flatfast.torch.finding.grid import Pair
from flatfast.torch.finding.remade import Remade
from flatfast.torch.landscape import Forward, one_number
from flatfast.torch.put_back import put_back
from flatfast.torch.target_noise import TargetNoise, counts_kept

FORWARD = 1 / 3
"""Cost of a loss without its gradient, in gradients."""

LOOKS = 8
"""Steps after which it is looked whether a run has diverged: a look waits for the device."""

APART = 1_000_003
"""Between the seeds of repeats, and between the draws of noise that they begin with."""


class ShortRuns:
    """Makes short runs.

    Attributes:
        start: Loss at the present state.
        slope: Squared norm of the gradient there, on the first batch.
        spent: Gradient evaluations so far.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[[Any, Any], Tensor],
        batches: SameBatches,
        params: list[Tensor],
        forward: Forward,
        remade: Remade,
        factor: Callable[[float], float],
        seed: int,
    ) -> None:
        """Look at the loss and the gradient where training is.

        Raises:
            ValueError: If either is not finite, or outputs do not depend on the parameters.
        """
        self._model, self._forward, self._loss_fn = model, forward, one_number(loss_fn)
        self._plain = getattr(model, "_orig_mod", model)  # what torch.compile wraps
        self._batches, self._params, self._remade = batches, params, remade
        self._factor, self._seed = factor, seed
        self._weights = [p.detach().clone() for p in params]
        self._noise: dict[TargetNoise, int] = {}
        self.spent = 0.0
        batches.load(1)
        with self._apart(0):
            self.start = self._evaluated()
            if not math.isfinite(self.start):
                raise ValueError(f"the loss must be finite at the start, got {self.start}")
            self.slope = self._slope()

    def evaluations(self, horizon: int) -> int:
        """Batches on which a run of so many steps is read: a few, so that reading stays cheap."""
        return min(len(self._batches.evaluated), max(horizon // 2, 1))

    def cost(self, horizon: int) -> float:
        """Gradient evaluations of a run."""
        return horizon + FORWARD * self.evaluations(horizon)

    def loss(self, pair: Pair, horizon: int, repeat: int) -> float:
        """Loss after a run of so many steps; infinite if it has diverged.

        Args:
            pair: Its learning rate, at the schedule's factor 1, and momentum.
            horizon: Its steps.
            repeat: Which batches and random numbers: 0, 1 and so on.
        """
        # Before random numbers are set: what loading draws must not come between those of the run.
        self._batches.load((repeat + 1) * horizon)
        with self._apart(repeat):
            optimizer = self._remade.make(pair)
            base = [float(group["lr"]) for group in optimizer.param_groups]
            for number in range(horizon):
                factor = self._factor(number / horizon)
                for group, lr in zip(optimizer.param_groups, base, strict=True):
                    group["lr"] = lr * factor
                loss = self._loss(self._batches.batch(repeat * horizon + number))
                grads = torch.autograd.grad(loss, self._params, allow_unused=True)
                for p, grad in zip(self._params, grads, strict=True):
                    p.grad = grad
                optimizer.step()
                self.spent += 1
                if number % LOOKS == LOOKS - 1 and not math.isfinite(float(loss.detach())):
                    return math.inf
            found = self._evaluated(self.evaluations(horizon))
        return found if math.isfinite(found) else math.inf

    def _evaluated(self, count: int | None = None) -> float:
        """Mean loss on so many of the batches for that; with the same random numbers each time."""
        torch.manual_seed(self._seed)
        chosen = self._batches.evaluated[:count]
        with torch.no_grad():
            losses = [self._loss(batch) for batch in chosen]
        self.spent += FORWARD * len(chosen)
        return float(torch.stack([loss.detach().float().reshape(()) for loss in losses]).mean())

    def _slope(self) -> float:
        loss = self._loss(self._batches.batch(0))
        if not loss.requires_grad:
            raise ValueError(
                "outputs must depend on the parameters, and PyTorch knows of no dependence: the "
                "forward pass detaches, runs under no_grad, or uses other parameters"
            )
        grads = torch.autograd.grad(loss, self._params, allow_unused=True)
        if all(grad is None for grad in grads):
            raise ValueError(
                "outputs must depend on the parameters that are trained, and depend on others "
                "alone: is optimizer= or params= of another model, or of one made anew since?"
            )
        self.spent += 1
        found = sum(float(grad.detach().abs().double().square().sum()) for grad in grads
                    if grad is not None)  # fmt: skip
        if not math.isfinite(found):
            raise ValueError("the gradient must be finite at the start, and is not")
        return found

    def _loss(self, batch: Batch) -> Tensor:
        # A model or a loss may write into its batch, as a Dropout(inplace=True) that comes first.
        return self._loss_fn(*self._forward(self._model, copied(batch)))

    @contextlib.contextmanager
    def _apart(self, repeat: int) -> Iterator[None]:
        """A run from the present state, with the random numbers of a repeat."""
        seed = self._seed + APART * repeat
        with put_back(self._plain, None, self._params):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002 - what the user's code may draw from
            for noise, count in self._noise.items():
                noise.count = count + APART * repeat
            try:
                with counts_kept() as drawn:
                    yield
            finally:
                self._noise |= {n: c for n, c in drawn.items() if n not in self._noise}
                for noise, count in self._noise.items():
                    noise.count = count
                self.back()

    @torch.no_grad()
    def back(self) -> None:
        """Put the weights back, bit for bit."""
        for p, kept in zip(self._params, self._weights, strict=True):
            p.detach().copy_(kept)
