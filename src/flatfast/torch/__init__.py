"""The law in PyTorch: an optimizer coupled, SGD that follows it, label noise, rescaling, a gauge.

Where no law holds, a pair is found by short runs.

Callbacks are in :mod:`flatfast.torch.lightning` and :mod:`flatfast.torch.transformers`.
"""

from flatfast.extras import require

require("flatfast.torch", "torch", "torch")

from flatfast.torch.auto import AutoMomentum, auto_momentum
from flatfast.torch.calibration import calibrate
from flatfast.torch.calibrator import Calibrator
from flatfast.torch.coupled import couple
from flatfast.torch.coupling import Coupling
from flatfast.torch.finding import Found, find
from flatfast.torch.followed import CoupledGroup
from flatfast.torch.gauge import Gauge, LargestCurvature
from flatfast.torch.label_noise import LabelFlips, LabelNoise
from flatfast.torch.rescaling import rescale
from flatfast.torch.sgd import SGD
from flatfast.torch.writers import MomentumConflictError

__all__ = [
    "SGD",
    "AutoMomentum",
    "Calibrator",
    "CoupledGroup",
    "Coupling",
    "Found",
    "Gauge",
    "LabelFlips",
    "LabelNoise",
    "LargestCurvature",
    "MomentumConflictError",
    "auto_momentum",
    "calibrate",
    "couple",
    "find",
    "rescale",
]
