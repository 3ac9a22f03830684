"""Targets that the loss pairs with every output instead of each with its own.

Outputs (B, 1) less targets (B,) are (B, B): each example is fitted to the mean of all targets, and
PyTorch's own losses warn at most. Shapes alone do not tell, since a loss may bring them together
itself. What tells is that it does not matter to the outputs' slopes in which order the targets are.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flatfast.torch.target_noise import counts_kept

SAME = 1e-5
"""Relative difference of slopes that is rounding: sums in another order."""


def check_pairing(loss_fn: Callable[[Any, Any], Tensor], outputs: Tensor, targets: Any) -> None:
    """Refuse targets that are broadcast against the outputs.

    Args:
        loss_fn: ``(outputs, targets) -> scalar``.
        outputs: (B, ...), of one batch.
        targets: Of the same batch, in any form; looked at where they are a tensor.

    Raises:
        ValueError: If each output meets the targets of all examples.
    """
    if not isinstance(targets, Tensor) or not _crossed(outputs.shape, targets.shape):
        return
    order = torch.arange(len(targets), device=targets.device)
    given = _slopes(loss_fn, outputs, targets)
    turned = _slopes(loss_fn, outputs, targets[order.roll(1)])
    # A loss that does not look at the targets, or targets that are all one, tell nothing.
    replaced = [_slopes(loss_fn, outputs, targets[order * 0 + place]) for place in (0, -1)]
    size = SAME * max(float(slopes.norm()) for slopes in (given, *replaced))
    if float((given - turned).norm()) <= size < float((replaced[0] - replaced[1]).norm()):
        raise ValueError(
            f"outputs of shape {tuple(outputs.shape)} and targets of shape {tuple(targets.shape)} "
            "are broadcast in loss_fn, each output against the targets of all examples: give both "
            "one shape"
        )


def _crossed(outputs: torch.Size, targets: torch.Size) -> bool:
    """Whether broadcasting makes more numbers than either has."""
    try:
        both = torch.broadcast_shapes(outputs, targets)
    except RuntimeError:
        return False
    return bool(both.numel() > max(outputs.numel(), targets.numel()))


def _slopes(loss_fn: Callable[[Any, Any], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Of the loss in the outputs, each time with the same noise; it then goes on as if unseen."""
    at = outputs.detach().requires_grad_()
    devices = [outputs.device] if outputs.device.type == "cuda" else []
    with torch.random.fork_rng(devices), counts_kept():
        return torch.autograd.grad(loss_fn(at, targets), at)[0]
