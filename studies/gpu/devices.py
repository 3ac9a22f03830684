"""Which devices there are, without taking their memory."""

import importlib.util
import os
from functools import cache
from typing import Any

import jax

from studies.gpu.cases import Library


@cache
def has_gpu(library: Library) -> bool:
    """Whether a library sees a GPU here."""
    if library == "torch":
        if importlib.util.find_spec("torch") is None:
            return False
        import torch  # here, because it is slow to import

        return bool(torch.cuda.is_available())
    # Whoever looks must not take three quarters of the card's memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    return any(found.platform == "gpu" for found in jax.devices())


def device() -> dict[str, Any]:
    """What JAX computes on in this process."""
    first = jax.devices()[0]
    return {"kind": first.device_kind, "platform": first.platform, "jax": jax.__version__}


def torch_device() -> dict[str, Any]:
    """What PyTorch computes on in this process: the first GPU, or the CPU."""
    import torch

    on_card = torch.cuda.is_available()
    kind = torch.cuda.get_device_name(0) if on_card else "cpu"
    return {"kind": kind, "platform": "gpu" if on_card else "cpu", "torch": torch.__version__}
