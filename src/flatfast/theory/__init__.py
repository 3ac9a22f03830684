"""The theory behind the law, executable: the manifold of minimizers and the drift along it."""

from flatfast.theory.drift import (
    drift,
    label_noise_covariance,
    label_noise_drift,
    minibatch_covariance,
)
from flatfast.theory.limit import Path, flow_on_manifold, limit_ensemble, limit_path
from flatfast.theory.manifold import (
    NotOnManifoldError,
    Projection,
    check_on_manifold,
    flow_end,
    jacobian,
    nearest,
    normal_projector,
    tangent,
)
from flatfast.theory.model import SquaredError
from flatfast.theory.sharpness import (
    Estimate,
    hessian_trace,
    hutchinson_trace,
    hutchinson_trace_gradient,
    trace_gradient,
)

__all__ = [
    "Estimate",
    "NotOnManifoldError",
    "Path",
    "Projection",
    "SquaredError",
    "check_on_manifold",
    "drift",
    "flow_end",
    "flow_on_manifold",
    "hessian_trace",
    "hutchinson_trace",
    "hutchinson_trace_gradient",
    "jacobian",
    "label_noise_covariance",
    "label_noise_drift",
    "limit_ensemble",
    "limit_path",
    "minibatch_covariance",
    "nearest",
    "normal_projector",
    "tangent",
    "trace_gradient",
]
