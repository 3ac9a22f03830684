"""A sweep's folder, looked over: which of its chunks belong to it, and which runs they hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flatfast.lab.atomic import SUFFIX, fault
from flatfast.lab.chunks import ChunkError, Origin, listed, merged
from flatfast.lab.folder_lock import LOCK
from flatfast.lab.index import INDEX, Entry, entry_of, read_index
from flatfast.lab.manifest import (
    MANIFEST,
    NotAManifestError,
    StoreError,
    differences,
    read_manifest,
)
from flatfast.lab.rows import KEY, no_rows
from flatfast.lab.status import LIVE, STATUS

JOBS = ".slurm"
"""Folder of what a scheduler's jobs are given and give back, while there are any."""

CHUNKS = "chunks"
"""Folder of the chunks, in a sweep's folder."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What a sweep's folder holds, as far as it can be told without reading the rows.

    Attributes:
        entries: Of the chunks that belong to the sweep, in the order of their names.
        manifest: As :class:`Stored` has it.
        problems: What was left out, one line each.
    """

    entries: tuple[Entry, ...]
    manifest: dict[str, Any]
    problems: list[str]

    def keys(self) -> pa.Table:
        """The columns of the key, one row per run; runs that stand in two chunks come twice."""
        return pa.concat_tables([no_rows().select(KEY), *(entry.keys for entry in self.entries)])


def survey(
    folder: Path,
    known: Mapping[str, Entry] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> Survey:
    """Look over a sweep's folder: which runs it holds, and what of it is not to be trusted.

    Args:
        folder: The folder.
        known: What is known of its chunks, by their names: those that were not changed since are
            not read. By default what its index says.
        manifest: What to take for the folder's manifest; by default what lies there.

    Raises:
        StoreError: If there is no manifest that can be read.
    """
    manifest = read_manifest(folder) if manifest is None else manifest
    known = read_index(folder) if known is None else known
    entries: list[Entry] = []

    def enter(path: Path) -> Origin:
        entries.append(entry_of(path, known))
        return entries[-1].origin

    problems, origins = each_chunk(folder, manifest, enter)
    named = {path.name for path in origins}
    told = {**manifest, **provenance_of(list(origins.values()))}
    return Survey(tuple(e for e in entries if e.name in named), told, problems)


def each_chunk(
    folder: Path, manifest: Mapping[str, Any], read: Callable[[Path], Origin]
) -> tuple[list[str], dict[Path, Origin]]:
    """Read a folder's chunks, in the order of their names.

    Args:
        folder: The sweep's folder.
        manifest: Its manifest.
        read: Reads a chunk and says where it comes from; may raise what :func:`.read_chunk` does.

    Returns:
        What was left out, one line each, and where the chunks come from that belong to the sweep.
    """
    first_format = manifest["format"] == 1
    unnamed = Origin(
        None,
        manifest.get("versions") or {},
        manifest.get("machine") or {},
        manifest.get("command") or "",
    )
    chunks, others = listed(folder / CHUNKS)
    problems = [f"{path} is not a chunk and was left out" for path in others]
    if (folder / CHUNKS).is_file():
        problems.append(f"{folder / CHUNKS} is a file where the folder of the runs should be")
    belongs: dict[Path, Origin] = {}
    like: Origin | None = None  # the last that belonged: mostly that of all chunks
    for path in chunks:
        try:
            origin = read(path)
            if origin.settings is None:
                if not first_format:
                    raise ChunkError("it does not say of which sweep it is")
                origin = unnamed
            elif origin is not like:
                other = differences(origin.settings, manifest["settings"])
                if other:
                    raise ChunkError(f"it is of another sweep ({'; '.join(other)})")
                like = origin
        except (ChunkError, OSError) as error:
            problems.append(f"{path} was left out: {error}")
            continue
        belongs[path] = origin
    return problems, belongs


def provenance_of(origins: Sequence[Origin]) -> dict[str, Any]:
    """What computed the runs, where any chunk says so: all versions, machines and commands."""
    told: dict[str, Any] = {}
    origins = list({id(origin): origin for origin in origins}.values())
    for name in ("versions", "machine"):
        parts = [vars(origin)[name] for origin in origins]
        known = [part for part in parts if isinstance(part, Mapping)]
        if known:
            told[name] = merged(known)
    commands = sorted({origin.command for origin in origins if origin.command})
    return {**told, "command": "\n".join(commands)} if commands else told


def is_empty(folder: Path) -> bool:
    """Whether a folder is not there, or holds at most what a sweep leaves that has stored nothing.

    Raises:
        StoreError: If it is a file or cannot be read.
    """
    try:
        inside = [p for p in folder.iterdir() if not _passing(p)]
        return not inside or (inside == [folder / CHUNKS] and not any(inside[0].iterdir()))
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        raise StoreError(f"{folder} is a file; give a folder with --out") from None
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {fault(error)}") from error


def _passing(path: Path) -> bool:
    """Whether a file is what a sweep makes anew, so that it says nothing by being there."""
    return path.name in (LOCK, INDEX, STATUS, LIVE, JOBS) or path.name.endswith(SUFFIX)


def not_ours(folder: Path, error: NotAManifestError) -> StoreError:
    """Why a folder cannot be used that is not empty and has no manifest of ours."""
    if (folder / MANIFEST).exists():
        return StoreError(f"{error}; give another folder with --out")
    names = sorted(path.name for path in folder.iterdir() if not _passing(path))
    return StoreError(
        f"{folder} is not empty and holds no sweep ({', '.join(names[:3])}); "
        "give an empty or a new folder with --out"
    )
