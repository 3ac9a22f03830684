"""Processes that train one model together."""

from typing import Any, TypeVar

import torch

Found = TypeVar("Found")


def processes() -> int:
    """How many there are; 1 without ``torch.distributed``."""
    return int(torch.distributed.get_world_size()) if _together() else 1


def rank() -> int:
    """Which of them this is; 0 without ``torch.distributed``."""
    return int(torch.distributed.get_rank()) if _together() else 0


def agreed(found: Found) -> Found:
    """What the first process has measured, in all of them: their momenta must not differ.

    Called by all processes, or it waits for ever.
    """
    if processes() == 1:
        return found
    box: list[Any] = [found]
    torch.distributed.broadcast_object_list(box, src=0)
    agreed_on: Found = box[0]
    return agreed_on


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
