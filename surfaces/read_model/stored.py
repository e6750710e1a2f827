"""Rows of the database as views, and the keys of pages."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
from msgspec import structs
from sqlalchemy import Row as SqlRow
from sqlalchemy import Select, Table, select

from schemas.codec.headers import Headers
from schemas.errors import UsageError
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision, DeadLetter, DecisionMessage, OutputMessage
from streams.runtime.ports import Place
from surfaces.read_model.entries import ActMessage, read_message
from surfaces.read_model.tables import decisions, messages, partners, sources
from surfaces.read_model.views import (
    Act,
    DecisionSummary,
    Row,
    RowKind,
    StoredAction,
    StoredAlert,
    StoredDeadLetter,
    StoredDecision,
    StoredRecord,
)

NUMBER_MAX: Final = 2**63 - 1
Content = OutputMessage | DeadLetter | ActMessage
AnyRow = SqlRow[Any]


def select_records(table: Table) -> Select[Any]:
    """Return the query for the rows of a table with where their records are."""
    return select(table, sources.c.topic, sources.c.partition).join_from(
        table, sources, table.c.source_no == sources.c.source_no
    )


def select_messages() -> Select[Any]:
    """Return the query for messages with where their records are."""
    return select_records(messages)


def stored_record(row: AnyRow) -> StoredRecord:
    """Return the record in a row that has its columns, and topic and partition of its source."""
    headers: Headers = ()
    if row.headers is not None:
        packed = _headers.decode(row.headers)
        headers = tuple((name.decode("utf-8", "surrogateescape"), value) for name, value in packed)
    place = Place(row.topic, row.partition, row.offset)
    return StoredRecord(place, row.published_at, row.key, row.value, headers)


_headers: Final = msgspec.msgpack.Decoder(list[tuple[bytes, bytes | None]])


def content_of(row: AnyRow) -> Content:
    """Return the message in a row of `messages`, which could be read when it was written."""
    return read_message(row.kind, row.value or b"")


def stored_decision(row: AnyRow) -> StoredDecision:
    """Return the decision in a row of `messages`."""
    return StoredDecision(row.seq, cast("AnyDecision", content_of(row)), stored_record(row))


def stored_action(row: AnyRow) -> StoredAction:
    """Return the action in a row of `messages`."""
    return StoredAction(row.seq, cast("ActionMessage", content_of(row)), stored_record(row))


def stored_alert(row: AnyRow) -> StoredAlert:
    """Return the alert in a row of `messages`."""
    return StoredAlert(row.seq, cast("AlertMessage", content_of(row)), stored_record(row))


def stored_dead_letter(row: AnyRow) -> StoredDeadLetter:
    """Return the dead letter in a row of `messages`."""
    return StoredDeadLetter(row.seq, cast("DeadLetter", content_of(row)), stored_record(row))


def stored_act(row: AnyRow) -> Act:
    """Return the act in a row of `messages`."""
    act = cast("ActMessage", content_of(row))
    return Act(seq=row.seq, record=stored_record(row), **structs.asdict(act))


def live_row(row: AnyRow) -> Row:
    """Return a row of `messages` as a line of the live view."""
    content = content_of(row)
    kind: RowKind = row.kind
    place = Place(row.topic, row.partition, row.offset)
    base: dict[str, Any] = {"seq": row.seq, "kind": kind, "place": place, "published_at": row.published_at}
    match content:
        case DecisionMessage(body=body):
            return Row(
                **base,
                time=body.effective_at,
                subject=body.case_id,
                name=body.kind,
                outcome=body.outcome,
                status=body.status,
                id=content.decision_id,
                partner_id=body.partner_id,
                reasons=body.reasons,
                clauses=body.clauses,
                revision=content.revision,
            )
        case ActionMessage(body=body):
            return Row(
                **base,
                time=body.time,
                subject=body.case_id,
                name=body.code,
                outcome=body.state,
                id=content.action_id,
                partner_id=body.partner_id,
                clauses=body.clauses,
                revision=content.revision,
            )
        case AlertMessage(body=body):
            return Row(
                **base,
                time=body.time,
                subject=content.subject,
                name=body.name,
                outcome=body.state,
                status=body.severity,
                id=content.alert_id,
                about=content.about,
                partner_id=body.labels.get("partner_id"),
            )
        case DeadLetter():
            return Row(
                **base,
                time=row.published_at,
                subject=(content.key or b"").decode(errors="replace"),
                name=content.cause,
                outcome=content.reason,
                id=f"{content.topic}-{content.partition}@{content.offset}",
            )
        case ActMessage():
            return Row(**base, time=content.time, subject=content.subject, name=content.what, outcome=content.who)


def select_decisions() -> Select[Any]:
    """Return the query for the last revisions of decisions with the ids of their partners."""
    return select(decisions, partners.c.partner_id).outerjoin_from(
        decisions, partners, decisions.c.partner_no == partners.c.partner_no
    )


def decision_summary(row: AnyRow) -> DecisionSummary:
    """Return a row of `select_decisions` as a summary."""
    return DecisionSummary(
        decision_id=row.decision_id,
        decision_key=row.decision_key,
        kind=row.kind,
        subject_of=row.subject_of,
        partner_id=row.partner_id,
        outcome=row.outcome,
        status=row.status,
        revision=row.revision,
        reasons=tuple(row.reasons.split()),
        clauses=tuple(row.clauses.split()),
        effective_at=row.effective_at,
    )


def page_key(*numbers: int) -> str:
    """Return the numbers by which the last row of a page is ordered, as the key of the next page."""
    return "-".join(map(str, numbers))


def read_page_key(key: str, count: int) -> tuple[int, ...]:
    """Return the numbers in a page key; raises `UsageError` for anything that is no such key."""
    parts = key.split("-")
    if len(parts) != count or not all(part.isascii() and part.isdecimal() and len(part) <= 19 for part in parts):
        raise UsageError(f"{key!a} is no page")
    return tuple(min(int(part), NUMBER_MAX) for part in parts)
