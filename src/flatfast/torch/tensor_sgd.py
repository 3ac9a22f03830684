"""One step of SGD whose numbers are all tensors: for compiled programs and captured graphs.

A program that holds learning rate and momentum as numbers serves one value of them. Here they are
tensors of one element, and so are what a ``GradScaler`` tells a fused optimizer: the scale of the
gradients, and whether there are infinities among them.
"""

import torch
from torch import Tensor


def tensor_sgd(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    *,
    lr: Tensor,
    momentum: Tensor,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
) -> None:
    """One step in place.

    Args:
        params: Parameters.
        grads: Their gradients, not sparse.
        buffers: Their velocities; zeros before the first step.
        lr: Learning rate.
        momentum: Momentum.
        weight_decay: Factor of the parameters that is added to the gradients.
        nesterov: Nesterov momentum.
        maximize: Ascend.
        grad_scale: What the gradients are to be divided by.
        found_inf: Other than 0 if nothing may change.
    """
    before = [t.clone() for t in (*params, *buffers)] if found_inf is not None else []
    if grad_scale is not None:
        grads = list(torch._foreach_div(grads, grad_scale))
    if maximize:
        grads = list(torch._foreach_neg(grads))
    if weight_decay != 0:
        grads = list(torch._foreach_add(grads, params, alpha=weight_decay))
    torch._foreach_mul_(buffers, momentum)
    torch._foreach_add_(buffers, grads)
    if nesterov:
        steps = list(torch._foreach_mul(buffers, momentum))
        torch._foreach_add_(steps, grads)
        torch._foreach_mul_(steps, -lr)
    else:
        steps = list(torch._foreach_mul(buffers, -lr))
    torch._foreach_add_(params, steps)
    if found_inf is not None:
        for now, then in zip((*params, *buffers), before, strict=True):
            # Chosen on the device: a captured graph cannot ask.
            now.copy_(torch.where(found_inf == 0, now, then))
