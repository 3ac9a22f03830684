"""Warnings that point at a line of the user's own program."""

import os
import sys
import warnings

import torch

import flatfast

_SKIPPED = tuple(os.path.dirname(file) + os.sep for file in (flatfast.__file__, torch.__file__))


def warn(text: str) -> None:
    """Warn at the innermost line that is neither this package's nor PyTorch's."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_SKIPPED):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)
