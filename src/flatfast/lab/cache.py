"""Interpolating starts and decoded images on disk, keyed by the content of what makes them.

Phase 1 of an experiment can take longer than its runs, and every sweep of the same problem needs
the same start. The key is a hash of everything that the result depends on, initial arrays and data
included, so a stale entry cannot be found.
"""

import hashlib
import io
import json
import os
import warnings
import zipfile
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


def cached(key: str, compute: Callable[[], Any], kind: str = "start") -> Any:
    """The arrays stored under ``key``, or ``compute()``, which is then stored.

    A cache that cannot be read or written costs time only: the result is computed, and a warning
    names the file.

    Args:
        key: A content hash.
        compute: Gives an array, or nested lists and dictionaries of arrays; called at most once.
        kind: What it is, for the file's name and for warnings.

    Returns:
        The result, with NumPy arrays for leaves when it comes from the cache.
    """
    path = cache_folder() / f"{kind}-{key}.npz"
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except Exception as error:  # whatever a damaged file makes zipfile and NumPy raise
        _warn(f"the cached {kind} {path} cannot be used and is computed anew", error)
    result = compute()
    try:
        _write(path, result)
    except OSError as error:
        _warn(f"the {kind} cannot be cached in {path.parent} and will be computed again", error)
    return result


def _read(path: Path) -> Any:
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as whole:
        # NumPy reads as far as an array's header says, which may be damaged too.
        damaged = whole.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} in it has a wrong checksum")
    content.seek(0)
    with np.load(content) as stored:
        leaves = [stored[f"leaf{index}"] for index in range(len(stored.files) - 1)]
        return _nested(json.loads(str(stored["tree"])), leaves)


def _write(path: Path, result: Any) -> None:
    leaves, structure = jax.tree.flatten(result)
    tree = json.dumps(jax.tree.unflatten(structure, list(range(len(leaves)))))
    arrays: dict[str, Any] = {f"leaf{index}": np.asarray(leaf) for index, leaf in enumerate(leaves)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomically(path) as partial, partial.open("wb") as file:
        np.savez(file, tree=np.asarray(tree), **arrays)


def _warn(what: str, error: Exception) -> None:
    reason = str(error) or type(error).__name__
    warnings.warn(f"{what}: {reason}", stacklevel=3)


def _nested(tree: Any, leaves: list[Any]) -> Any:
    """Put leaves back in the places of their numbers; dictionaries and lists, as JSON has them."""
    if isinstance(tree, dict):
        return {name: _nested(part, leaves) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_nested(part, leaves) for part in tree]
    return leaves[tree]
