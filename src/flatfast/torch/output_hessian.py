"""The Hessian S of a loss in the outputs of a batch, and a square root of it.

A loss that sums over examples has one block S_b an example. Up to a few outputs the blocks are made
and their square roots taken. Beyond, S is known in two cases, recognised by what it does to random
directions: a diagonal (squared error and all losses that sum over outputs), and, position by
position and up to a factor, the softmax's ``diag(p) - p p^T`` (cross-entropy, whatever the labels),
whose root is ``diag(sqrt p) - p sqrt(p)^T``.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flatfast.torch.target_noise import counts_kept

DENSE = 32
"""Outputs of an example up to which its block is made."""

CLOSE = 1e-3
"""Relative difference up to which S is recognised."""

TINY = 1e-30

FAINT = 1e-2
"""S relative to one over the outputs' number, below which it may be that of a saturated loss."""

GONE = 1e-6
"""S relative to what it is at outputs of zero, below which nothing is left of it."""

ROUNDED = 64.0
"""Difference of S v from a known form that is rounding, in units of the last place of its size at
outputs of zero."""


NUDGE = 1e-3
"""Way by which outputs are moved to see whether the loss's slope follows, in their spreads."""

HALF = 0.5
"""Share of the slopes that follow in a loss that is curved."""


def at_least_single(outputs: Tensor) -> Tensor:
    """In single precision, or double where they are that."""
    return outputs if outputs.dtype == torch.float64 else outputs.float()


