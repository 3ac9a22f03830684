"""Processes that train one model together."""

import torch

from flatfast.calibration import Calibration


def processes() -> int:
    """How many there are; 1 without ``torch.distributed``."""
    return int(torch.distributed.get_world_size()) if _together() else 1


def rank() -> int:
    """Which of them this is; 0 without ``torch.distributed``."""
    return int(torch.distributed.get_rank()) if _together() else 0


def agreed(found: Calibration) -> Calibration:
    """The first process's calibration, in all of them: their momenta must not differ.

    Called by all processes, or it waits for ever.
    """
    if processes() == 1:
        return found
    box = [found]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
