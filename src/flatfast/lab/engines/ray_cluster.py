"""Being connected to a Ray cluster: to a given one, or to a small one of this machine's own.

A cluster of one's own needs no dashboard, counts nobody's usage, keeps its token to itself and
leaves no file behind.
"""

import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from flatfast.lab.engines.passing import passing_folder
from flatfast.lab.machine import usable_cores

LOCAL = "local"

STORE_BYTES = 128 * 2**20
"""Of a local cluster's object store: rows are small, and a packed job is there once."""

LONGEST_FOLDER = 40
"""Letters of a place for temporary folders where the paths of Ray's sockets, of 107, still fit."""

FOLDER = "ff-ray-"
"""Beginning of the name of a local cluster's folder, of sockets and logs."""

ANSWER_SECONDS = 10.0
"""How long a cluster's head may take to answer."""

_TOKEN = secrets.token_hex(32)
"""Of the local clusters of this process: Ray keeps the first that it has seen."""


@contextmanager
def own_cluster() -> Iterator[None]:
    """Have a cluster of this machine's cores; nothing of it stays, neither processes nor files."""
    known = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # as the workers of other engines
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        known["RAY_AUTH_TOKEN"] = _TOKEN  # else Ray writes one into the home folder
    options: dict[str, Any] = {
        "num_cpus": usable_cores(),
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
    }
    with (
        passing_folder(FOLDER, _place()) as folder,
        _environment(known),
        connected(LOCAL, _temp_dir=str(folder), **options),
    ):
        yield


def _place() -> Path:
    """Where the paths of Ray's sockets fit."""
    place = Path(tempfile.gettempdir())
    return place if len(str(place)) <= LONGEST_FOLDER else Path("/tmp")


@contextmanager
def connected(address: str, **options: Any) -> Iterator[None]:
    """Be connected to a cluster, quietly, and leave this process's signals as they are."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            # Ray forks to start its processes; what is forked does nothing of JAX's.
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            _start(address, handler if main else None, options)
        if main:
            signal.signal(signal.SIGTERM, handler)  # Ray's own would end the process
        yield
    finally:
        ray.shutdown()


def _start(address: str, handler: Any, options: Mapping[str, Any]) -> None:
    """Start Ray; a SIGTERM meanwhile, which Ray takes for itself, is handled as before."""
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
    except SystemExit:
        if callable(handler):
            signal.signal(signal.SIGTERM, handler)
            signal.raise_signal(signal.SIGTERM)
        raise


def look_for(address: str) -> None:
    """See that something answers at ``host:port``: Ray itself would try for two minutes.

    Raises:
        ConnectionError: If nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise ConnectionError(f"there is no Ray cluster at {address}: {error}") from None


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Have these variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in (*values, "RAY_AUTH_MODE")}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
