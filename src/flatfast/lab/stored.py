"""A sweep's folder, read: what its chunks hold, and which of them are not to be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flatfast.lab.chunks import ChunkError, Origin, chunk_files, read_chunk
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.times import same
from flatfast.lab.manifest import (
    FORMAT,
    MANIFEST,
    NotAManifestError,
    StoreError,
    read_manifest,
)
from flatfast.lab.rows import KEY, SCALARS, no_rows, put_together
from flatfast.lab.sample import sampled_seeds, with_seeds
from flatfast.lab.survey import CHUNKS, each_chunk, provenance_of, survey

NAMED = 3
"""How many runs are named, the nearest, where one that is asked for is not there."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What a sweep's folder holds.

    Attributes:
        rows: One row per run, sorted by method, learning rate, momentum and seed.
        manifest: Content of ``manifest.json``, with the versions, machines and commands of all
            chunks.
        problems: What was left out, one line each.
        sample: Rows with their trajectories, where ``rows`` are without; see :func:`read_sampled`.
    """

    rows: pa.Table
    manifest: dict[str, Any]
    problems: list[str]
    sample: pa.Table | None = None


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
    tables: dict[Path, pa.Table] = {}

    def read(path: Path) -> Origin:
        tables[path], origin = read_chunk(path, columns)
        return origin

    problems, origins = each_chunk(folder, manifest, read)
    none = no_rows() if columns is None else no_rows().select(columns)
    told = {**manifest, **provenance_of(list(origins.values()))}
    parts = [none, *(tables.pop(path) for path in origins)]
    return Stored(put_together(parts), told, problems)


def read_sampled(folder: Path, manifest: Mapping[str, Any] | None = None) -> Stored:
    """As :func:`read_store`, for a report: of many runs, trajectories of a sample alone.

    Where there are more than :data:`flatfast.lab.sample.MOST`, rows come without their
    trajectories, and beside them whole the rows of some seeds
    (:func:`flatfast.lab.sample.sampled_seeds`).

    Args:
        folder: The folder.
        manifest: What to take for the folder's manifest; by default what lies there.

    Raises:
        StoreError: If there is no manifest that can be read.
    """
    manifest = read_manifest(folder) if manifest is None else manifest
    seeds = sampled_seeds(survey(folder, manifest=manifest).keys()["seed"].to_numpy())
    if seeds is None:
        return read_store(folder, manifest=manifest)
    tables: dict[Path, pa.Table] = {}
    samples: dict[Path, pa.Table] = {}

    def read(path: Path) -> Origin:
        rows, origin = read_chunk(path)
        tables[path], samples[path] = rows.select(SCALARS), with_seeds(rows, seeds)
        return origin

    problems, origins = each_chunk(folder, manifest, read)
    rows = put_together([no_rows().select(SCALARS), *(tables.pop(path) for path in origins)])
    sample = put_together([no_rows(), *(samples.pop(path) for path in origins)])
    told = {**manifest, **provenance_of(list(origins.values()))}
    return Stored(rows, told, problems, sample)


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


def find_run(
    folder: Path,
    lr: float,
    momentum: float,
    seed: int,
    *,
    steps: int | None = None,
    method: str = GRID,
) -> dict[str, Any]:
    """The row of one run, for which the one chunk is read that holds it.

    Chunks that the folder's index does not know are looked through.

    Args:
        folder: A sweep's folder.
        lr: Learning rate, to nine digits.
        momentum: Momentum, ``1 - momentum`` to nine digits.
        seed: Seed.
        steps: Planned length; needed where there are runs of several.
        method: What the run is for: ``grid``, or the name of a compared method.

    Returns:
        Column to value: as :data:`flatfast.lab.rows.COLUMNS` names them, and ``metric:NAME`` lists.

    Raises:
        ValueError: If there is no such run, or there are several; the message names the nearest, or
            their lengths.
        StoreError: If the folder holds no sweep, or the run's chunk is not what was written.
    """
    found = survey(folder)
    runs = found.keys()
    ours = pc.equal(runs["method"], method).to_numpy()
    length, number = runs["steps"].to_numpy(), runs["seed"].to_numpy()
    hit = ours & same(runs["lr"].to_numpy(), lr) & (number == seed)
    hit &= same(1.0 - runs["momentum"].to_numpy(), 1.0 - momentum)
    lengths = np.unique(length[hit])
    if steps is not None:
        hit &= length == steps
    elif len(lengths) > 1:
        raise ValueError(
            f"{folder} has this run with {' and '.join(map(str, lengths))} steps: give steps"
        )
    if not hit.any():
        asked = f"{method} run at lr {lr:g}, momentum {momentum:g}, seed {seed}"
        raise ValueError(
            f"{folder} has no {asked}{'' if steps is None else f', {steps} steps'}; "
            f"{_nearest(runs.filter(pa.array(ours)), lr, momentum, seed) or _methods(runs)}"
            + (f"; {len(found.problems)} files were left out" if found.problems else "")
        )
    row = int(np.flatnonzero(hit)[0])
    ends = np.cumsum([len(entry.keys) for entry in found.entries])
    which = int(np.searchsorted(ends, row, side="right"))
    path = folder / CHUNKS / found.entries[which].name
    try:
        rows = read_chunk(path)[0]
    except (ChunkError, OSError) as error:
        raise StoreError(f"the run's chunk {path} cannot be used: {error}") from error
    return dict(rows.slice(row - int(ends[which]) + len(rows), 1).to_pylist()[0])


def _nearest(runs: pa.Table, lr: float, momentum: float, seed: int) -> str:
    """The runs nearest to what was asked for; "" if there are none."""
    mu = 1.0 - runs["momentum"].to_numpy()
    away = np.abs(np.log(runs["lr"].to_numpy() / lr)) + np.abs(np.log(mu / (1.0 - momentum)))
    order = np.lexsort((np.abs(runs["seed"].to_numpy() - seed), away))[:NAMED]
    told = [
        f"lr {run['lr']:g}, momentum {run['momentum']:g}, seed {run['seed']}, {run['steps']} steps"
        for run in runs.take(pa.array(order)).to_pylist()
    ]
    return f"the nearest are {'; '.join(told)}" if told else ""


def _methods(runs: pa.Table) -> str:
    return f"its runs are of {', '.join(sorted(set(runs['method'].to_pylist()))) or 'no method'}"
