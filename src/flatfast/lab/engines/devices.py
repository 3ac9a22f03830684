"""One XLA device per core.

On a CPU, XLA by default runs one program on one device whose operations are split over threads. The
steps of many small runs are better split by run: sharded over one device per core, they need no
synchronisation from step to step (2 to 3 times the throughput, see ``benchmarks``).
"""

import contextlib
import os

import jax

from flatfast.lab.machine import usable_cores

FEWEST = 2
"""Devices that a process has at least, also on one core.

XLA compiles a program for one device in another way than for several, and the last digit of a
metric may be another. From two on it is the same for any number.
"""

WORKER_CORES = FEWEST
"""Cores of a worker where nobody says how many: one for each of its devices."""


def devices_of(cores: int) -> int:
    """XLA devices of a process that has so many cores."""
    return max(cores, FEWEST)


def use_all_cores() -> int:
    """Give JAX one CPU device per usable core, if it has not started yet, and at least two.

    Without effect where JAX has been used before in this process, or where somebody has set the
    number of devices; GPUs are not touched.

    Returns:
        The number of devices over which runs will be sharded.
    """
    if "JAX_NUM_CPU_DEVICES" not in os.environ:
        # Once JAX has started its devices are what they are, and it says so.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", devices_of(usable_cores()))
    return len(jax.devices())
