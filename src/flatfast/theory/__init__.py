"""The theory behind the law, executable: the manifold of minimizers and the drift along it."""

from flatfast.extras import require

require("flatfast.theory", "theory", "jax", "scipy", "diffrax", "lineax")

from flatfast.estimate import Estimate
from flatfast.theory.curvature import (
    drift_curvature,
    excess_rate,
    trace_curvature,
    trace_curvatures,
)
from flatfast.theory.drift import (
    drift,
    label_noise_covariance,
    label_noise_drift,
    minibatch_covariance,
)
from flatfast.theory.flow import FlowPath, flow_on_manifold
from flatfast.theory.limit import Path, limit_ensemble, limit_path
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
from flatfast.theory.oscillator import Best, best_ratio, settling_time
from flatfast.theory.prefactor import (
    Prefactor,
    Relaxation,
    critical_from_time,
    flow_relaxation,
    prefactor,
)
from flatfast.theory.sharpness import (
    EstimatedGradient,
    hessian_trace,
    hessian_traces,
    hutchinson_trace,
    hutchinson_trace_gradient,
    trace_gradient,
)
from flatfast.theory.size import TooLargeError
from flatfast.theory.solver import PathEndedError
from flatfast.theory.spectrum import (
    Modes,
    SlowestMode,
    curvature_range,
    hessian_modes,
    slowest_mode,
    transverse_time,
)
from flatfast.theory.trajectory_times import (
    MeasuredDecay,
    MeasuredTime,
    decay_time,
    relaxation_time,
)

__all__ = [
    "Best",
    "Estimate",
    "EstimatedGradient",
    "FlowPath",
    "MeasuredDecay",
    "MeasuredTime",
    "Modes",
    "NotOnManifoldError",
    "Path",
    "PathEndedError",
    "Prefactor",
    "Projection",
    "Relaxation",
    "SlowestMode",
    "SquaredError",
    "TooLargeError",
    "best_ratio",
    "check_on_manifold",
    "critical_from_time",
    "curvature_range",
    "decay_time",
    "drift",
    "drift_curvature",
    "excess_rate",
    "flow_end",
    "flow_on_manifold",
    "flow_relaxation",
    "hessian_modes",
    "hessian_trace",
    "hessian_traces",
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
    "prefactor",
    "relaxation_time",
    "settling_time",
    "slowest_mode",
    "tangent",
    "trace_curvature",
    "trace_curvatures",
    "trace_gradient",
    "transverse_time",
]
