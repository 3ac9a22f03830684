"""The law's prefactor from a few dozen gradients at one point, without a training run.

Needs NumPy alone: a framework brings the :class:`Landscape`. For PyTorch that is
:func:`flatfast.torch.calibrate`, for the lab's problems ``flatfast calibrate``.
"""

from flatfast.calibration.calibrate import calibrate
from flatfast.calibration.landscape import Landscape
from flatfast.calibration.result import Calibration, Verdict

__all__ = ["Calibration", "Landscape", "Verdict", "calibrate"]
