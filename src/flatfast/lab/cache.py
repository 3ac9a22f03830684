"""Interpolating starts on disk, keyed by the content of what makes them.

Phase 1 of an experiment can take longer than its runs, and every sweep of the same problem needs
the same start. The key is a hash of everything that the result depends on, initial arrays and data
included, so a stale entry cannot be found.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from flatfast.lab.atomic import atomically


def cache_folder() -> Path:
    """``$FLATFAST_CACHE``, or ``flatfast`` in the user's cache folder."""
    named = os.environ.get("FLATFAST_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "flatfast"


def content_hash(*parts: Any) -> str:
    """A hash of nested plain values and pytrees of arrays, by content."""
    digest = hashlib.sha256()
    for part in parts:
        leaves, tree = jax.tree.flatten(part)
        digest.update(str(tree).encode())
        for leaf in leaves:
            if isinstance(leaf, str | bool | int | float | None):
                digest.update(json.dumps(leaf).encode())
            else:
                array = np.ascontiguousarray(leaf)
                digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:32]


def cached(key: str, compute: Callable[[], Any]) -> Any:
    """The pytree of arrays stored under ``key``, or ``compute()``, which is then stored.

    A cache that cannot be read or written costs time only: the result is computed.

    Args:
        key: A content hash.
        compute: Gives a pytree of arrays; called at most once.

    Returns:
        The pytree, with NumPy arrays for leaves when it comes from the cache.
    """
    path = cache_folder() / f"start-{key}.npz"
    try:
        with np.load(path) as stored:
            leaves = [stored[f"leaf{index}"] for index in range(len(stored.files) - 1)]
            tree = json.loads(str(stored["tree"]))
        return _nested(tree, leaves)
    except (OSError, ValueError, KeyError):
        pass
    result = compute()
    with contextlib.suppress(OSError):
        _write(path, result)
    return result


def _write(path: Path, result: Any) -> None:
    leaves, structure = jax.tree.flatten(result)
    tree = json.dumps(jax.tree.unflatten(structure, list(range(len(leaves)))))
    arrays = {f"leaf{index}": np.asarray(leaf) for index, leaf in enumerate(leaves)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomically(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, tree=np.asarray(tree), **arrays)


def _nested(tree: Any, leaves: list[Any]) -> Any:
    """Put leaves back in the places of their numbers; dictionaries and lists, as JSON has them."""
    if isinstance(tree, dict):
        return {name: _nested(part, leaves) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_nested(part, leaves) for part in tree]
    return leaves[tree]
