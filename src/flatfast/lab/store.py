"""Runs on disk: Parquet chunks, each written whole or not at all, and a manifest.

A sweep's folder holds ``manifest.json``, which says what the runs are (problem, goal, records, ...)
and where they were computed, and ``chunks/chunk-*.parquet``, one row per run. A chunk's name is a
hash of its runs. A crash, a kill or a full disk costs the chunk in flight; the rest is found again.
"""

import fcntl
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from flatfast.lab.atomic import SUFFIX, atomically
from flatfast.lab.machine import machine, versions

FORMAT = 1
"""Version of the folder's layout and of the rows' columns."""

COLUMNS = {
    "method": pa.string(),
    "lr": pa.float64(),
    "momentum": pa.float64(),
    "seed": pa.int64(),
    "steps": pa.int64(),
    "steps_run": pa.int64(),
    "status": pa.string(),
    "convergence_step": pa.float64(),
    "diverged_step": pa.int64(),
    "metric_start": pa.float64(),
    "metric_end": pa.float64(),
    "threshold": pa.float64(),
    "record_step": pa.list_(pa.int64()),
}
"""Columns of a row; lists of recorded metrics, ``metric:NAME``, come on top."""

KEY = ("method", "lr", "momentum", "seed", "steps")
"""Columns that tell one run of a sweep from another."""

METRIC = "metric:"

Key = tuple[str, float, float, int, int]


class StoreError(RuntimeError):
    """A folder cannot hold the runs; the message says why and what to do."""


class SettingsMismatchError(StoreError):
    """The folder holds runs of other settings."""


class Store:
    """The runs of one sweep in one folder.

    Use as a context manager: while it is open no other process can write to the folder.

    Attributes:
        folder: The folder.
        manifest: Content of ``manifest.json``.
        problems: What was found in the folder that is not a readable chunk, one line each.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, command: str = "") -> None:
        """Open a folder for writing: a new one, or one that holds runs of the same settings.

        Args:
            folder: The folder; made if it is not there.
            settings: JSON values that identify the runs. A folder whose manifest has others is
                refused.
            command: The command line, for the record.

        Raises:
            SettingsMismatchError: If the folder holds runs of other settings.
            StoreError: If the folder cannot be used.
        """
        self.folder = folder
        self.problems: list[str] = []
        identity: dict[str, Any] = json.loads(json.dumps(settings))
        self._lock = _lock(folder)
        try:
            self.manifest = self._claim(identity, command)
            for leftover in self._chunks.glob(f".*{SUFFIX}"):
                leftover.unlink(missing_ok=True)
            self._table = self._read()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> "Store":
        """The store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let other processes write to the folder."""
        self._lock.close()

    @property
    def _chunks(self) -> Path:
        return self.folder / "chunks"

    def _claim(self, settings: dict[str, Any], command: str) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        if path.exists():
            manifest = read_manifest(self.folder)
            differences = _differences(manifest["settings"], settings)
            if differences:
                raise SettingsMismatchError(
                    f"{self.folder} holds runs of other settings: {'; '.join(differences)}. "
                    "Give another folder with --out, or start over in this one with --fresh"
                )
        else:
            others = sorted(p.name for p in self.folder.iterdir() if p.name != ".lock")
            if others and "chunks" not in others:
                raise StoreError(
                    f"{self.folder} is not empty and holds no sweep ({', '.join(others[:3])}); "
                    "give an empty or a new folder with --out"
                )
            manifest = {
                "format": FORMAT,
                "settings": settings,
                "machine": machine(),
                "versions": versions(),
                "command": command,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            try:
                with atomically(path) as partial:
                    partial.write_text(json.dumps(manifest, indent=1) + "\n")
            except OSError as error:
                raise StoreError(f"cannot write to {self.folder}: {error.strerror}") from error
        try:
            self._chunks.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write to {self.folder}: {error.strerror}") from error
        return manifest

    def _read(self) -> pa.Table:
        table, self.problems = read_chunks(self.folder)
        return table

    def done(self) -> set[Key]:
        """The keys of all runs that are stored."""
        return keys(self._table)

    def append(self, rows: pa.Table) -> None:
        """Store the rows of a chunk.

        Args:
            rows: Columns as :data:`COLUMNS`, and ``metric:NAME`` lists.

        Raises:
            ValueError: If a column is missing, of another type, or a run is stored already.
            StoreError: If the chunk cannot be written; what was stored before is still there.
        """
        rows = conform(rows)
        new = keys(rows)
        if len(new) < len(rows) or new & self.done():
            raise ValueError("each run can be stored once, got one that is stored already")
        name = hashlib.sha256(repr(sorted(new)).encode()).hexdigest()[:16]
        path = self._chunks / f"chunk-{name}.parquet"
        try:
            with atomically(path) as partial:
                pq.write_table(rows, partial, compression="zstd")
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror or error}. {len(self._table)} runs are "
                f"stored in {self.folder}; make room and repeat the command to go on from there"
            ) from error
        self._table = pa.concat_tables([self._table, rows], promote_options="default")

    def table(self) -> pa.Table:
        """All rows, sorted by method, learning rate, momentum and seed."""
        return self._table.sort_by([(name, "ascending") for name in KEY])


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a sweep's folder.

    Raises:
        StoreError: If there is none, or it is not one.
    """
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise StoreError(
            f"{folder} holds no sweep (no manifest.json); flatfast sweep and flatfast reproduce "
            "make one"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path} is not a manifest: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("settings"), dict):
        raise StoreError(f"{path} is not a manifest of flatfast: it has no settings")
    if manifest.get("format") != FORMAT:
        raise StoreError(
            f"{path} is of format {manifest.get('format')!r}, this version reads {FORMAT}; "
            "give another folder with --out"
        )
    return manifest


