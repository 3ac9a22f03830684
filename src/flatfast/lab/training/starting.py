"""Where runs start: at initial weights, where noise-free descent interpolates, or badly."""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp

from flatfast.lab.cache import cached, content_hash
from flatfast.lab.descent import Descent, interpolate
from flatfast.lab.problem import Metric, Params


def starting_point(
    loss: Metric,
    init: Params,
    *,
    start: str,
    descent: Descent,
    target: float,
    shuffled: Metric | None = None,
) -> Callable[[], Params]:
    """Where runs start: at ``init``, or where noise-free descent from it interpolates.

    Args:
        loss: Noise-free loss.
        init: Initial parameters.
        start: ``init``, ``interpolating``, or, where there is a loss on shuffled labels,
            ``bad-minimizer``: the descent first interpolates these, and from there the true ones
            (Liu, Papailiopoulos, Achlioptas, NeurIPS 2020, who draw the labels anew).
        descent: How phase 1 descends.
        target: Loss that counts as interpolating.
        shuffled: Noise-free loss on shuffled labels.

    Returns:
        A function without arguments; phase 1 runs when it is first called, in float32, and is
        cached on disk by the content of loss, initial point and settings.

    Raises:
        ValueError: If ``start`` is none of these.
    """
    if start == "init":
        return lambda: init
    paths = {"interpolating": [loss]}
    if shuffled is not None:
        paths["bad-minimizer"] = [shuffled, loss]
    if start not in paths:
        raise ValueError(f"start must be {', '.join(map(repr, paths))} or 'init', got {start!r}")
    found: list[Params] = []

    def begin() -> Params:
        if not found:
            with jax.enable_x64(False):
                point = jax.tree.map(jnp.asarray, init)
                for stage in paths[start]:
                    point = _interpolated(stage, point, descent, target)
                found.append(point)
        return found[0]

    return begin


def _interpolated(loss: Metric, point: Params, descent: Descent, target: float) -> Params:
    """Where the descent from a point interpolates, from the cache if it was there before."""
    traced = jax.make_jaxpr(loss)(point)
    # The traced program stands for the code; addresses in its text would differ from process to
    # process.
    program = re.sub(r"0x[0-9a-f]+", "", str(traced))
    key = content_hash(program, list(traced.consts), point, vars(descent), target)
    # Leaf by leaf: the cache knows lists and dictionaries, parameters can be any tree.
    end = cached(key, lambda: jax.tree.leaves(interpolate(loss, point, descent, target)))
    return jax.tree.unflatten(jax.tree.structure(point), jax.tree.leaves(end))
