"""The law's prefactor for a PyTorch model, from its own loss and data.

See :mod:`flatfast.calibration` for what is measured. Nothing is trained: weights stay where they
are, and buffers, generators, modes and the noise's own counts are put back as they were.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from flatfast.arguments import as_number, as_whole
from flatfast.calibration import Calibration
from flatfast.calibration import calibrate as calibrate_landscape
from flatfast.calibration.calibrate import BUDGET, Lasts, Progress
from flatfast.estimate import Estimate
from flatfast.torch.batches import Batch, pair
from flatfast.torch.landscape import Forward, ModelLandscape
from flatfast.torch.processes import processes
from flatfast.torch.progress import showing
from flatfast.torch.put_back import put_back
from flatfast.torch.trained import trained, twice_differentiable

# Two numbers: torch.load(weights_only=True) may take a C that was saved with its error.
torch.serialization.add_safe_globals([Estimate])


def calibrate(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    data: Iterable[Any] | tuple[Tensor, Tensor],
    lr: float | None = None,
    *,
    budget: int = BUDGET,
    seconds: float | None = None,
    params: Iterable[Tensor] | None = None,
    forward: Forward | None = None,
    batches_per_step: int | None = None,
    weight_decay: float | None = None,
    noise: Lasts = "fresh",
    momentum: float | None = None,
    seed: int = 0,
    fall: float | None = None,
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
    had, ``found.ok`` is false and ``found.doubts`` say why. Where the gradients were too few to
    tell, ``found.unresolved`` is true and the budget to give is told.

    The model runs in the mode in which it is found. In ``train()``, batch norm sees the batch, as
    in training, and its running statistics are put back; dropout (the module, and that of
    attention and recurrent layers) counts as noise of the gradient and is off where curvature is
    measured. Under ``torch.autocast`` it runs in that precision. Noise is seen that is drawn in the
    model, in ``forward``, in ``loss_fn``, or by a map-style data set behind a ``DataLoader``, as
    augmentation is: batches whose gradients are compared are loaded twice.

    Args:
        model: Any module whose operations can be differentiated twice.
        loss_fn: ``(outputs, targets) -> scalar``, a mean or sum over examples.
        data: A ``DataLoader`` or other iterable of ``(inputs, targets)``, or those two as tensors,
            for steps that take all examples.
        lr: The learning rate to be used. By default the law's fastest stable one is named with its
            momentum, in ``found.pair``.
        budget: Gradient evaluations of one batch; more narrow the interval.
        seconds: Time to be spent instead, measured against the first gradients.
        params: Parameters to be trained; by default all that require gradients.
        forward: ``(model, batch) -> (outputs, targets)`` for batches of another form.
        batches_per_step: Batches that a step averages over: gradient accumulation times processes.
            By default the number of processes that train together.
        weight_decay: The optimizer's, as in ``torch.optim.SGD``: it moves the weights along the
            manifold too, and is weighed against the noise. A penalty in the loss is found there.
        noise: What of it lasts: ``"fresh"``, what is drawn anew at each look at a batch; or
            ``"all"``, the choice of the batch too, where training never fits its data.
        momentum: The one in use. Where no noise lasts, and so there is no law, it is placed beside
            what bounds momentum instead.
        seed: Draws the probes, apart from PyTorch's own generators.
        fall: Share of the sharpness that training is to take off, in (0, 1), where that is known:
            C is then the constant that arrives soonest, by a look ahead along the drift. It costs
            about five calibrations; the weights are moved meanwhile, and put back bit for bit.
        progress: Show a bar (needs rich), or be told the evaluations made and planned.

    Returns:
        The calibration.

    Raises:
        TypeError: If a number is something else, or ``loss_fn`` returns no tensor.
        ValueError: If an argument is out of range, ``loss_fn`` returns more than one number, a
            gradient not finite, parameters are sharded, there is none or no batch, outputs do not
            depend on the parameters, shapes are broadcast so that each output meets the targets of
            all examples, or the loss's Hessian in the outputs cannot be had: a loss that couples
            examples, or one with more than 32 outputs an example that is neither a sum over outputs
            nor a softmax's cross-entropy.
        RuntimeError: If an operation of the model, or the loss, has no second derivative.
    """
    chosen = trained(model, params)
    # Before anything is run: the landscape is looked at first.
    if lr is not None:
        lr = as_number("lr", lr, "a positive number")
    budget = as_whole("budget", budget, "a whole number of gradient evaluations")
    if weight_decay is not None:
        weight_decay = as_number("weight_decay", weight_decay, "a number, at least 0")
    seed = as_whole("seed", seed, "a whole number")
    if batches_per_step is None:
        batches_per_step = processes()
    batches_per_step = as_whole("batches_per_step", batches_per_step, "a whole number, at least 1")
    if batches_per_step < 1:
        raise ValueError(f"batches_per_step must be at least 1, got {batches_per_step}")
    with landscape_of(
        model, loss_fn, data, chosen, forward or pair, seed=seed, batches_per_step=batches_per_step
    ) as landscape:
        if seconds is not None:
            budget = landscape.affordable(seconds)
        landscape.spread_products(budget)
        penalty = landscape.penalty()
        told_none = weight_decay is None and penalty == 0
        decay = math.nan if told_none else (weight_decay or 0.0) + penalty
        with showing(progress) as told:
            return calibrate_landscape(
                landscape,
                lr,
                budget=budget,
                weight_decay=decay,
                noise=noise,
                momentum=math.nan if momentum is None else momentum,
                fall=fall,
                progress=told,
            )


@contextlib.contextmanager
def landscape_of(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    data: Iterable[Any] | tuple[Tensor, Tensor],
    chosen: list[Tensor],
    forward: Forward,
    *,
    seed: int = 0,
    batches_per_step: int = 1,
) -> Iterator[ModelLandscape]:
    """The landscape of a model, which is as it was before at the end, weights included."""
    plain = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        put_back(plain, data, chosen),
        twice_differentiable(plain),
    ):
        landscape = ModelLandscape(
            plain, loss_fn, data, chosen, forward, seed=seed, batches_per_step=batches_per_step
        )
        try:
            yield landscape
        finally:
            landscape.back()


__all__ = ["Batch", "calibrate"]
