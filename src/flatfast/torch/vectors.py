"""Parameters as one flat vector of real numbers; complex ones are pairs of reals.

So PyTorch's optimizers treat them: the gradient that autograd gives for a complex parameter holds
the derivatives in its real and in its imaginary part.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def real(part: Tensor) -> Tensor:
    """The tensor; a complex one with its real and imaginary parts in a last dimension."""
    return torch.view_as_real(part.resolve_conj()) if part.is_complex() else part


def flat(parts: Iterable[Tensor]) -> Tensor:
    """All in one, (D,), in single precision."""
    return torch.cat([real(part.detach()).float().reshape(-1) for part in parts])


def like(v: Tensor, parts: Iterable[Tensor]) -> list[Tensor]:
    """A vector (D,) divided as :func:`flat` put it together, each part real and in its own type."""
    wanted = [real(part.detach()) for part in parts]
    divided = torch.split(v, [part.numel() for part in wanted])
    return [d.view(part.shape).to(part.dtype) for d, part in zip(divided, wanted, strict=True)]
