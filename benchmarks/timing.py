"""Times of pieces of work side by side, and the rates at which a machine multiplies matrices."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

Work = Callable[[], Any]


def seconds(work: Work) -> float:
    """Wall-clock time of ``work()``."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def interleaved(work: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
    """Seconds of each piece of work, all of them in each of the repeats.

    A first round, in which things are compiled, does not count.
    """
    times: dict[str, list[float]] = {name: [] for name in work}
    for repeat in range(repeats + 1):
        for name, task in work.items():
            spent = seconds(task)
            if repeat:
                times[name].append(spent)
    return times


def spread(values: list[float]) -> dict[str, float]:
    """The median of repeats, with the middle half of them."""
    low, estimate, high = np.quantile(values, (0.25, 0.5, 0.75))
    return {"estimate": float(estimate), "low": float(low), "high": float(high)}


def ratio_of_rates(
    mine: list[float], theirs: list[float], my_work: float, their_work: float
) -> dict[str, float]:
    """How many times the one's rate is the other's: the median over repeats, and the middle half.

    Repeat by repeat, since what else the machine does changes from one to the next.

    Args:
        mine: Seconds of each repeat.
        theirs: The same of the other, in the same repeats.
        my_work: What is done in a repeat, such as steps times runs.
        their_work: The same of the other.
    """
    pairs = zip(mine, theirs, strict=True)
    return spread([my_work / their_work * other / own for own, other in pairs])


def rate(times: list[float], work: float) -> float:
    """Work a second, by the median of the repeats."""
    return work / statistics.median(times)


PRODUCT = 2048
"""Rows and columns of the matrices of :func:`products`."""

PRODUCT_FLOPS = 2 * PRODUCT**3


def products(size: int = PRODUCT, device: str = "cpu") -> dict[str, Work]:
    """Float32 matrix products by NumPy, PyTorch and JAX; without NumPy on another device."""
    left = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    tensor, array = torch.tensor(left, device=device), jnp.asarray(left)
    multiply = jax.jit(jnp.matmul)
    by_torch = finished(lambda: tensor @ tensor, device)
    by_jax = {"jax": lambda: multiply(array, array).block_until_ready()}
    if device != "cpu":
        return {"torch": by_torch, **by_jax}
    return {"numpy": lambda: left @ left, "torch": by_torch, **by_jax}


def finished(work: Work, device: str) -> Work:
    """The same work, waited for where a device computes on its own."""
    if device == "cpu":
        return work

    def waited() -> Any:
        result = work()
        torch.cuda.synchronize()
        return result

    return waited
