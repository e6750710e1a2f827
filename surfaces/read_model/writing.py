"""Statements that write many rows at once, in either database, and the numbers of cases and partners."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Table, case, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

Values = Mapping[str, Any]
Merge = Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[Any]]
"""Makes a column's value of the present one and the added one."""
NAMES_MAX: Final = 100_000
"""Most names whose numbers are kept in memory."""


def added(present: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    """Add up."""
    return present + new


def earliest(present: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    """Keep the smaller one."""
    return case((new < present, new), else_=present)


def latest(present: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    """Keep the larger one."""
    return case((new > present, new), else_=present)


def either(present: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    """Keep what is true."""
    return present | new


def replaced(_: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    """Take the new one."""
    return new


def insert_rows(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows, all with the same columns."""
    if rows:
        connection.execute(insert(table), rows)


def upsert(connection: Connection, table: Table, rows: Sequence[Values], **merges: Merge) -> None:
    """Insert rows; of one whose primary key is there, only the columns named are merged."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    keys = list(table.primary_key.columns)
    if merges:
        values = {name: merge(table.c[name], statement.excluded[name]) for name, merge in merges.items()}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=values)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, rows)


class Numbers:
    """The numbers of names in a table, which gets the names that it lacks."""

    def __init__(self, connection: Connection, number: Column[int], name: Column[str]) -> None:
        self._number = number
        self._name = name
        self._known: dict[str, int] = {}
        self._next = (connection.scalar(select(func.max(number))) or 0) + 1

    def of(self, connection: Connection, names: Iterable[str]) -> Mapping[str, int]:
        """Return the number of each name; names have passed `lookup`."""
        wanted = set(names)
        if len(self._known) + len(wanted) > NAMES_MAX:
            self._known.clear()
        unknown = wanted - self._known.keys()
        if unknown:
            found = connection.execute(select(self._name, self._number).where(self._name.in_(unknown)))
            self._known.update((name, number) for name, number in found)
            new = {name: self._next + at for at, name in enumerate(sorted(unknown - self._known.keys()))}
            self._next += len(new)
            rows = [{self._number.name: number, self._name.name: name} for name, number in new.items()]
            insert_rows(connection, self._name.table, rows)
            self._known |= new
        return self._known
