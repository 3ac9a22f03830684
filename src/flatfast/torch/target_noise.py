"""Noise on targets: random numbers of its own, and where its draws are.

A draw depends on the seed, the rank and the number of calls. In a loader's workers, which are
copies that begin to count anew, it depends on the worker's own seed too: PyTorch draws that for
each worker and epoch.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import get_worker_info

from flatfast.torch.processes import rank

_COUNTS: ContextVar[dict["TargetNoise", int] | None] = ContextVar("counts", default=None)
"""Counts to be put back, of the modules that have drawn since :func:`counts_kept` began."""


@contextlib.contextmanager
def counts_kept() -> Iterator[dict["TargetNoise", int]]:
    """Draws made within do not count: noise goes on after it as if they had not been.

    Yields:
        The modules that have drawn since, each with its count before.
    """
    before: dict[TargetNoise, int] = {}
    token = _COUNTS.set(before)
    try:
        yield before
    finally:
        _COUNTS.reset(token)
        for module, count in before.items():
            module.count = count


class TargetNoise(nn.Module):
    """Noise with random numbers of its own, off in ``eval()``.

    The draw of a call depends on the seed, on the number of calls so far, and on the rank where
    processes train together: they draw differently, and yet one rank's checkpoint serves all.
    Seed and count are in the ``state_dict``. Neither reads nor moves PyTorch's own generators.

    Within a data set whose loader has workers, each worker draws on its own, and anew in every
    epoch: there the draws follow from the loader's seed, and the count stays in the worker.

    Attributes:
        seed: Seed of the draws.
        count: Calls so far, in training mode.
    """

    _sender = 0
    """Rank of the process that pickled it, for workers that do not know theirs."""

    def __init__(self, seed: int = 0) -> None:
        """Start at the first draw of ``seed``, an integer of at least 0."""
        super().__init__()
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.seed = seed
        self.count = 0

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, targets: Tensor) -> Tensor:
        """Targets with a fresh draw of noise, on their device; unchanged in shape in ``eval()``.

        Raises:
            TypeError: If targets are no tensor, or of a type that cannot carry the noise.
            ValueError: If a label is no class.
            RuntimeError: Where a draw would not be a fresh one: in a forward pass that is made
                again (activation checkpointing), in a replica of ``DataParallel``, and in the
                capture of a CUDA graph.
        """
        if not isinstance(targets, Tensor):
            raise TypeError(f"targets must be a tensor, got {type(targets).__name__}")
        if not self.training:
            return self.clean(targets)
        self._check_place(targets)
        generator = torch.Generator(device=targets.device)
        words = np.random.SeedSequence(self._entropy()).generate_state(1, np.uint64)
        generator.manual_seed(int(words[0]) >> 1)
        kept = _COUNTS.get()
        if kept is not None:
            kept.setdefault(self, self.count)
        self.count += 1
        return self.noisy(targets, generator)

    def clean(self, targets: Tensor) -> Tensor:
        """Targets without noise, in the form that the noisy ones have."""
        return targets

    def noisy(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Targets with noise drawn from ``generator``."""
        raise NotImplementedError

    def _entropy(self) -> tuple[int, ...]:
        worker = get_worker_info()
        if worker is None:
            return self.seed, rank(), self.count
        return self.seed, rank() or self._sender, self.count, worker.seed

    def _check_place(self, targets: Tensor) -> None:
        """Refuse where the same call is made twice, or the next one would repeat it."""
        if torch._C._current_graph_task_id() != -1:
            raise RuntimeError(
                "noise cannot be drawn in a backward pass: a forward pass that is made again there "
                "(activation checkpointing) would see another draw than the first. Draw it outside "
                "the checkpointed part, on the targets or on what that part returns"
            )
        if getattr(self, "_is_replica", False):
            raise RuntimeError(
                "noise cannot be drawn within nn.DataParallel: its replicas are made anew at each "
                "step, and would draw the same for ever. Draw it outside, noise(model(inputs)), or "
                "use DistributedDataParallel"
            )
        if targets.is_cuda and torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                "noise cannot be drawn in the capture of a CUDA graph: every replay would repeat "
                "this draw. Draw it outside, into a tensor that the graph reads"
            )

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs, and the rank: a worker that is spawned does not know it."""
        return {**self.__dict__, "_sender": rank()}

    def get_extra_state(self) -> dict[str, int]:
        """For the ``state_dict``: where the draws are."""
        return {"seed": self.seed, "count": self.count}

    def set_extra_state(self, state: Any) -> None:
        """Go on where a checkpoint was."""
        self.seed, self.count = int(state["seed"]), int(state["count"])


def check_labels(labels: Tensor, classes: int, ignored: int | None = None) -> None:
    """See to it that labels are classes, where they lie on the host.

    On an accelerator a look would make the host wait for it at every step. There a label that is
    no class is left as it is, or makes a row of NaN, for the loss to show.

    Args:
        labels: (...), integers.
        classes: Their number.
        ignored: A label that may stand for none.

    Raises:
        ValueError: If one is neither in [0, classes) nor ``ignored``; says which.
    """
    if labels.device.type != "cpu" or torch._C._functorch.is_batchedtensor(labels):
        return  # under vmap no value can be read
    outside = (labels < 0) | (labels >= classes)
    if ignored is not None:
        outside &= labels != ignored
    if bool(outside.any()):
        allowed = f"[0, {classes})" + ("" if ignored is None else f" or ignore_index = {ignored}")
        raise ValueError(f"labels must be in {allowed}, got {int(labels[outside][0])}")
