"""What all tests share: threads, devices, and what JAX has compiled.

Set before anything imports NumPy or JAX; the workers of a parallel run and the processes that tests
start inherit it.
"""

import os
import shutil
import tempfile

# The matrices of tests are small: more threads than one only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Runs are sharded over more devices than one, also on a machine of one core.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")

_COMPILED = "JAX_COMPILATION_CACHE_DIR"
_ours = None
if _COMPILED not in os.environ:
    _ours = os.environ[_COMPILED] = tempfile.mkdtemp(prefix="flatfast-compiled-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_unconfigure() -> None:
    """A program is compiled once in a session, and no session sees another's."""
    if _ours is not None:
        shutil.rmtree(_ours, ignore_errors=True)
