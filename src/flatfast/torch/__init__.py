"""The law in PyTorch: coupling to any optimizer, SGD that follows it, label noise; rescaling.

Callbacks are in :mod:`flatfast.torch.lightning` and :mod:`flatfast.torch.transformers`.
"""

from flatfast.extras import require

require("flatfast.torch", "torch", "torch")

from flatfast.torch.auto import AutoMomentum, auto_momentum
from flatfast.torch.calibration import calibrate
from flatfast.torch.calibrator import Calibrator
from flatfast.torch.coupling import Coupling, couple
from flatfast.torch.followed import CoupledGroup
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
    "LabelFlips",
    "LabelNoise",
    "MomentumConflictError",
    "auto_momentum",
    "calibrate",
    "couple",
    "rescale",
]
