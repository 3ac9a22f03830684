"""The Hessian S of a loss in the outputs of a batch, and a square root of it.

A loss that sums over examples has one block S_b an example. Up to a few outputs the blocks are made
and their square roots taken. Beyond, S is known in two cases, which are recognised by what S does
to a random direction: a multiple of one (squared error), and the softmax's ``diag(p) - p p^T``
(cross-entropy, whatever the labels), whose root is ``diag(sqrt p) - p sqrt(p)^T``.
"""

from collections.abc import Callable

import torch
from torch import Tensor

DENSE = 32
"""Outputs of an example up to which its block is made."""

CLOSE = 1e-3
"""Relative difference up to which S is recognised."""


class OutputHessian:
    """S at given outputs."""

    def __init__(self, outputs: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        """Differentiate the loss twice.

        Args:
            outputs: (B,) or (B, ...), of one batch.
            loss: ``outputs -> scalar``; noise that it draws is drawn once.

        Raises:
            ValueError: If there are many outputs an example and S is none of the known.
        """
        if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
            raise ValueError(f"the model must give a tensor of numbers, got {type(outputs)}")
        self._shape = outputs.shape
        self._outputs = outputs.detach().float().requires_grad_()
        with torch.autocast(self._outputs.device.type, enabled=False):
            value = loss(self._outputs.view(self._shape))
            self._slope = torch.autograd.grad(value, self._outputs, create_graph=True)[0]
        self._examples = outputs.shape[0] if outputs.ndim else 1
        each = outputs.numel() // self._examples
        self._root = self._dense_root(each) if each <= DENSE else self._known_root()

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

    def _dense_root(self, each: int) -> Callable[[Tensor], Tensor]:
        rows = []
        for k in range(each):
            one = torch.zeros(self._examples, each, device=self._outputs.device)
            one[:, k] = 1.0
            rows.append(self._times(one.view(self._shape)).reshape(self._examples, each))
        blocks = torch.stack(rows, dim=1)
        values, vectors = torch.linalg.eigh((blocks + blocks.mT) / 2)
        root = vectors * values.clamp(min=0.0).sqrt().unsqueeze(-2)

        def times(z: Tensor) -> Tensor:
            flat = z.reshape(self._examples, each, 1)
            found: Tensor = root @ flat
            return found.view(self._shape)

        return times

    def _known_root(self) -> Callable[[Tensor], Tensor]:
        generator = torch.Generator(device=self._outputs.device).manual_seed(0)
        v = torch.randn(self._shape, generator=generator, device=self._outputs.device)
        image = self._times(v)
        size = image.norm()
        scale = (image * v).sum() / (v * v).sum()
        if (image - scale * v).norm() <= CLOSE * size:
            return lambda z: scale.clamp(min=0.0).sqrt() * z
        # Classes in the second dimension, as in cross_entropy.
        p = torch.softmax(self._outputs.detach(), dim=1).view(self._shape)
        told = p * v - p * (p * v).sum(dim=1, keepdim=True)
        scale = (image * told).sum() / (told * told).sum()
        if (image - scale * told).norm() <= CLOSE * size:
            root = p.sqrt()
            return lambda z: scale.sqrt() * (root * z - p * (root * z).sum(dim=1, keepdim=True))
        raise ValueError(
            f"the loss's Hessian in the {self._outputs[0].numel()} outputs of an example is "
            f"neither that of a squared error nor a softmax's; up to {DENSE} outputs any loss does"
        )
