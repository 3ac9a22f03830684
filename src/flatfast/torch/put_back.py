"""Everything that running a model changes beside its weights, put back bit for bit."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from flatfast.torch.batches import parts
from flatfast.torch.modes import modes_kept
from flatfast.torch.target_noise import counts_kept


@contextlib.contextmanager
def put_back(model: nn.Module, data: Any, params: list[Tensor]) -> Iterator[None]:
    """Buffers, modes, gradients, generators, and what loaders and noise count.

    Each is put back whatever happens to the others.
    """
    with contextlib.ExitStack() as stack:
        for module in model.modules():
            for name, buffer in module._buffers.items():
                stack.callback(_buffer_back, module, name, buffer, _kept(buffer))
        for p in params:  # nothing here writes them; a model may
            stack.callback(setattr, p, "grad", p.grad)
        for owner in parts(data):
            generator = getattr(owner, "generator", None)
            if isinstance(generator, torch.Generator):
                stack.callback(generator.set_state, generator.get_state())
            for name in ("epoch", "iteration"):
                count = getattr(owner, "__dict__", {}).get(name)
                if isinstance(count, int):
                    stack.callback(owner.__dict__.__setitem__, name, count)
        kinds = {p.device.type for p in params}
        if any(map(torch.is_autocast_enabled, kinds)) and torch.is_autocast_cache_enabled():
            # Its copies of weights would outlive moves of these, here and after the end.
            stack.callback(torch.set_autocast_cache_enabled, True)
            torch.set_autocast_cache_enabled(False)
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 - the user's
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(counts_kept())
        stack.enter_context(modes_kept(model.modules()))
        yield


def _buffer_back(module: nn.Module, name: str, buffer: Tensor | None, kept: Tensor | None) -> None:
    module._buffers[name] = buffer  # forward may have put another in its place
    if buffer is None or kept is None:
        return
    now = _memory(buffer)
    # What has not changed is not written: it may lie where nobody may write.
    if not torch.equal(now, kept):
        with torch.no_grad():
            now.copy_(kept)


def _kept(buffer: Tensor | None) -> Tensor | None:
    """A copy of what it holds; None where there is nothing."""
    return None if buffer is None or buffer.is_meta else _memory(buffer).clone()


def _memory(buffer: Tensor) -> Tensor:
    """The bytes (N,) that it reaches, each once.

    Elements of an expanded tensor share their place and cannot be written one by one; a tensor of
    inference mode cannot be written outside.
    """
    if is_traceable_wrapper_subclass(buffer):  # has no bytes of its own
        return buffer.detach()
    if buffer.layout != torch.strided:
        sparse = buffer.layout == torch.sparse_coo
        buffer = buffer._values() if sparse else buffer.values()
    places = zip(buffer.shape, buffer.stride(), strict=True)
    reach = 1 + sum((n - 1) * step for n, step in places) if buffer.numel() else 0
    size = buffer.element_size()
    first = buffer.storage_offset() * size
    found = torch.empty(0, dtype=torch.uint8, device=buffer.device)
    return found.set_(buffer.untyped_storage(), first, (reach * size,), (1,))
