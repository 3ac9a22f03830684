"""The largest curvature of a model's loss, from a few products that go on where the last ended."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from flatfast.arguments import as_whole
from flatfast.calibration.landscape import PRODUCT
from flatfast.torch.batches import Batch, Batches, pair
from flatfast.torch.landscape import Forward, ModelLandscape
from flatfast.torch.put_back import put_back
from flatfast.torch.trained import trained, twice_differentiable

BATCHES = 4
"""Batches that a product goes over."""

PRODUCTS = 12
"""Products of a measurement at most."""

CLOSE = 0.02
"""Residual over the curvature at which products end."""

CHANCE = 0.05
"""Length of the random part of a start that goes on from the last vector, which has length 1."""


@dataclass(frozen=True)
class Curvature:
    """The largest eigenvalue of the Gauss-Newton matrix of some batches, from below.

    Attributes:
        value: The largest Ritz value: at most the largest eigenvalue, of which it falls short by
            more than ``residual`` only where the start has next to no part in its direction.
        residual: Norm of ``G y - value y`` at its vector y: some eigenvalue is as near as this.
        evaluations: Cost in gradient evaluations of one batch.
        seconds: Cost in seconds.
    """

    value: float
    residual: float
    evaluations: int
    seconds: float


class LargestCurvature:
    """Measures the largest curvature of a training's loss, again and again on the same batches.

    ::

        gauge = Gauge(optimizer, curvature=LargestCurvature(model, loss_fn, loader))

    It is that of the Gauss-Newton matrix, which is the Hessian at zero loss and leaves out what
    the outputs' own curvature adds elsewhere. A measurement is a Lanczos iteration that starts
    from the last one's vector. Weights are read, and everything else that a look at the model
    changes is put back: buffers, modes, gradients, random numbers. It keeps a vector of the
    parameters' length, and one more for each product while it measures.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[[Any, Any], Tensor],
        data: Iterable[Batch] | tuple[Tensor, Tensor],
        *,
        params: Iterable[Tensor] | None = None,
        forward: Forward | None = None,
        batches: int = BATCHES,
        products: int = PRODUCTS,
        seed: int = 0,
    ) -> None:
        """Nothing is run yet.

        Args:
            model: As :func:`flatfast.torch.calibrate` takes it; it runs in the mode it is in.
            loss_fn: ``(outputs, targets) -> scalar``, a mean or sum over examples.
            data: Batches, of which the first few are kept; or inputs and targets.
            params: Parameters to be trained; by default all that require gradients.
            forward: ``(model, batch) -> (outputs, targets)`` for batches of another form.
            batches: How many are kept, at least 1.
            products: Products of a measurement at most, at least 2.
            seed: Draws the first start.

        Raises:
            TypeError: If a count is no whole number.
            ValueError: If a count is too small, or no parameter can be measured.
        """
        self.batches = as_whole("batches", batches, "a whole number, at least 1")
        self.products = as_whole("products", products, "a whole number, at least 2")
        if self.batches < 1:
            raise ValueError(f"batches must be at least 1, got {batches}")
        if self.products < 2:
            raise ValueError(f"products must be at least 2, got {products}")
        own = model.module if isinstance(model, DistributedDataParallel) else model
        self._model: nn.Module = getattr(own, "_orig_mod", own)  # what torch.compile wraps
        self._params = trained(model, params)
        self._loss_fn, self._forward = loss_fn, forward or pair
        self._data: Any = data
        self._kept: list[Batch] | None = None
        self._random = torch.Generator().manual_seed(seed)
        self._vector: Tensor | None = None

    def __call__(self) -> Curvature:
        """Measure at the weights of the moment.

        Raises:
            ValueError: As :func:`flatfast.torch.calibrate`, if the loss has no Hessian that can be
                had, or there is no batch.
        """
        begun = time.perf_counter()
        with self._apart():
            landscape = self._landscape()
            value, residual, made = self._lanczos(landscape.product)
        evaluations = made * PRODUCT * landscape.product_batches
        return Curvature(value, residual, evaluations, time.perf_counter() - begun)

    @contextlib.contextmanager
    def _apart(self) -> Iterator[None]:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            put_back(self._model, self._data, self._params),
            twice_differentiable(self._model),
        ):
            yield

    def _landscape(self) -> ModelLandscape:
        if self._kept is None:
            found = Batches(self._data, self._params[0].device)
            wanted = self.batches
            if found.size and found.examples:
                wanted = min(wanted, -(-found.examples // found.size))
            self._kept = [found.first, *(found.next() for _ in range(wanted - 1))]
            self._data = self._kept  # the loader is not needed any more
        landscape = ModelLandscape(
            self._model,
            self._loss_fn,
            self._kept,
            self._params,
            self._forward,
            seed=0,
            batches_per_step=1,
        )
        landscape.use_batches(len(self._kept))
        return landscape

    def _lanczos(self, product: Callable[[Tensor], Tensor]) -> tuple[float, float, int]:
        """Largest Ritz value, its residual, and the products made."""
        basis, diagonal, beside = [self._start()], list[float](), list[float]()
        value, residual, weights = 0.0, 0.0, torch.ones(1, dtype=torch.float64)
        while True:
            image = product(basis[-1])
            diagonal.append(float(image @ basis[-1]))
            for _ in range(2):  # once more: rounding would let found directions back in
                for each in basis:
                    image = image - (image @ each) * each
            rest = float(image.norm())
            value, weights = _top(diagonal, beside)
            residual = rest * abs(float(weights[-1]))
            done = len(diagonal) == self.products or residual <= CLOSE * value
            if done or not rest > 0:
                break
            beside.append(rest)
            basis.append(image / rest)
        top = sum((float(w) * v for w, v in zip(weights, basis, strict=True)), torch.zeros(()))
        self._vector = top if torch.isfinite(top).all() else None
        return value, residual, len(diagonal)

    def _start(self) -> Tensor:
        # A part of chance in every start: the last vector's direction may have lost its place.
        device = self._params[0].device
        length = sum(p.numel() * (2 if p.is_complex() else 1) for p in self._params)
        drawn = torch.randn(length, generator=self._random).to(device)
        chance = nn.functional.normalize(drawn, dim=0)
        start = chance if self._vector is None else self._vector + CHANCE * chance
        return nn.functional.normalize(start, dim=0)


def _top(diagonal: list[float], beside: list[float]) -> tuple[float, Tensor]:
    """Largest eigenvalue of the tridiagonal matrix, and its vector."""
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if beside:
        off = torch.tensor(beside, dtype=torch.float64)
        matrix = matrix + torch.diag(off, 1) + torch.diag(off, -1)
    values, vectors = torch.linalg.eigh(matrix)
    return float(values[-1]), vectors[:, -1]
