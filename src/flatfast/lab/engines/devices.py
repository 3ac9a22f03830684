"""One XLA device per core.

On a CPU, XLA by default runs one program on one device whose operations are split over threads. The
steps of many small runs are better split by run: sharded over one device per core, they need no
synchronisation from step to step (2 to 3 times the throughput, see ``benchmarks``).
"""

import contextlib
import os

import jax

from flatfast.lab.machine import usable_cores


def use_all_cores() -> int:
    """Give JAX one CPU device per usable core, if it has not started yet.

    Without effect where JAX has been used before in this process, or where somebody has set the
    number of devices; GPUs are not touched.

    Returns:
        The number of devices over which runs will be sharded.
    """
    if "JAX_NUM_CPU_DEVICES" not in os.environ:
        # Once JAX has started its devices are what they are, and it says so.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", usable_cores())
    return len(jax.devices())