def read_chunks(folder: Path) -> tuple[pa.Table, list[str]]:
    """All rows that can be read in a sweep's folder, and what could not be, one line a file.

    A file that is truncated, foreign or of another schema is left where it is and named; a run that
    stands in two chunks is taken from the first by name.
    """
    tables = [_empty()]
    problems = []
    for path in sorted((folder / "chunks").glob("*")):
        if path.name.endswith(SUFFIX):
            continue
        try:
            # One file, not a data set: its folder must not add columns.
            tables.append(conform(pq.ParquetFile(path).read()))
        except (OSError, ValueError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            problems.append(f"{path} is not a chunk of this sweep and was left out: {reason}")
    table = pa.concat_tables(tables, promote_options="default")
    first: dict[Key, int] = {}
    for row, key in enumerate(key_rows(table)):
        first.setdefault(key, row)
    return table.take(pa.array(list(first.values()), pa.int64())), problems


def conform(rows: pa.Table) -> pa.Table:
    """The rows with the store's columns in the store's order and types.

    Raises:
        ValueError: If a column is missing, unknown, or not of its type.
    """
    missing = [name for name in COLUMNS if name not in rows.column_names]
    if missing:
        raise ValueError(f"rows must have the column {missing[0]!r}")
    fields = dict(COLUMNS)
    for name in rows.column_names:
        if name.startswith(METRIC):
            fields[name] = pa.list_(pa.float32())
        elif name not in COLUMNS:
            raise ValueError(f"rows must not have the column {name!r}")
    schema = pa.schema(list(fields.items()))
    try:
        return rows.select(schema.names).cast(schema).combine_chunks()
    except pa.ArrowException as error:
        raise ValueError(f"rows have a column of another type: {error}") from error


def discard(folder: Path) -> bool:
    """Delete a sweep's manifest and chunks; anything else in the folder stays.

    Returns:
        Whether there was a sweep.

    Raises:
        StoreError: If the folder is no sweep's, or another process is writing to it.
    """
    if not folder.exists():
        return False
    with _lock(folder):
        if not (folder / "manifest.json").exists():
            return False
        read_manifest(folder)
        for path in (folder / "chunks").glob("*"):
            path.unlink()
        (folder / "manifest.json").unlink()
    return True


def export_runs(table: pa.Table, path: Path) -> None:
    """Write one row per run, without the recorded trajectories."""
    lists = [name for name in table.column_names if pa.types.is_list(table.schema.field(name).type)]
    with atomically(path) as partial:
        pq.write_table(table.drop_columns(lists), partial, compression="zstd")


def keys(table: pa.Table) -> set[Key]:
    """The keys of a table's runs."""
    return set(key_rows(table))


def key_rows(table: pa.Table) -> list[Key]:
    """The keys of a table's runs, row by row."""
    return list(zip(*(table[name].to_pylist() for name in KEY), strict=True))


def _empty() -> pa.Table:
    return pa.schema(list(COLUMNS.items())).empty_table()


def _differences(stored: dict[str, Any], asked: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name in sorted(stored.keys() | asked.keys()):
        there, here = stored.get(name), asked.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            found += _differences(there, here, f"{prefix}{name}.")
        elif there != here:
            found.append(f"{prefix}{name} is {there!r} there, {here!r} here")
    return found


def _lock(folder: Path) -> IO[str]:
    """Make the folder and hold it; the system lets go when the process ends, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{folder} is a file; give a folder with --out") from None
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreError(
            f"another sweep is writing to {folder}; wait for it, or give another folder with --out"
        ) from None
    return file