class OutputHessian:
    """S at given outputs."""

    def __init__(self, outputs: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        """Differentiate the loss twice.

        Args:
            outputs: (B,) or (B, ...), of one batch.
            loss: ``outputs -> scalar``; noise that it draws is drawn once.

        Raises:
            ValueError: If the loss couples examples, or there are many outputs an example and S is
                none of the known.
            RuntimeError: If the loss is curved but cannot be differentiated twice.
        """
        self._shape = outputs.shape
        # Neither the loss nor the object itself is kept in a closure: graphs hang on both.
        with torch.autocast(outputs.device.type, enabled=False):
            here = at_least_single(outputs.detach()).clone().requires_grad_()
            self._outputs, self._slope = here, _slope(loss, here, self._shape)
            self._examples = outputs.shape[0]
            self._root = self._found_root(loss)

    def _found_root(self, loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        v = self._direction(0)
        image = self._times(v)
        if not image.any() and _curved(loss, self._outputs.view(self._shape)):
            raise RuntimeError(
                "the loss has no second derivative: its slope follows the outputs, but its "
                "backward pass cannot be differentiated, as in fused kernels. Calibrate with the "
                "loss in PyTorch's own operations"
            )
        faint = image.norm() <= FAINT * v.norm() / self._outputs.numel()
        if faint and image.norm() <= GONE * self._typical(loss, v):
            return torch.zeros_like
        try:
            return self._known_root(v, image, 0.0)
        except ValueError:
            # Where a loss is nearly saturated, S has its form but for rounding.
            rounding = ROUNDED * torch.finfo(v.dtype).eps * self._typical(loss, v)
            return self._known_root(v, image, rounding)

    def _typical(self, loss: Callable[[Tensor], Tensor], v: Tensor) -> float:
        """Size of S v at outputs of zero."""
        nowhere = torch.zeros_like(self._outputs).requires_grad_()
        return float(_product(_slope(loss, nowhere, self._shape), nowhere, v).norm())

    def times(self, v: Tensor) -> Tensor:
        """``S v`` in the shape of the outputs."""
        return self._times(v.to(self._outputs.dtype)).to(v.dtype)

    def probe(self, generator: torch.Generator) -> Tensor:
        """``S^(1/2) z`` for random signs z, in the shape of the outputs."""
        signs = torch.randint(0, 2, self._shape, generator=generator, device=self._outputs.device)
        return self._root((2.0 * signs - 1.0).to(self._outputs.dtype))

    def row(self, number: int) -> Tensor:
        """``S^(1/2) e`` for the unit vector e of one number, in the shape of the outputs."""
        unit = torch.zeros_like(self._outputs.detach()).view(-1)
        unit[number] = 1.0
        return self._root(unit.view(self._shape))

    def _times(self, v: Tensor) -> Tensor:
        return _product(self._slope, self._outputs, v)

    def _direction(self, seed: int) -> Tensor:
        """A random one, of the outputs' shape."""
        device, dtype = self._outputs.device, self._outputs.dtype
        generator = torch.Generator(device=device).manual_seed(seed)
        return torch.randn(self._shape, generator=generator, device=device, dtype=dtype)

    def _dense_root(
        self, each: int, v: Tensor, image: Tensor, rounding: float
    ) -> Callable[[Tensor], Tensor]:
        rows = []
        for k in range(each):
            one = torch.zeros_like(self._outputs).detach().view(self._examples, each)
            one[:, k] = 1.0
            rows.append(self._times(one.view(self._shape)).reshape(self._examples, each))
        blocks = torch.stack(rows, dim=1)
        told = (blocks @ v.reshape(self._examples, each, 1)).view(self._shape)
        if not _alike(told, image, rounding):
            raise ValueError(
                "the loss must be a sum or mean over examples: its Hessian couples the outputs of "
                "different ones, as a contrastive loss does"
            )
        values, vectors = torch.linalg.eigh((blocks + blocks.mT) / 2)
        root = vectors * values.clamp(min=0.0).sqrt().unsqueeze(-2)

        def times(z: Tensor) -> Tensor:
            # As a sum, which autocast leaves in single precision.
            found: Tensor = (root * z.reshape(len(root), 1, each)).sum(-1)
            return found.view(z.shape)

        return times

    def _known_root(self, v: Tensor, image: Tensor, rounding: float) -> Callable[[Tensor], Tensor]:
        """The root of an S that gives this image of v, but for rounding.

        Raises:
            ValueError: If it has none of the known forms.
        """
        each = self._outputs.numel() // self._examples
        if each <= DENSE:
            return self._dense_root(each, v, image, rounding)
        diagonal, other = image / v, self._direction(1)
        if _alike(diagonal * other, self._times(other), rounding):
            root = diagonal.clamp(min=0.0).sqrt()
            return lambda z: root * z
        # Classes in the second dimension, as in cross_entropy, or in the last.
        for dim in dict.fromkeys((1, len(self._shape) - 1)):
            if found := self._softmax_root(dim, v, image, rounding):
                return found
        raise ValueError(
            f"the loss's Hessian in the {each} outputs of an example is neither diagonal nor a "
            f"softmax's; up to {DENSE} outputs any loss does"
        )

    def _softmax_root(
        self, dim: int, v: Tensor, image: Tensor, rounding: float
    ) -> Callable[[Tensor], Tensor] | None:
        """The root of softmaxes over ``dim``, each with a factor of its own; None if it is not."""
        p = torch.softmax(self._outputs.detach(), dim=dim).view(self._shape)
        told = p * v - p * (p * v).sum(dim, keepdim=True)
        # Ignored positions have the factor 0, weighted classes one each.
        squares = (told * told).sum(dim, keepdim=True).clamp(min=TINY)
        factor = (image * told).sum(dim, keepdim=True) / squares
        if not _alike(factor * told, image, rounding):
            return None
        root, scale = p.sqrt(), factor.clamp(min=0.0).sqrt()
        return lambda z: scale * (root * z - p * (root * z).sum(dim, keepdim=True))


def _alike(a: Tensor, b: Tensor, rounding: float) -> bool:
    return bool((a - b).norm() <= CLOSE * b.norm() + rounding)


def _slope(loss: Callable[[Tensor], Tensor], at: Tensor, shape: torch.Size) -> Tensor:
    value = loss(at.view(shape))
    return torch.autograd.grad(value, at, create_graph=True)[0]


def _product(slope: Tensor, at: Tensor, v: Tensor) -> Tensor:
    """Derivative of the slope in the outputs, times v; zeros where it does not depend on them."""
    found = None
    if slope.requires_grad:
        along = v.view_as(slope)
        found = torch.autograd.grad(slope, at, along, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(v) if found is None else found.reshape(v.shape)


def _curved(loss: Callable[[Tensor], Tensor], outputs: Tensor) -> bool:
    """Whether the loss's slope follows the outputs, as its first derivatives have it.

    Piecewise linear losses have slopes that stay when outputs move a little, but at their kinks:
    hence the outputs that are looked at are not those of the model, which may lie there.
    """
    generator = torch.Generator(device=outputs.device).manual_seed(0)
    options: dict[str, Any] = {
        "generator": generator,
        "device": outputs.device,
        "dtype": outputs.dtype,
    }
    spread = outputs.detach().std(correction=0).clamp(min=1.0)
    away = outputs.detach() + spread * torch.randn(outputs.shape, **options)
    moved = away + NUDGE * spread * torch.randn(outputs.shape, **options)
    slopes = []
    for at in (away, moved):
        # The same noise in both looks.
        with torch.random.fork_rng(), counts_kept():
            slopes.append(torch.autograd.grad(loss(at.requires_grad_()), at)[0])
    return bool((slopes[0] != slopes[1]).double().mean() > HALF)
