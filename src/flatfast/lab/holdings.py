"""What an open store holds, kept up as it grows: which runs, and in which chunks."""

import contextlib
from collections import Counter
from collections.abc import Collection, Sequence, Set
from pathlib import Path

import pyarrow as pa

from flatfast.lab.chunks import ChunkError, Origin, read_chunk
from flatfast.lab.index import Entry, read_index, settled, write_index, written
from flatfast.lab.rows import Key, key_rows, no_rows, put_together
from flatfast.lab.survey import CHUNKS, Survey, survey

File = tuple[str, int, int]
"""A file as it was when it was read: its name, size and time of change."""


class Holdings:
    """The runs of a sweep's folder that nobody else writes to.

    What is asked of them costs no more than what is asked for, however many there are.
    """

    def __init__(self, folder: Path) -> None:
        """Those of a folder that holds none yet, or was not looked over."""
        self._folder = folder
        self._chunk_of: dict[Key, str] = {}
        self._entries: dict[str, Entry] = {}
        self._indexed: set[File] = set()

    def look_over(self) -> list[str]:
        """See what the folder holds; what was left out, one line each.

        Raises:
            StoreError: If it has no manifest that can be read.
        """
        known = read_index(self._folder)
        self._indexed = {_file(entry) for entry in known.values()}
        found = survey(self._folder, known)
        self._entries = {entry.name: entry for entry in found.entries}
        names = [entry.name for entry in found.entries for _ in range(len(entry.keys))]
        # A run that stands in two chunks is that of the first.
        keys = key_rows(found.keys())
        self._chunk_of = dict(zip(reversed(keys), reversed(names), strict=True))
        self.keep_index()
        return found.problems

    def keys(self) -> Set[Key]:
        """The runs' keys: a view, which grows with them."""
        return self._chunk_of.keys()

    def add(self, path: Path, rows: pa.Table, keys: Collection[Key], origin: Origin) -> None:
        """A chunk was written."""
        self._chunk_of.update(dict.fromkeys(keys, path.name))
        with contextlib.suppress(OSError):
            self._entries[path.name] = written(path, rows, origin)

    def survey(self) -> Survey:
        """What lies on the disk now, of which only what was changed is read."""
        return survey(self._folder, self._entries)

    def rows(self, wanted: Collection[Key], columns: Sequence[str] | None = None) -> pa.Table:
        """As :meth:`flatfast.lab.store.Store.rows` gives them."""
        chosen = {key for key in wanted if key in self._chunk_of}
        counts = Counter(self._chunk_of[key] for key in chosen)
        parts = [no_rows() if columns is None else no_rows().select(columns)]
        for name in sorted(counts):
            try:
                part = read_chunk(self._folder / CHUNKS / name, columns)[0]
            except (ChunkError, OSError):
                self._entries.pop(name, None)  # to be read, and named, by the next survey
                continue
            if counts[name] < len(part):
                own = [key in chosen and self._chunk_of[key] == name for key in key_rows(part)]
                part = part.filter(pa.array(own, pa.bool_()))
            parts.append(part)
        return put_together(parts)

    def keep_index(self) -> None:
        """Enter what the index lacks; what it lacks is read by whoever opens the folder next."""
        known = settled(self._entries.values())
        files = {_file(entry) for entry in known}
        if not files <= self._indexed:
            with contextlib.suppress(OSError):
                write_index(self._folder, known)
                self._indexed = files


def _file(entry: Entry) -> File:
    return entry.name, entry.size, entry.changed
