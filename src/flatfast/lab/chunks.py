"""The file of a chunk: runs in Parquet that say which sweep they belong to, and are checked.

The file's name is a digest of its bytes, so that whatever changes in it later is seen when it is
read. Its metadata hold the settings of its sweep and what computed it. Pages carry Parquet's own
checksums on top, for other readers of the file.
"""

import functools
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flatfast.lab.atomic import SUFFIX, atomically
from flatfast.lab.rows import conform, keys

NAME = re.compile(r"chunk-([0-9a-f]{32}|[0-9a-f]{16})\.parquet")
"""Names of chunks. Those of the first format have sixteen digits, of a digest of their keys."""

FIRST_FORMAT = 16
"""Digits in the name of a chunk of the first format."""

ABOUT = b"flatfast"
"""Key of our part of a file's metadata."""


class ChunkError(ValueError):
    """A file is not what a chunk's name promises; the message says why."""


@dataclass(frozen=True)
class Origin:
    """Where a chunk's runs come from; empty in chunks of the first format.

    Attributes:
        settings: What identifies the sweep's runs; None if the chunk does not say.
        versions: Of the packages that made the runs.
        machine: That made the runs.
        command: That asked for the runs.
    """

    settings: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""


def names_content(name: str) -> bool:
    """Whether a file's name is the digest of its content, as of all formats but the first."""
    named = NAME.fullmatch(name)
    return named is not None and len(named[1]) > FIRST_FORMAT


def chunk_files(folder: Path) -> list[Path]:
    """The files in a folder that have a chunk's name, in the order of their names."""
    return listed(folder)[0]


def listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """A folder's chunks, and everything else in it, each in the order of their names.

    What a dead process left half-written is neither. A folder that is not there has none.
    """
    chunks, others = [], []
    try:
        with os.scandir(folder) as inside:
            for found in inside:
                if NAME.fullmatch(found.name) and found.is_file():
                    chunks.append(folder / found.name)
                elif not found.name.endswith(SUFFIX):
                    others.append(folder / found.name)
    except (FileNotFoundError, NotADirectoryError):
        pass
    return sorted(chunks), sorted(others)


def write_chunk(folder: Path, rows: pa.Table, origin: Origin) -> Path:
    """Write rows to a file of their own, whole or not at all.

    Args:
        folder: An existing folder.
        rows: As :func:`flatfast.lab.rows.conform` gives them.
        origin: Where they come from.

    Returns:
        The file.

    Raises:
        OSError: If the file cannot be written.
    """
    about = json.dumps(vars(origin)).encode()
    sink = pa.BufferOutputStream()
    table = rows.replace_schema_metadata({ABOUT: about})
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content = sink.getvalue()
    path = folder / f"chunk-{_digest(content)}.parquet"
    with atomically(path) as partial:
        partial.write_bytes(content)
    return path


def read_chunk(path: Path, columns: Sequence[str] | None = None) -> tuple[pa.Table, Origin]:
    """The rows of a chunk, once they are known to be what was written.

    Args:
        path: A file with a chunk's name.
        columns: Those wanted; all of them by default.

    Returns:
        Rows, and where they come from.

    Raises:
        ChunkError: If the file is not what was written.
        OSError: If it cannot be read.
    """
    named = NAME.fullmatch(path.name)
    if named is None:
        raise ChunkError("its name is not that of a chunk")
    content = path.read_bytes()
    first_format = not names_content(path.name)
    if not first_format and _digest(content) != named[1]:
        raise ChunkError("its content is not what was written (a bad disk, or a cut copy)")
    try:
        # One file, not a data set: its folder must not add columns.
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        _check_columns(file.schema_arrow.remove_metadata())
        if first_format:
            rows = conform(file.read())
            if _digest(repr(sorted(keys(rows))).encode())[:FIRST_FORMAT] != named[1]:
                raise ChunkError("its runs are not those that its name stands for")
        else:
            rows = file.read(None if columns is None else list(columns))
        return rows.replace_schema_metadata(None), _origin(file.metadata.metadata or {})
    except (ValueError, OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ChunkError(reason) from error


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Name by name what several chunks say: one value, or all of them in one line."""
    names = dict.fromkeys(name for part in parts for name in part)
    values = {name: list(dict.fromkeys(p[name] for p in parts if name in p)) for name in names}
    return {
        name: each[0] if len(each) == 1 else ", ".join(sorted(map(str, each)))
        for name, each in values.items()
    }


@functools.lru_cache(maxsize=64)
def _check_columns(schema: pa.Schema) -> None:
    """Check that there are the store's columns; once for all chunks that have the same."""
    conform(schema.empty_table())


def _origin(metadata: Mapping[bytes, bytes]) -> Origin:
    return _origin_of(metadata.get(ABOUT, b"{}"))


@functools.lru_cache(maxsize=64)
def _origin_of(about: bytes) -> Origin:
    """What a chunk says of itself; one object for all that say the same."""
    said = json.loads(about)
    return Origin(
        said.get("settings"),
        said.get("versions", {}),
        said.get("machine", {}),
        said.get("command", ""),
    )


def _digest(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
