"""What all tests share: threads, devices, and what JAX has compiled.

Set before anything imports NumPy or JAX; the workers of a parallel run and the processes that tests
start inherit it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chromium import CHROMIUM, WAIT

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright.

    For one file of tests at most: while it is open an event loop runs, of which a process may have
    one, and tests that run a loop of their own would fail.
    """
    if CHROMIUM is None:
        pytest.skip("needs Chromium, which is not here")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as driver:
        playwright.expect.set_options(timeout=WAIT)
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
