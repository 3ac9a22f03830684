"""A sweep's folder, read: what its chunks hold, and which of them are not to be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flatfast.lab.chunks import ChunkError, Origin, chunk_files, merged, other_files, read_chunk
from flatfast.lab.manifest import (
    FORMAT,
    MANIFEST,
    NotAManifestError,
    differences,
    read_manifest,
)
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


def read_store(
    folder: Path,
    columns: Sequence[str] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> Stored:
    """All rows of a sweep's folder that are what was written and belong to it.

    A file that is damaged, foreign, or of another sweep is left where it is and named; a run that
    stands in two chunks is taken from the first by name.

    Args:
        folder: The folder.
        columns: Those wanted, the key's among them; all of them by default.
        manifest: What to take for the folder's manifest; by default what lies there.

    Raises:
        StoreError: If there is no manifest that can be read.
    """
    manifest = read_manifest(folder) if manifest is None else manifest
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
    if (folder / CHUNKS).is_file():
        problems.append(f"{folder / CHUNKS} is a file where the folder of the runs should be")
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


def has_runs(folder: Path) -> bool:
    """Whether a folder holds files of runs."""
    return bool(chunk_files(folder / CHUNKS))


def manifest_of_chunks(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The manifest as the chunks bear it out, for a look at a folder that may be damaged.

    Chunks say which sweep they belong to. Where the manifest is lost, is none, or says what no
    chunk says, and all chunks that can be read say the same, theirs is the word.

    Returns:
        The manifest, and what was wrong with the file, one line each.

    Raises:
        StoreError: If neither the manifest nor the chunks tell what the runs are.
    """
    lost: NotAManifestError | None = None
    manifest: dict[str, Any] = {}
    try:
        manifest = read_manifest(folder)
    except NotAManifestError as error:
        lost = error
    told: list[Mapping[str, Any]] = []
    for path in chunk_files(folder / CHUNKS):
        try:
            settings = read_chunk(path, KEY)[1].settings
        except (ChunkError, OSError):
            continue
        if lost is None and settings in (None, manifest["settings"]):
            return manifest, []
        if settings is not None:
            told.append(settings)
    if not told or any(settings != told[0] for settings in told):
        if lost is not None:
            raise lost
        return manifest, []
    what = str(lost) if lost else f"{folder / MANIFEST} does not belong to the runs beside it"
    return {**manifest, "format": FORMAT, "settings": dict(told[0])}, [
        f"{what}; the settings are those that all chunks carry"
    ]


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
