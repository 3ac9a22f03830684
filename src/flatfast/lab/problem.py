"""What the lab needs to know of an experiment.

A :class:`Problem` is a value: where runs start, the gradient that one step of SGD sees, the
noise-free loss, and the metrics to record. It knows nothing of learning rates, sweeps, stores or
reports. All functions are JAX functions of one run's parameters (any pytree of arrays); the
simulator batches them.

Most problems are a model on a data set, and :func:`flatfast.lab.training.supervised.supervised`
builds them from a ``predict`` function; :mod:`flatfast.lab.problems.template` shows how to bring
your own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import jax

from flatfast.lab.descent import Descent
from flatfast.lab.goal import COOLED, Goal

Params: TypeAlias = Any
"""A pytree of floating-point arrays: the parameters of one run."""

Scalar: TypeAlias = int | float | str | bool
"""A setting of a problem, as it is written to a manifest."""

Metric: TypeAlias = Callable[[Params], jax.Array]
"""A scalar function of the parameters of one run."""


@dataclass(frozen=True, eq=False)
class Problem:
    """An experiment: start, stochastic gradient, noise-free loss, metrics, goal.

    Attributes:
        name: Name under which the runs are stored.
        start: Gives the parameters at which the runs start (NumPy or JAX arrays of any float type;
            the simulator casts them).
        gradient: ``(params, key) -> gradient`` of one step of SGD, with that step's own label noise
            and minibatch drawn from ``key``; the same structure as ``params``.
        loss: ``params -> scalar``, the training loss without noise, on all examples. Its zeros are
            the manifold of minimizers.
        metrics: Name to scalar function of ``params``. Read at the iterate; the name with the
            prefix ``cooled:`` asks for the same metric after cooling.
        goal: The metric that runs have to bring down, and how far.
        cooling: Noise-free descent that takes an iterate back to the zero-loss manifold before a
            cooled metric is read.
        settings: What defines this instance (sizes, noise, seeds of the data): part of the identity
            of its runs.
        version: To be raised when a change of the problem changes its runs.
        residuals: ``params -> (P,) or (P, K)``, outputs minus targets on all examples, where the
            loss is their squared error over 2P; None for other losses. The theory needs them.
        logits: ``params -> (P, K)``, where the loss is their cross-entropy; None for other losses.
    """

    name: str
    start: Callable[[], Params]
    gradient: Callable[[Params, jax.Array], Params]
    loss: Metric
    metrics: Mapping[str, Metric]
    goal: Goal
    cooling: Descent = field(default_factory=Descent)
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    version: int = 1
    residuals: Callable[[Params], jax.Array] | None = None
    logits: Callable[[Params], jax.Array] | None = None

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name.startswith(COOLED):
                raise ValueError(
                    f"a metric's name must not start with {COOLED!r}, which asks for cooling, "
                    f"got {name!r}"
                )
        self.check_metric(self.goal.metric)

    def check_metric(self, name: str) -> None:
        """Check that ``name``, with or without the prefix ``cooled:``, is a metric.

        Raises:
            ValueError: If it is not; the message lists the metrics there are.
        """
        if name.removeprefix(COOLED) not in self.metrics:
            raise ValueError(
                f"problem {self.name!r} has no metric {name!r}; it has {', '.join(self.metrics)}, "
                f"each also with the prefix {COOLED!r}"
            )
