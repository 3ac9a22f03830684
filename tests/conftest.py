"""What all tests share: two devices for JAX, and what it has compiled."""

import os
import shutil
import tempfile

# Before anything imports JAX. More devices than one, so that runs are sharded also on one core;
# processes that tests start, and the workers of a parallel run, inherit these.
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")
_COMPILED = "JAX_COMPILATION_CACHE_DIR"
_OURS = None
if _COMPILED not in os.environ:
    _OURS = os.environ[_COMPILED] = tempfile.mkdtemp(prefix="flatfast-compiled-")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")


def pytest_unconfigure() -> None:
    """Each program is compiled once a session, and no session sees another's."""
    if _OURS is not None:
        shutil.rmtree(_OURS, ignore_errors=True)
