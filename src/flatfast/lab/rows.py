"""One row per run: the columns, and what tells one run from another."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flatfast.lab.atomic import atomically

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
    return list(zip(*(table[name].to_pylist() for name in KEY), strict=True))


def each_once(table: pa.Table) -> pa.Table:
    """The first row of every run, in the table's order."""
    numbered = table.select(KEY).append_column("row", pa.array(np.arange(len(table))))
    first = numbered.group_by(list(KEY)).aggregate([("row", "min")])["row_min"]
    return table if len(first) == len(table) else table.take(np.sort(first.to_numpy()))


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
