"""The law in Optax: SGD and a trace whose decay follows the learning rate; rescaling."""

from flatfast.extras import require

require("flatfast.optax", "optax", "optax")

from flatfast.optax.following import (
    LARGEST,
    CountedTraceState,
    Schedule,
    momentum_at,
    momentum_schedule,
    sgd,
    trace,
)
from flatfast.optax.rescaling import rescale

__all__ = [
    "LARGEST",
    "CountedTraceState",
    "Schedule",
    "momentum_at",
    "momentum_schedule",
    "rescale",
    "sgd",
    "trace",
]
