"""Runs on disk: Parquet chunks, each written whole or not at all, and a manifest.

A sweep's folder holds ``manifest.json``, which says what the runs are (problem, goal, records,
...), and ``chunks/chunk-*.parquet``, one row per run (:mod:`flatfast.lab.chunks`). A crash, a kill
or a full disk costs the chunk in flight; the rest is found again. A chunk that was damaged, or
that is of another sweep, is named and left out.

A folder becomes a sweep's when its first chunk has been computed. Until then nothing in it is
written over or deleted, so that a command that turns out to be wrong leaves it as it was. Runs
that are given up are deleted last, when the chunk and the manifest that take their place are on the
disk: a full disk costs none of them, and whatever is left by a crash on the way can be read.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

import pyarrow as pa

from flatfast.lab.atomic import SUFFIX, fault
from flatfast.lab.chunks import ChunkError, Origin, chunk_files, read_chunk, write_chunk
from flatfast.lab.folder_lock import LOCK, FolderLock
from flatfast.lab.holdings import Holdings
from flatfast.lab.machine import machine, versions
from flatfast.lab.manifest import (
    MANIFEST,
    NotAManifestError,
    StoreError,
    differences,
    read_manifest,
    write_manifest,
)
from flatfast.lab.rows import KEY, MADE_ON, Key, conform, key_rows, no_rows
from flatfast.lab.stored import (
    Stored,
    find_run,
    has_runs,
    manifest_of_chunks,
    read_chunks,
    read_sampled,
    read_store,
)
from flatfast.lab.survey import CHUNKS, Survey, is_empty, not_ours

__all__ = [
    "SettingsMismatchError",
    "Store",
    "StoreError",
    "Stored",
    "find_run",
    "has_runs",
    "manifest_of_chunks",
    "read_chunks",
    "read_manifest",
    "read_sampled",
    "read_store",
]


class _Found(Enum):
    """What lies in a folder, to a sweep of given settings."""

    NOTHING = auto()
    OURS = auto()
    LOST_MANIFEST = auto()
    TO_BE_REPLACED = auto()


class SettingsMismatchError(StoreError):
    """The folder holds runs of other settings."""


class Store:
    """The runs of one sweep in one folder.

    Use as a context manager: while it is open no other process can write to the folder.

    Attributes:
        folder: The folder.
        claimed: Whether the folder's manifest is that of these runs.
        problems: What was found in the folder that is not a readable chunk of this sweep, one line
            each.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        command: str = "",
        fresh: bool = False,
        on_fresh: Callable[[Path], object] | None = None,
    ) -> None:
        """Open a folder for writing: a new one, or one that holds runs of the same settings.

        Args:
            folder: The folder; made if it is not there.
            settings: JSON values that identify the runs. A folder with runs of others is refused.
            command: The command line, for the record.
            fresh: Start over: runs that the folder holds are not used, and are deleted once the
                first chunk is stored.
            on_fresh: Called with the folder when it becomes that of other runs, to remove what was
                made of its old ones.

        Raises:
            SettingsMismatchError: If the folder holds runs of other settings.
            StoreError: If the folder cannot be used.
        """
        self.folder = folder
        self._settings: dict[str, Any] = json.loads(json.dumps(settings))
        self._origin = Origin(self._settings, versions(), machine(), command)
        self._on_fresh = on_fresh
        self._holdings = Holdings(folder)
        self._given_up: list[Path] = []
        self.problems: list[str] = []
        # Once to leave a folder alone that is not ours, and again when it cannot change any more.
        self._look(fresh)
        self._lock = FolderLock(folder)
        try:
            there = self._look(fresh)
            self.claimed, self._fresh = there is _Found.OURS, there is _Found.TO_BE_REPLACED
            if self._fresh:
                self._given_up = chunk_files(self._chunks)
            if there in (_Found.OURS, _Found.LOST_MANIFEST):
                self.claim()
                self.problems = self._holdings.look_over()
        except BaseException:
            self._lock.release(keep=False)
            raise

    def __enter__(self) -> "Store":
        """The store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let other processes write to the folder; one that was made for nothing goes again."""
        try:
            if self.claimed:
                self._holdings.keep_index()
        finally:
            self._lock.release(keep=self.claimed)

    @property
    def _chunks(self) -> Path:
        return self.folder / CHUNKS

    def _look(self, fresh: bool) -> _Found:
        """See whether the folder can be used, without a change to it."""
        if is_empty(self.folder):
            return _Found.NOTHING
        chunks = chunk_files(self._chunks)
        try:
            manifest = read_manifest(self.folder)
        except NotAManifestError as error:
            locked = self._chunks.is_dir() and (self.folder / LOCK).exists()
            if not chunks and not locked:
                raise not_ours(self.folder, error) from error
            if fresh:
                return _Found.TO_BE_REPLACED
            for path in chunks:
                with contextlib.suppress(ChunkError, OSError):
                    self._check_settings(read_chunk(path, KEY)[1].settings)
            return _Found.LOST_MANIFEST
        if fresh or (manifest["settings"] != self._settings and not chunks):
            return _Found.TO_BE_REPLACED
        if manifest["settings"] != self._settings:
            borne_out = manifest_of_chunks(self.folder)[0]["settings"]
            if borne_out == self._settings:  # ours by the word of all runs: the manifest is wrong
                return _Found.LOST_MANIFEST
            self._check_settings(borne_out)
        return _Found.OURS

    def _check_settings(self, stored: Mapping[str, Any] | None) -> None:
        advice = "Give another folder with --out, or start over in this one with --fresh"
        if stored is None:
            raise StoreError(
                f"{self.folder} holds runs of unknown settings, and no {MANIFEST} that tells "
                f"them. {advice}"
            )
        found = differences(stored, self._settings)
        if found:
            raise SettingsMismatchError(
                f"{self.folder} holds runs of other settings: {'; '.join(found)}. {advice}"
            )

    def claim(self) -> None:
        """Make the folder this sweep's: write the manifest, remove what was made of other runs.

        The first :meth:`append` does so; earlier where something else is to be put beside the runs.
        Runs that are given up stay until then.

        Raises:
            StoreError: If the folder cannot be written to.
        """
        try:
            for leftover in (*self.folder.glob(f".{MANIFEST}.*"), *self._chunks.glob(".chunk-*")):
                if leftover.name.endswith(SUFFIX):
                    leftover.unlink(missing_ok=True)
            self._chunks.mkdir(exist_ok=True)
            if not self.claimed:
                write_manifest(self.folder, self._settings, self._origin.command)
            if self._fresh and self._on_fresh is not None:
                self._on_fresh(self.folder)
        except OSError as error:
            raise StoreError(f"cannot write to {self.folder}: {fault(error)}") from error
        self.claimed, self._fresh = True, False

    def done(self) -> Set[Key]:
        """The keys of all runs that are stored: a view, which grows with them."""
        return self._holdings.keys()

    def append(self, rows: pa.Table) -> None:
        """Store the rows of a chunk.

        Args:
            rows: Columns as :data:`flatfast.lab.rows.COLUMNS`, and ``metric:NAME`` lists; with
                :data:`flatfast.lab.rows.MADE_ON` where another machine made them.

        Raises:
            ValueError: If a column is missing, of another type, or a run is stored already.
            StoreError: If the chunk cannot be written; what was stored before is still there.
        """
        origin = self._origin
        made_on = (rows.schema.metadata or {}).get(MADE_ON)
        if made_on is not None:
            origin = replace(origin, **json.loads(made_on))
        rows = conform(rows)
        new = key_rows(rows)
        if len(set(new)) < len(new) or not self.done().isdisjoint(new):
            raise ValueError("each run can be stored once, got one that is stored already")
        if not (self.claimed or self._given_up):
            self.claim()
        try:
            chunk = write_chunk(self._chunks, rows, origin)
        except OSError as error:
            raise StoreError(
                f"cannot write to {self._chunks}: {fault(error)}. {self._kept()}"
            ) from error
        if not self.claimed:
            self._claim_with(chunk)
        self._holdings.add(chunk, rows, new, origin)
        self._delete_given_up(chunk)

    def _kept(self) -> str:
        if self.claimed:
            return (
                f"{len(self.done())} runs are stored in {self.folder}; make room and repeat the "
                "command to go on from there"
            )
        return f"The runs in {self.folder} are as they were; make room and repeat the command"

    def _claim_with(self, chunk: Path) -> None:
        """Claim the folder for a chunk that is there, or leave the folder without it."""
        try:
            self.claim()
        except StoreError as error:
            if chunk not in self._given_up:
                with contextlib.suppress(OSError):
                    chunk.unlink()
            raise StoreError(f"{error}. {self._kept()}") from error

    def _delete_given_up(self, chunk: Path) -> None:
        """Delete the runs that are given up, now that a chunk has taken their place."""
        try:
            for path in self._given_up:
                if path != chunk:  # the same runs again may be the same file
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot delete the old runs in {self._chunks}: {fault(error)}. {self._kept()}"
            ) from error
        self._given_up = []

    def survey(self) -> Survey:
        """What lies on the disk, of which only what was changed is read."""
        return self._holdings.survey() if self.claimed else Survey((), {}, [])

    def rows(self, wanted: Collection[Key], columns: Sequence[str] | None = None) -> pa.Table:
        """The stored rows of some runs, read from the chunks that hold them, and checked.

        A chunk that is no longer what was written is left out; :meth:`survey` names it.

        Args:
            wanted: Keys of the runs; those that are not stored have no row.
            columns: Those wanted, the key's among them; all of them by default.

        Returns:
            The rows, sorted by their keys.
        """
        return self._holdings.rows(wanted, columns)

    def table(self) -> pa.Table:
        """All rows, sorted by method, learning rate, momentum and seed."""
        return read_store(self.folder).rows if self.claimed else no_rows()
