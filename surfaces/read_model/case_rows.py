"""What facts and messages say about cases: city and category, partners, tickets, and when a message came last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from schemas.events import AnyEvent, JobAssigned, JobBooked, TicketCreated
from schemas.outputs import AlertMessage, DeadLetter, DecisionMessage, OutputMessage
from surfaces.read_model.counts import Counts
from surfaces.read_model.entries import ActMessage, category_of, city_of
from surfaces.read_model.tables import assignments, cases, engagements, lookup, tickets
from surfaces.read_model.writing import earliest, either, replaced, upsert

_PARTNER_FIELDS: Final = ("partner_id", "claimed_partner_id")


@dataclass(slots=True)
class _Case:
    """What is new about a case: its latest booking, and when its latest message was published."""

    booked_at: int | None = None
    city: str | None = None
    category: str | None = None
    latest_at: int | None = None


@dataclass(slots=True)
class CaseRows:
    """Collects what a batch says about cases, given by their numbers."""

    _cases: dict[int, _Case] = field(default_factory=dict)
    partner_ids: set[str] = field(default_factory=set)
    """The partners whose numbers are needed."""
    _engagements: dict[tuple[str, int], tuple[int, bool]] = field(default_factory=dict)
    _assignments: dict[tuple[int, int, str], None] = field(default_factory=dict)
    _tickets: dict[tuple[str, int], None] = field(default_factory=dict)
    _created_tickets: dict[tuple[str, int], tuple[TicketCreated, int]] = field(default_factory=dict)

    def add_fact(self, case_no: int, event: AnyEvent) -> None:
        """Take note of a fact."""
        data = event.data
        if isinstance(data, JobBooked):
            known = self._cases.setdefault(case_no, _Case())
            if known.booked_at is None or event.time >= known.booked_at:
                known.booked_at = event.time
                known.city, known.category = lookup(city_of(data)), lookup(category_of(data))
        for name in _PARTNER_FIELDS:
            if partner_id := getattr(data, name, None):
                self._engage(partner_id, case_no, event.time, is_assigned=isinstance(data, JobAssigned))
        if isinstance(data, JobAssigned):
            self._assignments[case_no, event.time, lookup(data.partner_id)] = None
        if isinstance(data, TicketCreated):
            self._created_tickets[lookup(data.ticket_id), case_no] = (data, event.time)
        elif ticket_id := getattr(data, "ticket_id", None):
            self._tickets[lookup(ticket_id), case_no] = None

    def add_message(
        self, case_no: int | None, content: OutputMessage | DeadLetter | ActMessage, published_at: int
    ) -> None:
        """Take note of a message, which may be about no case; a refused record and an act are no messages of a case."""
        if isinstance(content, AlertMessage) and (partner_id := content.body.labels.get("partner_id")):
            self.partner_ids.add(lookup(partner_id))
        if case_no is None or isinstance(content, DeadLetter | ActMessage):
            return
        known = self._cases.setdefault(case_no, _Case())
        known.latest_at = max(known.latest_at or 0, published_at)
        if isinstance(content, DecisionMessage) and content.body.partner_id:
            self._engage(content.body.partner_id, case_no, content.body.effective_at, is_assigned=False)

    def _engage(self, partner_id: str, case_no: int, time: int, *, is_assigned: bool) -> None:
        self.partner_ids.add(lookup(partner_id))
        key = (lookup(partner_id), case_no)
        first_at, was_assigned = self._engagements.get(key, (time, False))
        self._engagements[key] = (min(first_at, time), was_assigned or is_assigned)

    def write(self, connection: Connection, partner_nos: Mapping[str, int], counts: Counts) -> None:
        """Write everything; `partner_nos` has the numbers of `partner_ids`."""
        self._write_cases(connection, counts)
        rows: list[dict[str, object]] = [
            {"partner_no": partner_nos[partner_id], "case_no": case_no, "first_at": at, "is_assigned": is_assigned}
            for (partner_id, case_no), (at, is_assigned) in self._engagements.items()
        ]
        upsert(connection, engagements, rows, first_at=earliest, is_assigned=either)
        rows = [
            {"case_no": case_no, "time": time, "partner_no": partner_nos[partner_id]}
            for case_no, time, partner_id in self._assignments
        ]
        upsert(connection, assignments, rows)
        rows = [
            {"ticket_id": ticket_id, "case_no": case_no, "kind": "", "time": 0, "partner_no": None}
            for ticket_id, case_no in self._tickets
        ]
        upsert(connection, tickets, rows)
        rows = [
            {
                "ticket_id": ticket_id,
                "case_no": case_no,
                "kind": data.kind,
                "time": time,
                "partner_no": partner_nos[lookup(data.partner_id)] if data.partner_id else None,
            }
            for (ticket_id, case_no), (data, time) in self._created_tickets.items()
        ]
        upsert(connection, tickets, rows, kind=replaced, time=replaced, partner_no=replaced)

    def _write_cases(self, connection: Connection, counts: Counts) -> None:
        """Write what has changed, and count cases with messages by city and category."""
        if not self._cases:
            return
        columns = (cases.c.case_no, cases.c.city, cases.c.category, cases.c.booked_at, cases.c.latest_at)
        rows = []
        for number, *known in connection.execute(select(*columns).where(cases.c.case_no.in_(self._cases))):
            new, (city, category, booked_at, latest_at) = self._cases[number], known
            if new.booked_at is None or (booked_at is not None and booked_at > new.booked_at):
                new.city, new.category, new.booked_at = city, category, booked_at
            if latest_at is None and new.latest_at is not None:
                counts.change("cases", "", 1)
            if latest_at is not None:
                counts.change("city", city, -1)
                counts.change("category", category, -1)
                new.latest_at = max(new.latest_at or 0, latest_at)
            if new.latest_at is not None:
                counts.change("city", new.city, 1)
                counts.change("category", new.category, 1)
            values = {"new_city": new.city, "new_category": new.category, "new_booked_at": new.booked_at}
            rows.append({"number": number, **values, "new_latest_at": new.latest_at})
        connection.execute(_UPDATE, rows)


_UPDATE: Final = (
    update(cases)
    .where(cases.c.case_no == bindparam("number"))
    .values(
        city=bindparam("new_city"),
        category=bindparam("new_category"),
        booked_at=bindparam("new_booked_at"),
        latest_at=bindparam("new_latest_at"),
    )
)
