"""Heavy-ball SGD on a quadratic bowl of known curvatures, by PyTorch and by hand."""

import math

import numpy as np
import torch
from torch import nn

CURVATURES = (1.0, 0.3, 0.02)


class Valley(nn.Module):
    """Outputs whose half squares are ``sum(curvature * w^2) / 2``, for any inputs (1, 1)."""

    def __init__(self, curvatures=CURVATURES):
        super().__init__()
        self.w = nn.Parameter(torch.ones(len(curvatures), dtype=torch.float64))
        self.register_buffer("roots", torch.tensor(curvatures, dtype=torch.float64).sqrt())

    def forward(self, inputs):
        return inputs @ (self.roots * self.w)[None, :]


def half_square(outputs, targets):
    return (outputs - targets).square().sum() / 2


ONE = (torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))


def loss_by_hand(lr, momentum, steps, *, cosine=True, curvatures=CURVATURES, decay=0.0):
    """The loss after so many steps, in NumPy; infinite where it is beyond floats."""
    curvature = np.array(curvatures)
    w, v = np.ones_like(curvature), np.zeros_like(curvature)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps):
            factor = 0.5 * (1 + math.cos(math.pi * step / steps)) if cosine else 1.0
            v = momentum * v + curvature * w + decay * w
            w = w - lr * factor * v
        found = float((curvature * w**2).sum() / 2)
    return found if math.isfinite(found) else math.inf
