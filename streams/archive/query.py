"""Runs SQL over an archive, in DuckDB."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Final

import duckdb
import pyarrow.dataset as ds

from schemas.errors import UsageError
from streams.archive.folder import ArchiveFolder
from streams.archive.records import SCHEMA

ALL: Final = "records"
"""The view over all topics; each topic has one of its own name."""
_ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The names of the columns, and the rows."""

    columns: Sequence[str]
    rows: Iterator[tuple[object, ...]]


def query_archive(folder: ArchiveFolder, sql: str) -> QueryResult:
    """Return what a query finds; it can read nothing but the archive.

    The view `records` has the columns of all files, and `text`: the value as text, null if it is none. Raises
    `UsageError` for a query that DuckDB refuses, `Unavailable` if the folder cannot be listed.
    """
    database = duckdb.connect(config={"enable_external_access": "false", "python_enable_replacements": "false"})
    paths: dict[str, list[str]] = {}
    for name in folder.names():
        paths.setdefault(name.topic, []).append(folder.path(name.path))
    for topic, files in paths.items():
        dataset = ds.dataset(files, schema=SCHEMA, format="parquet", filesystem=folder.files)
        database.register(f"{topic} files", dataset)
        database.table(f"{topic} files").project("*, TRY(decode(value)) AS text").create_view(topic)
    if views := [database.view(topic) for topic in paths]:
        reduce(duckdb.DuckDBPyRelation.union, views).create_view(ALL)
    try:
        found = database.execute(sql)
        columns = [column[0] for column in found.description or ()]
        return QueryResult(columns, _rows(found))
    except duckdb.Error as error:
        raise UsageError(f"query: {' '.join(str(error).split())}") from error


def _rows(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
    try:
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            yield from rows
    except duckdb.Error as error:
        raise UsageError(f"query: {' '.join(str(error).split())}") from error


def json_lines(result: QueryResult) -> Iterator[str]:
    """Yield each row as a JSON object; bytes are text, or base64 if they are none."""
    for row in result.rows:
        yield json.dumps(dict(zip(result.columns, map(_json_value, row), strict=True)), ensure_ascii=False)


def csv_lines(result: QueryResult) -> Iterator[str]:
    """Yield the names of the columns and each row as a line of CSV; what is no text or number is JSON."""
    yield _csv_line(result.columns)
    for row in result.rows:
        yield _csv_line([_csv_value(_json_value(each)) for each in row])


def _json_value(value: object) -> object:
    """Return a value of DuckDB as one that JSON has."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            return {str(key): _json_value(each) for key, each in value.items()}
        case list() | tuple():
            return [_json_value(each) for each in value]
    return str(value)


def _csv_value(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | bool) else value


def _csv_line(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
