"""Threads of the linear algebra that forecasts are made of.

A forecast decomposes some thousands of matrices of a hundred rows, one after the other. Threads
that share one of them wait for each other, actively: on a busy machine many times as long as the
work takes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import scipy.linalg  # noqa: F401 - its BLAS is also JAX's, and must be loaded to be limited
from threadpoolctl import threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the process's BLAS to one thread; afterwards it has those that it had."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
