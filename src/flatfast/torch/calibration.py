"""The law's prefactor for a PyTorch model, from its own loss and data.

See :mod:`flatfast.calibration` for what is measured. Nothing is trained: weights stay where they
are, and buffers, generators, modes and the noise's own counts are put back as they were.
"""

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flatfast.calibration import Calibration
from flatfast.calibration import calibrate as calibrate_landscape
from flatfast.calibration.calibrate import BUDGET, Progress
from flatfast.torch.label_noise import counts_kept
from flatfast.torch.landscape import Batch, Forward, ModelLandscape, pair
from flatfast.torch.progress import showing

STEADY_CURVATURE = (nn.modules.dropout._DropoutNd,)
"""Modules that are switched off where curvature is measured: their masks are noise."""


def calibrate(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    data: Iterable[Any] | tuple[Tensor, Tensor],
    lr: float,
    *,
    budget: int = BUDGET,
    seconds: float | None = None,
    params: Iterable[Tensor] | None = None,
    forward: Forward | None = None,
    seed: int = 0,
    progress: bool | Progress = False,
) -> Calibration:
    """Measure the prefactor of ``1 - momentum = C lr^(2/3)`` at the model's weights.

    ::

        noise = LabelNoise(0.1)
        found = calibrate(model, lambda f, y: F.mse_loss(f, noise(y)), loader, lr=0.1)
        print(found)
        couple(optimizer, found.law)

    Call it where training has come close to zero loss, with the loss and the data of the training:
    label noise included, since its drift is what the law is about. Where there is nothing to be
    had, ``found.ok`` is false and ``found.doubts`` say why.

    The model runs in the mode in which it is found. In ``train()``, batch norm sees the batch, as
    in training, and its running statistics are put back; dropout counts as noise of the gradient
    and is off where curvature is measured. Under ``torch.autocast`` it runs in that precision.

    Args:
        model: Any module whose operations can be differentiated twice.
        loss_fn: ``(outputs, targets) -> scalar``, a mean or sum over examples.
        data: A ``DataLoader`` or other iterable of ``(inputs, targets)``, or those two as tensors,
            for steps that take all examples.
        lr: The learning rate to be used.
        budget: Gradient evaluations of one batch; more narrow the interval.
        seconds: Time to be spent instead, measured against the first gradients.
        params: Parameters to be trained; by default all that require gradients.
        forward: ``(model, batch) -> (outputs, targets)`` for batches of another form.
        seed: Draws the probes, apart from PyTorch's own generators.
        progress: Show a bar (needs rich), or be told the evaluations made and planned.

    Returns:
        The calibration.

    Raises:
        ValueError: If an argument is out of range, a gradient not finite, there is no parameter or
            no batch, or the loss's Hessian in the outputs cannot be had (more than 32 outputs an
            example and no softmax).
        RuntimeError: If an operation of the model has no second derivative.
    """
    chosen = [p for p in (model.parameters() if params is None else params) if p.requires_grad]
    if not chosen:
        raise ValueError("no parameter requires a gradient")
    with _as_found(model, data), _uncounted(chosen):
        landscape = ModelLandscape(
            model, loss_fn, data, chosen, forward or pair, seed=seed, steady=STEADY_CURVATURE
        )
        if seconds is not None:
            budget = landscape.affordable(seconds)
        landscape.spread_products(budget)
        with showing(progress) as told:
            return calibrate_landscape(landscape, lr, budget=budget, progress=told)


@contextlib.contextmanager
def _as_found(model: nn.Module, data: Any) -> Iterator[None]:
    """Put buffers, modes and generators back, bit for bit."""
    buffers = [(b, b.detach().clone()) for b in model.buffers()]
    modes = [(module, module.training) for module in model.modules()]
    generators = list(_generators(data))
    states = [g.get_state() for g in generators]
    python, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - the user's
    try:
        with torch.random.fork_rng(), counts_kept():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)  # noqa: NPY002
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


def _generators(data: Any) -> Iterator[torch.Generator]:
    """Generators that a loader and its sampler draw from."""
    sampler = getattr(data, "sampler", None)
    for owner in (data, sampler, getattr(data, "batch_sampler", None)):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator):
            yield generator


@contextlib.contextmanager
def _uncounted(params: list[Tensor]) -> Iterator[None]:
    """Keep gradients that have been accumulated, though nothing here writes them."""
    before = [p.grad for p in params]
    try:
        yield
    finally:
        for p, grad in zip(params, before, strict=True):
            p.grad = grad


__all__ = ["Batch", "calibrate"]
