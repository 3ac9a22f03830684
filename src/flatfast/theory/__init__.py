"""The theory behind the law, executable: the manifold of minimizers and the drift along it.

Everything is had by ``from flatfast.theory import NAME``, in five groups.

Manifold: the model, and the minimizers of its loss, Γ.

    SquaredError               a model, as its residuals over its parameters
    flow_end                   the point of Γ to which gradient flow leads
    nearest                    the point of Γ to which Gauss-Newton steps lead
    Projection                 what these two give: the point, the loss left, how far it was
    check_on_manifold          whether a point is on Γ
    jacobian                   Jacobian of the residuals
    tangent                    the part of a direction along Γ
    normal_projector           the projector across Γ
    NotOnManifoldError         Γ is not near, or was not reached
    TooLargeError              the model is too large for a dense matrix

Drift: how noise moves the weights along Γ, down in sharpness ``tr H``.

    label_noise_drift          drift under label noise
    drift                      drift under noise of any covariance
    label_noise_covariance     covariance of the gradient under label noise
    minibatch_covariance       covariance of the gradient of a random batch
    hessian_trace              sharpness at a point
    hessian_traces             sharpness at many points
    trace_gradient             its gradient along Γ
    hutchinson_trace           sharpness by random probes, an Estimate
    hutchinson_trace_gradient  its gradient by random probes, an EstimatedGradient
    Estimate                   a number and its standard error
    EstimatedGradient          a gradient and its standard error
    trace_curvature            curvature of the sharpness along Γ in a direction
    trace_curvatures           its extreme curvatures
    drift_curvature            its curvature in the drift's own direction
    excess_rate                the drift's rate, from slope and height of the sharpness
    flow_on_manifold           the drift followed from a point, a FlowPath
    FlowPath                   a path of the drift

Adam: the same drift under a preconditioner that noise makes, and what its betas do to it.

    adam_drift                 drift under label noise, an AdamDrift
    AdamSettings               learning rate, betas and eps
    AdamDrift                  the drift, its parts, the preconditioner and the swing's rates
    root_trace                 what Adam descends as SGD does the sharpness
    following                  how much of the swing its squared gradients follow
    step_factors               what noisy squares make of a step, StepFactors
    StepFactors                gain and power of a step
    plateau_edge               the largest beta1 that does not slow the drift, as 1 - beta1
    rate_limit                 the largest stable curvature of normalized momentum

Limit: small learning rates at the exponent 2/3.

    limit_path                 the mean path, from rest
    limit_ensemble             paths with random amplitudes
    Path                       a path of the limit
    PathEndedError             a path could not be followed to its end

Times: tau_1 across Γ, tau_2 along it, and the prefactor that balances them.

    hessian_modes              curvatures across Γ and their directions, Modes
    Modes                      the Hessian's modes at a point
    curvature_range            the least and the largest curvature across Γ
    transverse_time            tau_1 at a point, a SlowestMode
    slowest_mode               tau_1 from curvatures, a SlowestMode
    SlowestMode                tau_1, and the mode that it is of
    decay_time                 tau_1 measured on runs, a MeasuredDecay
    MeasuredDecay              tau_1 and the oscillation with it
    relaxation_time            tau_2 measured on runs, a MeasuredTime
    MeasuredTime               a time and its interval
    flow_relaxation            how the drift relaxes, a Relaxation
    Relaxation                 the rate at which the drift reaches a goal
    prefactor                  the law's C from that rate, a Prefactor
    Prefactor                  C, the critical one, and the time to the goal
    critical_from_time         the critical C from one measured time
    settling_time              when a damped oscillator has settled
    best_ratio                 the damping that settles first, a Best
    Best                       that damping and its time
"""

from flatfast.extras import require

require("flatfast.theory", "theory", "jax", "scipy", "diffrax", "lineax")

from flatfast.estimate import Estimate
from flatfast.theory.adaptive import AdamDrift, AdamSettings, adam_drift, root_trace
from flatfast.theory.betas import (
    StepFactors,
    following,
    plateau_edge,
    rate_limit,
    step_factors,
)
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

__all__ = [  # noqa: RUF022 - in the docstring's order
    # Manifold
    "SquaredError",
    "flow_end",
    "nearest",
    "Projection",
    "check_on_manifold",
    "jacobian",
    "tangent",
    "normal_projector",
    "NotOnManifoldError",
    "TooLargeError",
    # Drift
    "label_noise_drift",
    "drift",
    "label_noise_covariance",
    "minibatch_covariance",
    "hessian_trace",
    "hessian_traces",
    "trace_gradient",
    "hutchinson_trace",
    "hutchinson_trace_gradient",
    "Estimate",
    "EstimatedGradient",
    "trace_curvature",
    "trace_curvatures",
    "drift_curvature",
    "excess_rate",
    "flow_on_manifold",
    "FlowPath",
    # Adam
    "adam_drift",
    "AdamSettings",
    "AdamDrift",
    "root_trace",
    "following",
    "step_factors",
    "StepFactors",
    "plateau_edge",
    "rate_limit",
    # Limit
    "limit_path",
    "limit_ensemble",
    "Path",
    "PathEndedError",
    # Times
    "hessian_modes",
    "Modes",
    "curvature_range",
    "transverse_time",
    "slowest_mode",
    "SlowestMode",
    "decay_time",
    "MeasuredDecay",
    "relaxation_time",
    "MeasuredTime",
    "flow_relaxation",
    "Relaxation",
    "prefactor",
    "Prefactor",
    "critical_from_time",
    "settling_time",
    "best_ratio",
    "Best",
]
