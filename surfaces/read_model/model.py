"""The read model as the console asks it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Column, Connection, literal, select

from surfaces.read_model.case_list import read_cases, read_facets
from surfaces.read_model.case_page import read_case
from surfaces.read_model.database import Database
from surfaces.read_model.overview import read_causes, read_changes, read_overview, read_positions
from surfaces.read_model.partner_page import read_partner
from surfaces.read_model.positions import ReadPosition
from surfaces.read_model.stored import (
    AnyRow,
    page_key,
    read_page_key,
    select_messages,
    select_records,
    stored_act,
    stored_dead_letter,
    stored_record,
)
from surfaces.read_model.tables import (
    actions,
    alerts,
    cases,
    facets,
    is_kind,
    lookup,
    messages,
    pair,
    partners,
    policies,
    published_policies,
    sources,
    tickets,
)
from surfaces.read_model.views import (
    ActPage,
    CaseFilter,
    CasePage,
    CaseRecords,
    Cause,
    Changes,
    DeadLetterPage,
    Facets,
    Found,
    FoundKind,
    Overview,
    PartnerRecords,
    PolicySeen,
    RowKind,
    StoredDeadLetter,
    StoredRecord,
)

_PLACE: Final = re.compile(r"(?P<topic>.+)-(?P<partition>[0-9]{1,9})@(?P<offset>[0-9]{1,18})", re.ASCII)


class SqlReadModel:
    """Implements `surfaces.read_model.questions.ReadModel` over a database that a store fills."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def overview(self, now: int, *, hours: int = 24, rows: int = 50) -> Overview:
        """Return the overview at an instant."""
        with self._database.reading() as connection:
            return read_overview(connection, now, hours, rows)

    def changes(self, after: int, *, limit: int = 200) -> Changes:
        """Return the rows written after a number."""
        with self._database.reading() as connection:
            return read_changes(connection, after, limit)

    def cases(self, wanted: CaseFilter, *, before: str | None = None, limit: int = 50) -> CasePage:
        """Return a page of cases."""
        with self._database.reading() as connection:
            return read_cases(connection, wanted, before, limit)

    def facets(self) -> Facets:
        """Return the choices for the filters."""
        with self._database.reading() as connection:
            return read_facets(connection)

    def find(self, text: str, *, limit: int = 20) -> Sequence[Found]:
        """Return what has an id that begins with a text."""
        wanted = lookup(text.strip())
        if not wanted:
            return ()
        with self._database.reading() as connection:
            found = list(_found(connection, wanted, limit))
        return sorted(found, key=lambda each: each.id != wanted)[:limit]

    def case(self, case_id: str) -> CaseRecords | None:
        """Return everything that is stored of a case."""
        with self._database.reading() as connection:
            return read_case(connection, case_id)

    def partner(self, partner_id: str, *, before: str | None = None, limit: int = 50) -> PartnerRecords | None:
        """Return a partner with a page of engagements."""
        with self._database.reading() as connection:
            return read_partner(connection, partner_id, before, limit)

    def causes(self) -> Sequence[Cause]:
        """Return why records were refused."""
        with self._database.reading() as connection:
            return read_causes(connection)

    def dead_letters(self, *, cause: str | None = None, before: str | None = None, limit: int = 50) -> DeadLetterPage:
        """Return a page of refused records."""
        with self._database.reading() as connection:
            rows, next_page = _page(connection, "dead_letter", cause, before, limit)
        return DeadLetterPage(tuple(stored_dead_letter(row) for row in rows), next_page)

    def dead_letter(self, place: str) -> StoredDeadLetter | None:
        """Return a refused record by the place of its dead letter."""
        match = _PLACE.fullmatch(place)
        if match is None:
            return None
        query = select_messages().where(
            messages.c.source_no.in_(
                select(sources.c.source_no).where(
                    sources.c.topic == match["topic"], sources.c.partition == int(match["partition"])
                )
            ),
            messages.c.offset == int(match["offset"]),
            is_kind("dead_letter"),
        )
        with self._database.reading() as connection:
            row = connection.execute(query.order_by(messages.c.seq.desc()).limit(1)).one_or_none()
        return None if row is None else stored_dead_letter(row)

    def policies(self) -> Sequence[PolicySeen]:
        """Return the policies under which decisions were made."""
        query = (
            select(policies, facets.c.occurrences)
            .outerjoin_from(policies, facets, (facets.c.field == "policy") & (facets.c.value == policies.c.policy))
            .order_by(policies.c.last_at.desc(), policies.c.policy)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [PolicySeen(row.policy, row.first_at, row.last_at, row.revisions, row.occurrences or 0) for row in rows]

    def published_policies(self) -> tuple[StoredRecord, ...]:
        """Return the records of the topic of policies."""
        query = select_records(published_policies).where(sources.c.is_current)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(published_policies.c.offset)).all()
        return tuple(stored_record(row) for row in rows)

    def acts(self, *, before: str | None = None, limit: int = 50) -> ActPage:
        """Return a page of what was done in the console."""
        with self._database.reading() as connection:
            rows, next_page = _page(connection, "act", None, before, limit)
        return ActPage(tuple(stored_act(row) for row in rows), next_page)

    def positions(self) -> Sequence[ReadPosition]:
        """Return how far each partition was read."""
        with self._database.reading() as connection:
            return read_positions(connection)


def _page(
    connection: Connection, kind: RowKind, name: str | None, before: str | None, limit: int
) -> tuple[Sequence[AnyRow], str | None]:
    """Return messages of a kind, and of a name if it is given, newest first, with the key of the next page."""
    query = select_messages().where(is_kind(kind))
    if name is not None:
        query = query.where(messages.c.name == lookup(name))
    if before is not None:
        query = query.where(messages.c.seq < read_page_key(before, 1)[0])
    rows = connection.execute(query.order_by(messages.c.seq.desc()).limit(limit + 1)).all()
    return rows[:limit], page_key(rows[limit - 1].seq) if len(rows) > limit else None


def _found(connection: Connection, text: str, limit: int) -> Iterator[Found]:
    """Yield what has an id that begins with a text, so many of each kind at most."""
    for kind, column, case_no in _SEARCHED:
        query = select(column, literal(None) if case_no is None else cases.c.case_id)
        if case_no is not None and column.table is not cases:
            query = query.outerjoin_from(column.table, cases, cases.c.case_no == case_no)
        first = pair(kind, text) if column.table is messages else text
        query = query.where(column >= first, column <= f"{first}{chr(sys.maxunicode)}").order_by(column).limit(limit)
        skipped = len(first) - len(text)
        yield from (Found(kind, found[skipped:], case_id) for found, case_id in connection.execute(query))


_SEARCHED: Final[Sequence[tuple[FoundKind, Column[str], Column[int] | None]]] = (
    ("case", cases.c.case_id, cases.c.case_no),
    ("ticket", tickets.c.ticket_id, tickets.c.case_no),
    ("partner", partners.c.partner_id, None),
    ("decision", messages.c.message_key, messages.c.case_no),
    ("action", actions.c.action_id, actions.c.case_no),
    ("alert", alerts.c.alert_id, alerts.c.case_no),
)
"""What can be found: the column of its id, and the one that says to which case it belongs."""
