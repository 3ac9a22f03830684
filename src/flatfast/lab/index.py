"""What is known of a sweep's chunks without reading them again: an index beside them.

A chunk's name is the digest of its bytes, so that a file that was read once and found to be what
was written still is, as long as its size and the time of its last change are the same. The index
keeps, of every such file, the keys of its runs and where they come from. It is derived data: it is
made anew from the chunks where it is missing, damaged or of another version, and says nothing of a
file that it does not know. Rows themselves are always read from the chunks, and checked.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flatfast.lab.atomic import atomically
from flatfast.lab.chunks import Origin, names_content, read_chunk
from flatfast.lab.rows import COLUMNS, KEY

INDEX = ".index"
"""Name of the file, in a sweep's folder: a digest in hexadecimal, and a table in Parquet."""

LAYOUT = b"flatfast index 1"
"""First line of the file; one of another layout is not read."""

SETTLED = 2.0
"""Seconds after its last change from which a file is entered.

Times of files are coarse, up to two seconds: one that is changed again within them may look the
same as before.
"""


@dataclass(frozen=True, eq=False)
class Entry:
    """A chunk that was read and found to be what was written.

    Attributes:
        name: Of the file.
        size: Of the file, in bytes.
        changed: When it was last changed, in nanoseconds.
        keys: The columns of the key, one row per run.
        origin: Where the runs come from.
    """

    name: str
    size: int
    changed: int
    keys: pa.Table
    origin: Origin


def entry_of(path: Path, known: Mapping[str, Entry]) -> Entry:
    """What there is to know of a chunk: known already, or read and checked.

    Raises:
        ChunkError: If the file is not what was written.
        OSError: If it cannot be read.
    """
    status = path.stat()
    entry = known.get(path.name)
    if entry and (entry.size, entry.changed) == (status.st_size, status.st_mtime_ns):
        return entry
    rows, origin = read_chunk(path, KEY)
    return Entry(path.name, status.st_size, status.st_mtime_ns, rows.select(KEY), origin)


def written(path: Path, rows: pa.Table, origin: Origin) -> Entry:
    """The entry of a chunk that was just written.

    Raises:
        OSError: If the file cannot be seen.
    """
    status = path.stat()
    return Entry(path.name, status.st_size, status.st_mtime_ns, rows.select(KEY), origin)


def settled(entries: Iterable[Entry]) -> list[Entry]:
    """Those that can be entered: named by their content, and not changed a moment ago."""
    latest = time.time_ns() - int(SETTLED * 1e9)
    return [entry for entry in entries if names_content(entry.name) and entry.changed < latest]


def write_index(folder: Path, entries: Iterable[Entry]) -> None:
    """Write the index of a sweep's folder.

    Raises:
        OSError: If it cannot be written.
    """
    listed = sorted(entries, key=lambda entry: entry.name)
    about = [json.dumps(vars(entry.origin)) for entry in listed]
    columns: dict[str, Any] = {
        "name": [entry.name for entry in listed],
        "size": pa.array([entry.size for entry in listed], pa.int64()),
        "changed": pa.array([entry.changed for entry in listed], pa.int64()),
        "about": pa.array(about, pa.string()).dictionary_encode(),
    }
    ends = pa.array(np.cumsum([0, *(len(entry.keys) for entry in listed)]), pa.int32())
    flat = pa.concat_tables([_no_keys(), *(entry.keys for entry in listed)]).combine_chunks()
    for name in KEY:
        column = flat[name].combine_chunks()
        columns[name] = pa.ListArray.from_arrays(ends, column)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    with atomically(folder / INDEX) as partial:
        partial.write_bytes(b"\n".join([LAYOUT, _digest(content), content]))


def read_index(folder: Path) -> dict[str, Entry]:
    """The index of a sweep's folder, by the names of the chunks; empty where there is none."""
    try:
        layout, digest, content = (folder / INDEX).read_bytes().split(b"\n", 2)
        if layout != LAYOUT or digest != _digest(content):
            return {}
        table = pq.ParquetFile(pa.BufferReader(content)).read()
        lists = [table[name].combine_chunks() for name in KEY]
        ends = lists[0].offsets.to_pylist()
        flat = pa.table([column.flatten() for column in lists], names=list(KEY))
        keys = pa.concat_tables([_no_keys(), flat]).combine_chunks()
        origins: dict[str, Origin] = {}
        entries = {}
        files = table.select(["name", "size", "changed", "about"]).to_pylist()
        for file, begin, end in zip(files, ends[:-1], ends[1:], strict=True):
            about = file.pop("about")
            if about not in origins:
                origins[about] = Origin(**json.loads(about))
            own = keys.slice(begin, end - begin)
            entries[file["name"]] = Entry(**file, keys=own, origin=origins[about])
        return entries
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        return {}


def _no_keys() -> pa.Table:
    return pa.schema([(name, COLUMNS[name]) for name in KEY]).empty_table()


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
