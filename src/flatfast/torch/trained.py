"""Which parameters of a model are looked at, and in what form its operations run meanwhile."""

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import UninitializedParameter


def trained(model: nn.Module, params: Iterable[Tensor] | None) -> list[Tensor]:
    """The parameters that require gradients, each once, in their order.

    Raises:
        TypeError: If the model is no module.
        ValueError: If there is none, or one has no shape yet or is sharded.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {model!r}")
    every = model.parameters() if params is None else params
    chosen = list(dict.fromkeys(p for p in every if p.requires_grad))
    if not chosen:
        raise ValueError("no parameter requires a gradient")
    if any(isinstance(p, UninitializedParameter) for p in chosen):
        raise ValueError("parameters must have shapes: run a lazy model once before")
    if any(hasattr(p, "full_tensor") for p in chosen):
        raise ValueError(
            "parameters must be whole, and these are sharded: calibrate before fully_shard, or a "
            "copy of the model on one process"
        )
    return chosen


@contextlib.contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Have everything run in a form whose backward pass has a derivative.

    Compiled models and losses as they were written; attention and recurrent layers by plain
    kernels; embeddings with dense gradients.
    """
    embeddings = [m for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    sparse = [m for m in embeddings if m.sparse]
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if recurrent:
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        for module in sparse:
            stack.callback(setattr, module, "sparse", True)
            module.sparse = False
        yield
