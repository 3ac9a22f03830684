"""What a worker must know to make runs, and how it travels to one.

A job travels by value: the code of the problem's functions, its data and the weights at which its
runs start. A node needs flatfast and its libraries, and neither the images nor a file of the user's
at the same path; and no worker descends to its own start, whose last digit might be another's.
"""

import dataclasses
import sys
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax

from flatfast.extras import require
from flatfast.lab.engines.simulator import MOST_RUNS, Simulator
from flatfast.lab.problem import Params, Problem
from flatfast.lab.problems import OF_A_FILE
from flatfast.lab.simulation.optimizers import Rule
from flatfast.lab.simulation.schedule import Schedule
from flatfast.lab.simulation.simulate import HEAVY_BALL, Spacing


class NotSentError(ValueError):
    """A problem cannot be sent to another process; the message says what is in the way."""


@dataclass(frozen=True)
class Job:
    """Runs of one kind: what they are of and what is recorded of them.

    Attributes:
        problem: The experiment.
        records: How often metrics are read during a run.
        spacing: Whether records are regular or log-spaced.
        nesterov: Use Nesterov momentum, where the optimizer has it.
        dtype: Floating-point type of the runs.
        metrics: Metrics to record besides the goal's.
        schedule: How learning rate and momentum change during a run, which then goes to its planned
            end; None for constant ones, where a run ends when it has settled.
        optimizer: The update rule.
    """

    problem: Problem
    records: int = 256
    spacing: Spacing = "linear"
    nesterov: bool = False
    dtype: Literal["float32", "float64"] = "float32"
    metrics: tuple[str, ...] = ()
    schedule: Schedule | None = None
    optimizer: Rule = HEAVY_BALL

    def simulator(
        self, *, most_runs: int = MOST_RUNS, memory_budget: int | None = None
    ) -> Simulator:
        """What makes such runs on the devices of this process.

        Raises:
            ValueError: If a setting is out of range, or memory is too small for it.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Simulator(
            fields.pop("problem"), most_runs=most_runs, memory_budget=memory_budget, **fields
        )


def pack(job: Job) -> bytes:
    """A job as bytes that another process can make runs of.

    Raises:
        ModuleNotFoundError: If cloudpickle is not installed.
        NotSentError: If something in the problem cannot be sent, such as an open file.
    """
    require("sending a problem to workers", "lab", "cloudpickle")
    import cloudpickle

    start = jax.device_get(job.problem.start())
    sent = replace(job, problem=replace(job.problem, start=_Start(start)))
    files = [module for name, module in sys.modules.items() if name.startswith(OF_A_FILE)]
    for module in files:  # nobody else can import them
        cloudpickle.register_pickle_by_value(module)
    try:
        packed: bytes = cloudpickle.dumps(sent)
    except Exception as error:
        raise NotSentError(
            f"problem {job.problem.name!r} cannot be sent to workers: {error}; what its functions "
            "capture must be arrays and plain values"
        ) from error
    finally:
        for module in files:
            cloudpickle.unregister_pickle_by_value(module)
    return packed


def unpack(packed: bytes) -> Job:
    """The job that :func:`pack` has packed."""
    import cloudpickle

    job: Job = cloudpickle.loads(packed)
    return job


@dataclass(frozen=True, eq=False)
class _Start:
    """A start that is known."""

    params: Any

    def __call__(self) -> Params:
        return self.params
