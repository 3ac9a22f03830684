"""What jobs leave on the disk: a file for each chunk, there whole or not at all.

A job that is begun again, after preemption, at its time limit or on another node, goes on at the
first chunk that has none; and whoever started it may read them whenever they like.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from flatfast.lab.atomic import atomically
from flatfast.lab.chunks import merged
from flatfast.lab.engines.job import Job
from flatfast.lab.engines.worker import Made, Refused
from flatfast.lab.machine import versions
from flatfast.lab.rows import MADE_ON, Key, key_rows
from flatfast.lab.runs import Runs

SECONDS = b"seconds"
"""Key of a file's metadata: what the chunk took."""


@dataclass(frozen=True)
class Chunks:
    """The files of the chunks of one job, in a folder that driver and nodes share.

    Attributes:
        folder: The folder.
        kind: What tells the job from others, as :func:`kind_of` gives it.
    """

    folder: Path
    kind: str

    def has(self, chunk: Runs) -> bool:
        """Whether a chunk was made, or tried in vain."""
        return any(path.exists() for path in self._paths(chunk))

    def write(self, chunk: Runs, made: Made) -> None:
        """Put down what was made of a chunk, or why it was not.

        Raises:
            OSError: If it cannot be written.
        """
        rows, refused = self._paths(chunk)
        if made.rows is None:
            each = made.refused[0]
            with atomically(refused) as partial:
                partial.write_text(json.dumps([each.kind, each.words, each.of_values]))
            return
        about = {**(made.rows.schema.metadata or {}), SECONDS: repr(made.seconds)}
        table = made.rows.replace_schema_metadata(about)
        sink = pa.BufferOutputStream()  # Arrow takes no path that is not UTF-8
        with pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table)
        with atomically(rows) as partial:
            partial.write_bytes(sink.getvalue())

    def read(self, chunks: Sequence[Runs]) -> Made:
        """What was made of chunks that have files.

        Raises:
            OSError: If a file is not there, or is none.
        """
        tables: list[pa.Table] = []
        refused: list[Refused] = []
        seconds = 0.0
        for chunk in chunks:
            rows, why = self._paths(chunk)
            if why.exists():
                refused.append(Refused(chunk, *json.loads(why.read_text())))
                continue
            table = _table(rows)
            seconds += float(table.schema.metadata[SECONDS])
            tables.append(table)
        return Made(_together(tables) if tables else None, refused, seconds)

    def remove(self, chunks: Sequence[Runs]) -> None:
        """Delete the files of chunks, which are stored now."""
        for chunk in chunks:
            for path in self._paths(chunk):
                path.unlink(missing_ok=True)

    def left(self, wanted: Sequence[Runs]) -> Iterator[pa.Table]:
        """Rows of runs that are wanted and that an earlier driver has not come to store.

        Its chunks may have been others. A file that cannot be read is deleted.
        """
        missing: set[Key] = {key for chunk in wanted for key in chunk.identities()}
        for path in sorted(self.folder.glob(f"{self.kind}-*.arrow")):
            try:
                table = _table(path)
            except OSError:
                path.unlink(missing_ok=True)
                continue
            found = key_rows(table)
            if missing.intersection(found):
                yield table.filter(pa.array([key in missing for key in found]))
                missing.difference_update(found)

    def _paths(self, chunk: Runs) -> tuple[Path, Path]:
        name = f"{self.kind}-{_digest(repr(chunk.identities()))}"
        return self.folder / f"{name}.arrow", self.folder / f"{name}.json"


def kind_of(job: Job) -> str:
    """A digest of what rows of a job depend on besides their runs, the same in every process."""
    about = [
        (job.problem.name, job.problem.version, dict(job.problem.settings)),
        asdict(job.problem.goal),
        (job.records, job.spacing, job.nesterov, job.dtype, job.metrics, repr(job.schedule)),
        repr(job.optimizer),
        versions(),
    ]
    return _digest(json.dumps(about, sort_keys=True))


def without(chunks: Sequence[Runs], made: set[Key]) -> list[Runs]:
    """Chunks without the runs that are made."""
    left = (chunk.without(made) for chunk in chunks)
    return [chunk for chunk in left if len(chunk)]


def _table(path: Path) -> pa.Table:
    try:
        with pa.ipc.open_file(pa.BufferReader(path.read_bytes())) as content:
            return content.read_all()
    except pa.ArrowException as error:
        raise OSError(f"{path} is not what was written: {error}") from error


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    """All rows, with what any of them were made on: a task may have gone on on another node."""
    told = {(table.schema.metadata or {}).get(MADE_ON): None for table in tables}
    parts = [json.loads(each) for each in told if each is not None]
    about = {name: merged([part[name] for part in parts]) for name in ("machine", "versions")}
    rows = pa.concat_tables(tables)
    return rows.replace_schema_metadata({MADE_ON: json.dumps(about)} if parts else None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
