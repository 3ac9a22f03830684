"""A PyTorch model's loss around its weights, as calibration asks for it.

With outputs o of a batch and its loss l(o), ``G = J^T S J`` with ``S = ∂²l/∂o²``. One backward pass
through the outputs gives ``J^T u``, and the derivative of that in u, by a second, ``J v``: reverse
mode twice, which more of PyTorch's operations have than forward mode.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from flatfast.arguments import as_number
from flatfast.calibration.landscape import GRADIENT, PROBE, PRODUCT
from flatfast.calibration.plan import LEAST, PRODUCT_SHARE
from flatfast.torch.batches import OTHERS, Batch, Batches
from flatfast.torch.crossing import check_pairing
from flatfast.torch.modes import drops, modes_kept, whole_model
from flatfast.torch.output_hessian import OutputHessian, at_least_single
from flatfast.torch.vectors import flat, like, real

FIXED = 1_000_003
"""Seed of the first of the probes that are the same at every point."""

Forward = Callable[[nn.Module, Batch], tuple[Any, Any]]

MOST_BATCHES = 8
"""Batches that products go over at most: the graph of each is kept."""

ALIGNED = 0.5
"""Cosine of a slope and the weights from which on it counts as weight decay; |w| has about 0.8."""

ITERATIONS = 20
"""Products that a budget is meant to pay for, when it is decided how many batches they go over."""


class ModelLandscape:
    """The loss of a model on batches of data.

    Attributes:
        batch_size: Examples in a step, of all its batches.
        batches_per_step: Batches that a step averages over.
        examples: Examples in all, None if not known.
        product_batches: Batches that a product goes over.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[[Any, Any], Tensor],
        data: Iterable[Batch] | tuple[Tensor, Tensor],
        params: list[Tensor],
        forward: Forward,
        *,
        seed: int,
        batches_per_step: int,
    ) -> None:
        """Look at the first batch.

        Raises:
            ValueError: If there is no batch, or data is a map-style data set.
        """
        self._model, self._loss_fn, self._forward = model, one_number(loss_fn), forward
        self._params = params
        device = params[0].device
        self._noisy = [m for m in model.modules() if drops(m) and not whole_model(m, model)]
        self._batches = batches = Batches(data, device)
        self.batches_per_step = batches_per_step
        self.batch_size = (batches.size or self._first_length()) * batches_per_step
        # Where a batch is all there is, a step leaves none out, however many it takes.
        whole = batches.examples == batches.size
        self.examples = self.batch_size if whole else batches.examples
        self._operator = [batches.first]
        self._graphs: list[Any] = []
        self._probes, self._seed = torch.Generator(device=device), seed
        self._probes.manual_seed(seed)
        self._weights: list[Tensor] | None = None  # as they were, once they have been moved

    @property
    def product_batches(self) -> int:
        """Batches that a product goes over."""
        return len(self._operator)

    @property
    def length(self) -> float:
        """Euclidean norm of the parameters."""
        return float(flat(self._params).norm())

    def _first_length(self) -> int:
        with torch.no_grad(), self._without_masks():
            return len(self._outputs(self._batches.first)[0])

    def spread_products(self, budget: int) -> None:
        """Let products go over as many batches as a budget of evaluations allows."""
        afford = int(PRODUCT_SHARE * budget / (PRODUCT * ITERATIONS))
        if self.examples is not None:
            afford = min(afford, -(-self.examples // self.batch_size))
        self.use_batches(min(max(afford, 1), MOST_BATCHES))

    def use_batches(self, count: int) -> None:
        """Let products go over this many batches, at least 1."""
        self._operator += [self._batches.next() for _ in range(count - len(self._operator))]

    def affordable(self, seconds: float) -> int:
        """Gradient evaluations that fit into a time, by the second of two tries.

        Raises:
            ValueError: If ``seconds`` is not positive, or too short for any calibration.
        """
        seconds = as_number("seconds", seconds, "a positive number")
        if not 0 < seconds < float("inf"):
            raise ValueError(f"seconds must be positive and finite, got {seconds}")
        taken = 0.0
        for _ in range(2):
            begun = time.perf_counter()
            float(self._gradient(self._batches.first)[0])  # reading a number waits for the device
            self.probe()
            taken = time.perf_counter() - begun
        found = int(seconds / taken * (GRADIENT + PROBE))
        if found < LEAST:
            raise ValueError(
                f"seconds must be at least {taken * LEAST / (GRADIENT + PROBE):.2g}, the time of "
                f"{LEAST} gradient evaluations here, got {seconds}"
            )
        return found

    def penalty(self) -> float:
        """Weight decay in the loss: how fast its part beside the outputs shrinks the weights.

        The slope of that part along the weights, over their square: of a sum of squares what
        ``weight_decay`` is in an optimizer. 0 where the slope is not along them.

        Raises:
            ValueError: If the loss broadcasts outputs and targets against each other.
        """
        with torch.no_grad(), self._without_masks():
            outputs, targets = self._outputs(self._batches.first)
        check_pairing(self._loss_fn, outputs, targets)
        slope = flat(self._derivative(self._loss_fn(outputs, targets), None))
        weights = flat(self._params)
        radial = float(slope @ weights)
        if not radial > ALIGNED * float(slope.norm() * weights.norm()):
            return 0.0
        return radial / float(weights @ weights)

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Two gradients of the next batch, which is loaded for each where that can be done."""
        one, again = self._batches.two()
        return self._gradient(one), self._gradient(again)

    def misfit(self) -> tuple[float, float]:
        """Squared slope of the loss in the outputs, ours and of outputs dealt one place on."""
        looks = self._batches.two()
        with torch.no_grad(), self._without_masks():
            told = [self._outputs(batch) for batch in looks]
        if told[0][0].shape != told[1][0].shape:  # it draws how long its examples are
            told[1] = told[0]

        def slope(outputs: Tensor, targets: Any, places: int) -> Tensor:
            at = at_least_single(outputs.detach().roll(places, 0)).requires_grad_()
            return torch.autograd.grad(self._loss_fn(at, targets), at)[0]

        ours, dealt = ([slope(*each, places) for each in told] for places in (0, 1))
        return float((ours[0] * ours[1]).sum()), float((dealt[0] * dealt[1]).sum())

    @property
    def unseen(self) -> str:
        """Noise that two looks at a batch do not differ by, and how to have it seen."""
        if self._batches.reloads or self.examples == self.batch_size:
            return ""
        return (
            "what the data set draws is not seen: give a DataLoader of a map-style data set, or "
            "draw it in loss_fn, forward or the model"
        )

    @functools.cached_property
    def outputs(self) -> int:
        """Numbers that the examples have as outputs, where a batch is all of them; else 0."""
        if self._batches.size is None or self._batches.examples != self._batches.size:
            return 0
        with torch.no_grad(), self._without_masks():
            return self._outputs(self._batches.first)[0].numel()

    def row(self, number: int) -> tuple[float, Tensor]:
        """``|J^T S^(1/2) e|^2`` for one output's unit vector e, and its gradient."""
        return self._squared(self._batches.first, lambda hessian: hessian.row(number))

    def probe(self) -> tuple[float, Tensor]:
        """``|J^T S^(1/2) z|^2`` on the next batch, and its gradient."""
        return self._squared(self._batches.next(), lambda hessian: hessian.probe(self._probes))

    def _squared(
        self, batch: Batch, root: Callable[[OutputHessian], Tensor]
    ) -> tuple[float, Tensor]:
        loss_fn = self._loss_fn
        with self._without_masks():
            outputs, targets = self._outputs(batch)
            hessian = OutputHessian(outputs, lambda o: loss_fn(o, targets))
            backward = self._derivative(outputs, root(hessian), create_graph=True)
            squared = sum((part.float().square().sum() for part in backward), torch.zeros(()))
            slope = self._derivative(squared, None)
        return float(squared.detach()), flat(slope)

    def reading(self, number: int) -> float:
        """``|J^T S^(1/2) z|^2`` on the first batch, for the signs z of this number."""
        signs = torch.Generator(device=self._params[0].device).manual_seed(FIXED + number)
        loss_fn = self._loss_fn
        with self._without_masks():
            outputs, targets = self._outputs(self._batches.first)
            hessian = OutputHessian(outputs, lambda o: loss_fn(o, targets))
            backward = self._derivative(outputs, hessian.probe(signs))
        return float(sum((part.float().square().sum() for part in backward), torch.zeros(())))

    @torch.no_grad()
    def moved(self, by: Tensor | float, *, anew: bool = False) -> "ModelLandscape":
        """This landscape, with the weights displaced by (D,) until :meth:`back`."""
        if anew:
            self._probes.manual_seed(self._seed)
        if isinstance(by, Tensor):
            if self._weights is None:
                self._weights = [p.detach().clone() for p in self._params]
            self._graphs = []
            for p, part in zip(self._params, like(by, self._params), strict=True):
                real(p.detach()).add_(part)
        return self

    @torch.no_grad()
    def back(self) -> None:
        """Put the weights back, bit for bit, if they have been moved."""
        if self._weights is not None:
            self._graphs = []
            for p, kept in zip(self._params, self._weights, strict=True):
                p.detach().copy_(kept)
            self._weights = None

    def product(self, v: Tensor) -> Tensor:
        """``G v``, a mean over the operator's batches."""
        if not self._graphs:
            self._graphs = [self._graph(batch) for batch in self._operator]
        parts = like(v, self._params)
        total = torch.zeros_like(v)
        with self._without_masks():  # a checkpointed part runs again in a backward pass
            for outputs, hessian, u, backward in self._graphs:
                # J v is the derivative of (J^T u) . v in u.
                dot = [(b, p) for b, p in zip(backward, parts, strict=True) if b.requires_grad]
                of, along = [b for b, _ in dot], [p for _, p in dot]
                image = torch.autograd.grad(of, u, along, retain_graph=True, allow_unused=True)[0]
                if image is None:
                    raise RuntimeError(
                        "an operation of the model cannot be differentiated twice: its backward "
                        "pass is marked once_differentiable, or detaches"
                    )
                total += flat(self._derivative(outputs, hessian.times(image), retain_graph=True))
        return total / len(self._graphs)

    def _graph(self, batch: Batch) -> tuple[Tensor, OutputHessian, Tensor, list[Tensor]]:
        loss_fn = self._loss_fn
        with self._without_masks():
            outputs, targets = self._outputs(batch)
            hessian = OutputHessian(outputs, lambda o: loss_fn(o, targets))
            u = torch.zeros_like(outputs, requires_grad=True)
            backward = self._derivative(outputs, u, create_graph=True)
        return outputs, hessian, u, backward

    def _outputs(self, batch: Batch) -> tuple[Tensor, Any]:
        outputs, targets = self._forward(self._model, batch)
        if not (isinstance(outputs, Tensor) and outputs.is_floating_point() and outputs.ndim):
            told = f" {outputs.dtype} {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else ""
            raise ValueError(
                "outputs must be a tensor of real numbers with examples in its first dimension, "
                f"got {type(outputs).__name__}{told}; {OTHERS}"
            )
        return outputs, targets

    def _gradient(self, batch: Batch) -> Tensor:
        outputs, targets = self._outputs(batch)
        if not outputs.requires_grad:
            raise ValueError(
                "outputs must depend on the parameters, and PyTorch knows of no dependence: the "
                "forward pass detaches, runs under no_grad, uses other parameters, or is "
                "checkpointed with use_reentrant=True (give False)"
            )
        return flat(self._derivative(self._loss_fn(outputs, targets), None))

    def _derivative(self, of: Tensor, along: Tensor | None, **options: bool) -> list[Tensor]:
        """Gradients in the parameters, zeros where there is no dependence; real numbers."""
        found: tuple[Tensor | None, ...] = (None,) * len(self._params)
        if of.requires_grad:
            found = torch.autograd.grad(of, self._params, along, allow_unused=True, **options)
        if any(g is not None and g.layout != torch.strided for g in found):
            raise ValueError(
                "gradients must be dense, and some are sparse: call F.embedding with sparse=False "
                "while calibrating (modules are switched here)"
            )
        return [
            real(torch.zeros_like(p) if g is None else g)
            for g, p in zip(found, self._params, strict=True)
        ]

    @contextlib.contextmanager
    def _without_masks(self) -> Iterator[None]:
        with modes_kept(self._noisy):
            for module in self._noisy:
                module.training = False
            yield


def one_number(loss_fn: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
    """The loss, which then says by its own name that it is not reduced.

    Raises:
        TypeError: If it cannot be called.
    """
    if not callable(loss_fn):
        raise TypeError(f"loss_fn must be a function of outputs and targets, got {loss_fn!r}")

    def loss(outputs: Any, targets: Any) -> Tensor:
        found: Any = loss_fn(outputs, targets)
        if not isinstance(found, Tensor):
            raise TypeError(
                "loss_fn must return a tensor with one number, a mean or sum over examples, got "
                f"{type(found).__name__}"
            )
        if found.numel() != 1:
            raise ValueError(
                "loss_fn must return one number, a mean or sum over examples, got a tensor of "
                f"shape {tuple(found.shape)}: leave reduction='none' out, or add .mean()"
            )
        return found

    return loss
