"""Three ways to make the same steps of SGD: the lab, a PyTorch loop, a ``torch.func`` ensemble."""

import dataclasses
from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor

from benchmarks.cases import Case
from benchmarks.timing import Work, finished
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.simulation.simulate import simulate

MOMENTUM = 0.9


def ours(
    problem: Problem, lr: float, runs: int, steps: int, metric: str = "loss", records: int = 1
) -> Work:
    """The simulator, with few and cheap records."""
    seeds = np.arange(runs)
    cheap = dataclasses.replace(problem, goal=Goal(metric, 0.1))
    return lambda: simulate(cheap, lr, MOMENTUM, seeds, steps=steps, records=records)


def _loss(case: Case, params: Any, inputs: Tensor, noisy: Tensor) -> Tensor:
    errors: Tensor = case.predict(params, inputs) - noisy
    return errors.square().sum() / (2 * len(inputs))


def torch_loop(
    case: Case, lr: float, steps: int, threads: int | None = None, device: str = "cpu"
) -> Work:
    """One run in PyTorch as one would write it, with ``torch.optim.SGD``; gives its weights.

    Args:
        case: What is trained.
        lr: Learning rate.
        steps: Of the run.
        threads: Of PyTorch's operations, if not as many as they have.
        device: Where it computes.
    """
    inputs, targets = case.inputs.to(device), case.targets.to(device)

    def work() -> Any:
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        params = jax.tree.map(lambda leaf: leaf.to(device, copy=True).requires_grad_(), case.start)
        optimizer = torch.optim.SGD(jax.tree.leaves(params), lr=lr, momentum=MOMENTUM)
        for _ in range(steps):
            optimizer.zero_grad()
            noisy = targets + case.noise_std * torch.randn_like(targets)
            _loss(case, params, inputs, noisy).backward()
            optimizer.step()
        torch.set_num_threads(before)
        return params

    return finished(work, device)


def torch_ensemble(case: Case, lr: float, runs: int, steps: int, device: str = "cpu") -> Work:
    """All runs at once, ``vmap`` of ``grad`` over the same batch; gives their weights."""
    inputs, targets = case.inputs.to(device), case.targets.to(device)

    def loss(params: Any, noise: Tensor) -> Tensor:
        return _loss(case, params, inputs, targets + case.noise_std * noise)

    gradient = torch.func.vmap(torch.func.grad(loss))

    def work() -> Any:
        params = jax.tree.map(
            lambda leaf: leaf.to(device).expand(runs, *leaf.shape).clone(), case.start
        )
        velocity = jax.tree.map(torch.zeros_like, params)
        leaves = list(zip(jax.tree.leaves(params), jax.tree.leaves(velocity), strict=True))
        for _ in range(steps):
            noise = torch.randn(runs, *targets.shape, device=device)
            slopes = jax.tree.leaves(gradient(params, noise))
            for (leaf, speed), slope in zip(leaves, slopes, strict=True):
                speed.mul_(MOMENTUM).add_(slope)
                leaf.add_(speed, alpha=-lr)
        return params

    return finished(work, device)


def convolutions(case: Case, device: str = "cpu") -> Work:
    """The case's own convolutions alone, forward and back, by PyTorch's library (oneDNN, cuDNN)."""
    examples, layers = len(case.inputs), []
    for number, layer in enumerate(case.convolutions):
        shape = (examples, layer.inputs, layer.side, layer.side)
        maps = torch.randn(shape, device=device, requires_grad=number > 0)
        kernel = torch.randn(layer.outputs, layer.inputs, layer.size, layer.size, device=device)
        kernel.requires_grad_()
        found = torch.nn.functional.conv2d(maps, kernel, None, layer.stride, layer.size // 2)
        layers.append((layer, maps, kernel, torch.randn_like(found)))

    def work() -> None:
        for layer, maps, kernel, slope in layers:
            found = torch.nn.functional.conv2d(maps, kernel, None, layer.stride, layer.size // 2)
            wanted = [kernel, maps] if maps.requires_grad else [kernel]
            torch.autograd.grad(found, wanted, slope)

    return finished(work, device)


def convolution_flops(case: Case) -> float:
    """Of :func:`convolutions`."""
    every = enumerate(case.convolutions)
    return sum(c.flops(len(case.inputs)) * (3 if number else 2) for number, c in every)
