"""The scalar product: ``f = u . v`` fitted to one target, everything known in closed form.

The loss is ``(u . v - y)^2 / 2``; its zeros form a hyperboloid (for width 1, a hyperbola). The
Hessian's trace on it is ``|u|^2 + |v|^2``, smallest at ``u = v``. Gradient flow conserves
``u^2 - v^2`` in each coordinate: it scales ``u + v`` down by the factor by which it scales
``u - v`` up, which gives the projection onto the manifold in closed form. The simplest model in
which label noise drives SGD along a manifold of minimizers.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem


def scalar_product(
    *,
    width: int = 1,
    target: float = 1.0,
    noise_std: float = 0.5,
    tilt: float = math.e,
    start: str = "interpolating",
) -> Problem:
    """The scalar-product problem.

    Args:
        width: Length of ``u`` and ``v``.
        target: The target ``y``, positive.
        noise_std: Standard deviation of the label noise, in units of the target.
        tilt: The start is ``|u| = sqrt(y) tilt``, ``|v| = sqrt(y) / tilt``, on the manifold; a tilt
            above 1 starts away from the flattest minimizers ``u = v``.
        start: ``interpolating``, or ``init`` for the same point scaled to half the target.

    Returns:
        A problem with metrics ``loss``, ``trace`` (of the Hessian on the manifold), the same at the
        closed-form projection (``projected_trace``, the goal: within 25% of its least), and
        ``u_norm``, ``v_norm``, the path.

    Raises:
        ValueError: If a setting is out of range.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if not target > 0:
        raise ValueError(f"target must be positive, got {target}")
    if not noise_std >= 0:
        raise ValueError(f"noise_std must be at least 0, got {noise_std}")
    if not tilt > 0:
        raise ValueError(f"tilt must be positive, got {tilt}")
    if start not in ("interpolating", "init"):
        raise ValueError(f"start must be 'interpolating' or 'init', got {start!r}")
    scale = math.sqrt(target / width * (1.0 if start == "interpolating" else 0.5))

    def begin() -> Params:
        return {"u": np.full(width, scale * tilt), "v": np.full(width, scale / tilt)}

    def residual(params: Params) -> jax.Array:
        return jnp.vdot(params["u"], params["v"]) - target

    def gradient(params: Params, key: jax.Array) -> Params:
        noise = noise_std * jax.random.normal(key, (), params["u"].dtype)
        error = residual(params) - noise
        return {"u": error * params["v"], "v": error * params["u"]}

    def trace(params: Params) -> jax.Array:
        return jnp.sum(params["u"] ** 2) + jnp.sum(params["v"] ** 2)

    def projected_trace(params: Params) -> jax.Array:
        # Along the flow |u + v|^2 = plus * s and |u - v|^2 = minus / s; s solves u . v = target.
        plus = jnp.sum((params["u"] + params["v"]) ** 2)
        minus = jnp.sum((params["u"] - params["v"]) ** 2)
        s = (2 * target + jnp.sqrt(4 * target**2 + plus * minus)) / plus
        return (plus * s + minus / s) / 2

    return Problem(
        name="scalar-product",
        start=begin,
        gradient=gradient,
        loss=lambda params: residual(params) ** 2 / 2,
        metrics={
            "loss": lambda params: residual(params) ** 2 / 2,
            "trace": trace,
            "projected_trace": projected_trace,
            "u_norm": lambda params: jnp.linalg.norm(params["u"]),
            "v_norm": lambda params: jnp.linalg.norm(params["v"]),
        },
        goal=Goal("projected_trace", 1.25 * 2 * target, relative=False),
        cooling=Descent(lr=0.02 / (target * tilt**2), momentum=0.9, steps=300),
        settings={
            "width": width,
            "target": target,
            "noise_std": noise_std,
            "tilt": tilt,
            "start": start,
        },
        residuals=residual,
    )


PROBLEMS = {"scalar-product": scalar_product}
