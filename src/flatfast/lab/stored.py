"""A sweep's folder, read: what its chunks hold, and which of them are not to be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flatfast.lab.chunks import ChunkError, Origin, chunk_files, merged, other_files, read_chunk
from flatfast.lab.manifest import differences, read_manifest
from flatfast.lab.rows import KEY, each_once, no_rows

CHUNKS = "chunks"
"""Folder of the chunks, in a sweep's folder."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What a sweep's folder holds.

    Attributes:
        rows: One row per run, sorted by method, learning rate, momentum and seed.
        manifest: Content of ``manifest.json``, with the versions, machines and commands of all
            chunks.
        problems: What was left out, one line each.
    """

    rows: pa.Table
    manifest: dict[str, Any]
    problems: list[str]


def read_store(folder: Path, columns: Sequence[str] | None = None) -> Stored:
    """All rows of a sweep's folder that are what was written and belong to it.

    A file that is damaged, foreign, or of another sweep is left where it is and named; a run that
    stands in two chunks is taken from the first by name.

    Args:
        folder: The folder.
        columns: Those wanted, the key's among them; all of them by default.

    Raises:
        StoreError: If there is no manifest that can be read.
    """
    manifest = read_manifest(folder)
    first_format = manifest["format"] == 1
    unnamed = Origin(
        None,
        manifest.get("versions") or {},
        manifest.get("machine") or {},
        manifest.get("command") or "",
    )
    tables = [no_rows() if columns is None else no_rows().select(columns)]
    origins: list[Origin] = []
    problems = [f"{path} is not a chunk and was left out" for path in other_files(folder / CHUNKS)]
    for path in chunk_files(folder / CHUNKS):
        try:
            rows, origin = read_chunk(path, columns)
            if origin.settings is not None:
                others = differences(origin.settings, manifest["settings"])
                if others:
                    raise ChunkError(f"it is of another sweep ({'; '.join(others)})")
            elif not first_format:
                raise ChunkError("it does not say of which sweep it is")
        except (ChunkError, OSError) as error:
            problems.append(f"{path} was left out: {error}")
            continue
        tables.append(rows)
        origins.append(unnamed if origin.settings is None else origin)
    table = each_once(pa.concat_tables(tables, promote_options="default"))
    rows = table.sort_by([(name, "ascending") for name in KEY])
    return Stored(rows, {**manifest, **_provenance(origins)}, problems)


def read_chunks(folder: Path) -> tuple[pa.Table, list[str]]:
    """Rows and problems of :func:`read_store`."""
    stored = read_store(folder)
    return stored.rows, stored.problems


def _provenance(origins: Sequence[Origin]) -> dict[str, Any]:
    """What computed the runs, where any chunk says so: all versions, machines and commands."""
    told: dict[str, Any] = {}
    for name in ("versions", "machine"):
        parts = [vars(origin)[name] for origin in origins]
        known = [part for part in parts if isinstance(part, Mapping)]
        if known:
            told[name] = merged(known)
    commands = sorted({origin.command for origin in origins if origin.command})
    return {**told, "command": "\n".join(commands)} if commands else told
