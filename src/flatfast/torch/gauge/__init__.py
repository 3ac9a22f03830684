"""What a training is doing, told in a log line, in numbers, and in a page; nothing is changed."""

from flatfast.torch.gauge.curvature import Curvature, LargestCurvature
from flatfast.torch.gauge.gauge import Gauge

__all__ = ["Curvature", "Gauge", "LargestCurvature"]
