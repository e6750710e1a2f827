"""The store of the read model: what becomes of the records of all topics."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, select

from schemas.codec.headers import name_bytes
from schemas.errors import InvalidMessage
from schemas.events import AnyEvent, CaseErased, Event, LocationReported, PartnerErased
from schemas.outputs import ActionMessage, AlertMessage, DeadLetter, DecisionMessage
from schemas.timestamps import DAY_US
from streams.runtime.ports import TP
from surfaces.read_model.case_rows import CaseRows
from surfaces.read_model.counts import Counts
from surfaces.read_model.current_state import StoredAlertMessage, write_actions, write_alerts, write_decisions
from surfaces.read_model.database import Database
from surfaces.read_model.entries import (
    ActMessage,
    EntryReader,
    Message,
    PolicyEntry,
    ProgressEntry,
    case_of,
    message_kind,
)
from surfaces.read_model.erasure import Erasures
from surfaces.read_model.sql_store import SqlStore, published_at
from surfaces.read_model.tables import (
    VERSION,
    cases,
    facts,
    lookup,
    messages,
    metadata,
    pair,
    partners,
    progress,
    published_policies,
    reports,
)
from surfaces.read_model.writing import Numbers, Values, insert_rows, replaced, upsert
from surfaces.sink.ports import Position, Record

REPORTS_KEPT_US: Final = 7 * DAY_US
"""How long location reports are kept behind the newest record."""
PRUNED_MAX: Final = 2_000
"""Most location reports that are deleted in one write."""

_logger = logging.getLogger(__name__)


class _Stored(NamedTuple):
    """A message that is written, and its record with the number of its row."""

    seq: int
    record: Record
    message: Message
    case_no: int | None


class ReadModelStore(SqlStore):
    """Writes the read model to a database that it owns (surfaces.md, "Read model").

    `reader` says what records are, and `now_us` is the clock. Raises as `SqlStore` does.
    """

    def __init__(self, database: Database, reader: EntryReader, now_us: Callable[[], int]) -> None:
        super().__init__(database, metadata.sorted_tables, VERSION, now_us=now_us, notice=_logger.warning)
        self._reader = reader
        with database.reading() as connection:
            self._erasures = Erasures(connection, reader.locations)
            self._cases = Numbers(connection, cases.c.case_no, cases.c.case_id)
            self._partners = Numbers(connection, partners.c.partner_no, partners.c.partner_id)
            numbered = (facts, reports, messages, published_policies)
            used = [connection.scalar(select(func.max(table.c.seq))) or 0 for table in numbered]
        self._last_seq = max(self.first_seq, *used)
        self._has_erased = False
        """Whether something was deleted that may still be in the file or its journal."""

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        """Write as `SqlStore` does; after an erasure nothing of it is left on the disk."""
        super().write(records, positions)
        if self._has_erased:
            self._has_erased = not self.database.purge()

    def apply(self, connection: Connection, records: Sequence[Record]) -> Mapping[TP, int]:
        """Write rows; return how many records of each partition could not be read."""
        skipped: Counter[TP] = Counter()
        events: list[tuple[Record, AnyEvent]] = []
        found: list[tuple[Record, Message]] = []
        published: list[Record] = []
        counted: dict[int, Record] = {}
        for record in records:
            try:
                entry = self._reader.read(record)
            except InvalidMessage:  # an event is among the dead letters, a message of another version is passed over
                skipped[record.tp] += 1
                continue
            match entry:
                case Event():
                    events.append((record, entry))
                case Message():
                    found.append((record, entry))
                case PolicyEntry():
                    published.append(record)
                case ProgressEntry():
                    counted[record.tp.partition] = record
        self._write_events(connection, events)
        self._write_messages(connection, found)
        insert_rows(connection, published_policies, [self._record(record) for record in published])
        rows = [
            {"partition": number, "published_at": published_at(record), "value": record.value}
            for number, record in counted.items()
        ]
        upsert(connection, progress, rows, published_at=replaced, value=replaced)
        return skipped

    def _record(self, record: Record) -> Values:
        headers = [(name_bytes(name), value) for name, value in record.headers]
        self._last_seq += 1
        return {
            "seq": self._last_seq,
            "source_no": self.source_no(record),
            "offset": record.offset,
            "published_at": published_at(record),
            "key": record.key,
            "value": record.value,
            "headers": msgspec.msgpack.encode(headers) if headers else None,
        }

    def _write_events(self, connection: Connection, events: Sequence[tuple[Record, AnyEvent]]) -> None:
        self._erase(connection, [event for _, event in events])
        located = [
            (record, event)
            for record, event in events
            if type(event.data) is LocationReported
            and not (self._erasures.partners and self._erasures.covers_report(lookup(event.subject), event.time))
        ]
        others = (LocationReported, CaseErased, PartnerErased)
        about_cases = [each for each in events if type(each[1].data) not in others]
        names = self._partners.of(connection, {lookup(event.subject) for _, event in located})
        rows = [
            {"partner_no": names[lookup(event.subject)], "time": event.time, **self._record(record)}
            for record, event in located
        ]
        insert_rows(connection, reports, rows)
        if located:
            self._prune(connection)
        if about_cases:
            self._write_facts(connection, about_cases)

    def _erase(self, connection: Connection, events: Sequence[AnyEvent]) -> None:
        """Delete what the events say is erased."""
        cases = {lookup(each.subject): each.time for each in events if type(each.data) is CaseErased}
        if cases:
            numbers = self._cases.of(connection, set(cases))
            self._erasures.erase_cases(connection, {numbers[each]: at for each, at in cases.items()})
        until = {lookup(each.subject): each.time for each in events if type(each.data) is PartnerErased}
        if until:
            self._erasures.erase_partners(connection, until, self._partners.of(connection, set(until)))
        self._has_erased |= bool(cases or until)

    def _write_facts(self, connection: Connection, events: Sequence[tuple[Record, AnyEvent]]) -> None:
        numbers = self._cases.of(connection, {lookup(event.subject) for _, event in events})
        rows = CaseRows()
        stored = []
        for record, event in events:
            case_no = numbers[lookup(event.subject)]
            if case_no in self._erasures.cases:
                continue
            stored.append({"case_no": case_no, "type": event.type, "time": event.time, **self._record(record)})
            rows.add_fact(case_no, event)
        insert_rows(connection, facts, stored)
        counts = Counts()
        rows.write(connection, self._partners.of(connection, rows.partner_ids), counts)
        counts.write(connection)

    def _write_messages(self, connection: Connection, found: Sequence[tuple[Record, Message]]) -> None:
        new = self._new(connection, found)
        if not new:
            return
        case_ids = [self._case_id(message) for _, message in new]
        numbers = self._cases.of(connection, {lookup(case_id) for case_id in case_ids if case_id is not None})
        stored, values = [], []
        rows, counts = CaseRows(), Counts()
        for (record, message), case_id in zip(new, case_ids, strict=True):
            case_no = None if case_id is None else numbers[lookup(case_id)]
            if case_no in self._erasures.cases or (case_no is None and self._is_erased(record, message)):
                continue
            value = self._record(record)
            kind, name, outcome = _label(message)
            values.append({"kind": kind, "name": name, "message_key": _key(message), "case_no": case_no, **value})
            stored.append(_Stored(self._last_seq, record, message, case_no))
            rows.add_message(case_no, message.content, published_at(record))
            counts.add_message(kind, name, outcome, published_at(record))
        insert_rows(connection, messages, values)
        partner_nos = self._partners.of(connection, rows.partner_ids)
        rows.write(connection, partner_nos, counts)
        self._write_current(connection, stored, partner_nos, counts)
        counts.write(connection)

    def _new(self, connection: Connection, found: Iterable[tuple[Record, Message]]) -> Sequence[tuple[Record, Message]]:
        """Return the messages that are not there yet, each once; a topic that was created again may repeat some."""
        first: dict[str, tuple[Record, Message]] = {}
        for record, message in found:
            first.setdefault(_key(message), (record, message))
        for known in connection.scalars(select(messages.c.message_key).where(messages.c.message_key.in_(first))).all():
            del first[known]
        return list(first.values())

    def _is_erased(self, record: Record, message: Message) -> bool:
        letter = message.content
        return isinstance(letter, DeadLetter) and self._erasures.covers(letter, published_at(record))

    def _case_id(self, message: Message) -> str | None:
        """Return the case that a message is about, None if it is about none."""
        match message.content:
            case DecisionMessage() | ActionMessage() as content:
                return content.body.case_id
            case AlertMessage() as content:
                return content.subject if content.about == "case" else None
            case DeadLetter() as letter:
                return case_of(letter, self._reader.locations)
            case _:
                return None

    def _write_current(
        self, connection: Connection, stored: Sequence[_Stored], partner_nos: Mapping[str, int], counts: Counts
    ) -> None:
        decided, acted, alerted = [], [], []
        for seq, record, message, case_no in stored:
            match message.content:
                case DecisionMessage() as content if case_no is not None:
                    decided.append((case_no, content))
                case ActionMessage() as content if case_no is not None:
                    acted.append((case_no, content))
                case AlertMessage() as content:
                    alerted.append(StoredAlertMessage(seq, published_at(record), case_no, content))
        write_decisions(connection, decided, partner_nos, counts)
        write_actions(connection, acted, counts)
        write_alerts(connection, alerted, partner_nos)

    def _prune(self, connection: Connection) -> None:
        """Delete some location reports that are too old; they were written in about the order of their age."""
        before = self.newest_at - REPORTS_KEPT_US
        oldest = connection.scalar(select(reports.c.published_at).order_by(reports.c.seq).limit(1))
        if oldest is None or oldest >= before:
            return
        first = select(reports.c.seq).order_by(reports.c.seq).limit(PRUNED_MAX)
        connection.execute(delete(reports).where(reports.c.seq.in_(first), reports.c.published_at < before))


def _key(message: Message) -> str:
    return pair(message_kind(message.content), message.id)


def _label(message: Message) -> tuple[str, str, str]:
    """Return kind, name and outcome of a message's row."""
    name = outcome = ""
    match message.content:
        case DecisionMessage(body=body):
            name, outcome = body.kind, body.outcome
        case ActionMessage(body=body):
            name, outcome = body.code, body.state
        case AlertMessage(body=body):
            name, outcome = body.name, body.state
        case DeadLetter() as letter:
            name = letter.cause
        case ActMessage(what=what):
            name = what
    return message_kind(message.content), lookup(name), lookup(outcome)
