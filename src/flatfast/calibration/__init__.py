"""The law's prefactor from a few dozen gradients at one point, without a training run.

Needs NumPy alone: a framework brings the :class:`Landscape`. For PyTorch that is
:func:`flatfast.torch.calibrate`, for the lab's problems ``flatfast calibrate``.
"""

from flatfast.calibration.ahead import calibrate
from flatfast.calibration.calibration import Calibration
from flatfast.calibration.landscape import Landscape
from flatfast.calibration.pair import Pair
from flatfast.calibration.result import CalibrationError
from flatfast.calibration.verdict import Doubt, Verdict
from flatfast.estimate import Estimate

__all__ = [
    "Calibration",
    "CalibrationError",
    "Doubt",
    "Estimate",
    "Landscape",
    "Pair",
    "Verdict",
    "calibrate",
]
