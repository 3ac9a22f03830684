"""One row per run: the columns, and what tells one run from another."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flatfast.lab.atomic import atomically
from flatfast.lab.trajectories import METRIC

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

SCALARS = tuple(name for name, kind in COLUMNS.items() if not pa.types.is_list(kind))
"""Those that are no lists: all but the trajectories."""

KEY = ("method", "lr", "momentum", "seed", "steps")
"""Columns that tell one run of a sweep from another."""

MADE_ON = b"made on"
"""Key of a table's metadata, where rows come from another process: machine and versions, JSON."""

Key = tuple[str, float, float, int, int]


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


def keys(table: pa.Table) -> set[Key]:
    """The keys of a table's runs."""
    return set(key_rows(table))


def key_rows(table: pa.Table) -> list[Key]:
    """The keys of a table's runs, row by row."""
    return list(zip(*(_shared(table[name]) for name in KEY), strict=True))


def _shared(column: pa.ChunkedArray) -> list[Any]:
    """A column's values, one object for all that are equal: a million runs have few of them."""
    coded = column.combine_chunks().dictionary_encode()
    values = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    return list(values[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def each_once(table: pa.Table) -> pa.Table:
    """The first row of every run, in the table's order."""
    numbered = table.select(KEY).append_column("row", pa.array(np.arange(len(table))))
    first = numbered.group_by(list(KEY)).aggregate([("row", "min")])["row_min"]
    return table if len(first) == len(table) else table.take(np.sort(first.to_numpy()))


def put_together(parts: list[pa.Table]) -> pa.Table:
    """All rows of several tables, each run once, sorted by their keys.

    Column by column, and the parts are let go: so there is little more than one copy at a time.

    Args:
        parts: Tables; the list is emptied. A run that stands in two is taken from the first.
    """
    table = each_once(pa.concat_tables(parts, promote_options="default"))
    parts.clear()
    order = pc.sort_indices(table.select(KEY), [(name, "ascending") for name in KEY])
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        table = table.drop_columns([name])
        columns[name] = column.take(order)
    return pa.table(columns)


def no_rows() -> pa.Table:
    """A table of no runs."""
    return pa.schema(list(COLUMNS.items())).empty_table()


def export_runs(table: pa.Table, path: Path) -> None:
    """Write one row per run, without the recorded trajectories."""
    lists = [name for name in table.column_names if pa.types.is_list(table.schema.field(name).type)]
    sink = pa.BufferOutputStream()  # Arrow takes no path that is not UTF-8
    pq.write_table(table.drop_columns(lists), sink, compression="zstd")
    with atomically(path) as partial:
        partial.write_bytes(sink.getvalue())
