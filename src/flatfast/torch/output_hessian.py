"""The Hessian S of a loss in the outputs of a batch, and a square root of it.

A loss that sums over examples has one block S_b an example. Up to a few outputs the blocks are made
and their square roots taken. Beyond, S is known in two cases, recognised by what it does to random
directions: a diagonal (squared error and all losses that sum over outputs), and, position by
position and up to a factor, the softmax's ``diag(p) - p p^T`` (cross-entropy, whatever the labels),
whose root is ``diag(sqrt p) - p sqrt(p)^T``.
"""

from collections.abc import Callable

import torch
from torch import Tensor

DENSE = 32
"""Outputs of an example up to which its block is made."""

CLOSE = 1e-3
"""Relative difference up to which S is recognised."""

TINY = 1e-30


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
        """
        self._shape = outputs.shape
        self._outputs = outputs.detach().float().requires_grad_()
        with torch.autocast(self._outputs.device.type, enabled=False):
            value = loss(self._outputs.view(self._shape))
            self._slope = torch.autograd.grad(value, self._outputs, create_graph=True)[0]
            self._examples = outputs.shape[0]
            each = outputs.numel() // self._examples
            self._root = self._dense_root(each) if each <= DENSE else self._known_root(each)

    def times(self, v: Tensor) -> Tensor:
        """``S v`` in the shape of the outputs."""
        return self._times(v.float()).to(v.dtype)

    def probe(self, generator: torch.Generator) -> Tensor:
        """``S^(1/2) z`` for random signs z, in the shape of the outputs."""
        signs = torch.randint(0, 2, self._shape, generator=generator, device=self._outputs.device)
        return self._root(2.0 * signs - 1.0)

    def _times(self, v: Tensor) -> Tensor:
        if not self._slope.requires_grad:  # a loss that is linear in the outputs
            return torch.zeros_like(v)
        found = torch.autograd.grad(
            self._slope, self._outputs, v.view_as(self._slope), retain_graph=True
        )[0]
        return found.reshape(v.shape)

    def _looks(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Two random directions and what S makes of them."""
        generator = torch.Generator(device=self._outputs.device).manual_seed(0)
        directions = [
            torch.randn(self._shape, generator=generator, device=self._outputs.device)
            for _ in range(2)
        ]
        return tuple((v, self._times(v)) for v in directions)

    def _dense_root(self, each: int) -> Callable[[Tensor], Tensor]:
        rows = []
        for k in range(each):
            one = torch.zeros(self._examples, each, device=self._outputs.device)
            one[:, k] = 1.0
            rows.append(self._times(one.view(self._shape)).reshape(self._examples, each))
        blocks = torch.stack(rows, dim=1)
        v, image = self._looks()[0]
        told = (blocks @ v.reshape(self._examples, each, 1)).view(self._shape)
        if not _alike(told, image):
            raise ValueError(
                "the loss must be a sum or mean over examples: its Hessian couples the outputs of "
                "different ones, as a contrastive loss does"
            )
        values, vectors = torch.linalg.eigh((blocks + blocks.mT) / 2)
        root = vectors * values.clamp(min=0.0).sqrt().unsqueeze(-2)

        def times(z: Tensor) -> Tensor:
            # As a sum, which autocast leaves in single precision.
            found: Tensor = (root * z.reshape(self._examples, 1, each)).sum(-1)
            return found.view(self._shape)

        return times

    def _known_root(self, each: int) -> Callable[[Tensor], Tensor]:
        (v, image), (other, other_image) = self._looks()
        diagonal = image / v
        if _alike(diagonal * other, other_image):
            root = diagonal.clamp(min=0.0).sqrt()
            return lambda z: root * z
        # Classes in the second dimension, as in cross_entropy, or in the last.
        for dim in dict.fromkeys((1, len(self._shape) - 1)):
            if found := self._softmax_root(dim, v, image):
                return found
        raise ValueError(
            f"the loss's Hessian in the {each} outputs of an example is neither diagonal nor a "
            f"softmax's; up to {DENSE} outputs any loss does"
        )

    def _softmax_root(
        self, dim: int, v: Tensor, image: Tensor
    ) -> Callable[[Tensor], Tensor] | None:
        """The root of softmaxes over ``dim``, each with a factor of its own; None if it is not."""
        p = torch.softmax(self._outputs.detach(), dim=dim).view(self._shape)
        told = p * v - p * (p * v).sum(dim, keepdim=True)
        # Ignored positions have the factor 0, weighted classes one each.
        squares = (told * told).sum(dim, keepdim=True).clamp(min=TINY)
        factor = (image * told).sum(dim, keepdim=True) / squares
        if not _alike(factor * told, image):
            return None
        root, scale = p.sqrt(), factor.clamp(min=0.0).sqrt()
        return lambda z: scale * (root * z - p * (root * z).sum(dim, keepdim=True))


def _alike(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).norm() <= CLOSE * b.norm())
