"""The JSON of decisions, actions, alerts and dead letters, written and read back (contracts, "Decisions out")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from schemas.codec.canonical_json import JsonValue, canonical_json_of_text, digest32
from schemas.codec.headers import Headers, portable, restored
from schemas.errors import InvalidMessage
from schemas.events import Money
from schemas.jsonschema.ids import schema_id
from schemas.outputs import (
    ActionMessage,
    AlertBody,
    AlertMessage,
    DeadLetter,
    DecisionBody,
    DecisionMessage,
    OutputMessage,
)
from schemas.timestamps import format_instant, read_instant

NAME_LABEL: Final = "alertname"
SEVERITY_LABEL: Final = "severity"
DEAD_LETTER_TYPE: Final = "dead-letter"

_OPTIONAL_FIELDS: Final = (
    "tag_code",
    "service_date",
    "proof_given",
    "proof_url",
    "reporting",
    "cancellation_marked",
    "counts_in_mg",
    "resolve_at",
    "proven_amount",
    "apology",
)


def decision_data(body: DecisionBody) -> dict[str, JsonValue]:
    """Return the body's part of a decision's `data`: JSON-ready, sets sorted, fields that do not apply absent."""
    data: dict[str, JsonValue] = {
        "kind": body.kind,
        "subject_of": body.subject_of,
        "case_id": body.case_id,
        "partner_id": body.partner_id,
        "status": body.status,
        "outcome": body.outcome,
        "reasons": sorted(set(body.reasons)),
        "clauses": sorted(set(body.clauses)),
        "evidence": sorted(set(body.evidence)),
        "policy": body.policy,
        "effective_at": format_instant(body.effective_at),
    }
    for name in _OPTIONAL_FIELDS:
        value: str | bool | Money | UnsetType | None = getattr(body, name)
        if value is UNSET:
            continue
        data[name] = _money(value) if isinstance(value, Money) else value
    return data


def content_hash(body: DecisionBody) -> str:
    """Return the 32 hexadecimal digits that identify what a body says, on every machine and in every run."""
    return digest32(canonical_json_of_text(decision_data(body)))


def decision_id(content: str, supersedes: str | None) -> str:
    """Return the id of a revision from its content hash and the id of the revision before it."""
    return digest32(f"{content}|{supersedes or ''}".encode())


def changed_fields(old: DecisionBody, new: DecisionBody) -> tuple[str, ...]:
    """Return the sorted names of the fields of a body that differ from the one it supersedes, absent ones included."""
    before, after = decision_data(old), decision_data(new)
    names = sorted(before.keys() | after.keys())
    return tuple(name for name in names if before.get(name, UNSET) != after.get(name, UNSET))


def action_id(case_id: str, partner_id: str | None, code: str, ticket_id: str | None) -> str:
    """Return the id of an action, the same in all its revisions."""
    return digest32(canonical_json_of_text([case_id, partner_id, code, ticket_id]))


def alert_id(body: AlertBody) -> str:
    """Return the id of an alert, the same while its name and the members of its key are the same."""
    return digest32(
        canonical_json_of_text([body.name, {name: body.labels[name] for name in body.key if name in body.labels}])
    )


def encode_message(message: OutputMessage) -> bytes:
    """Return a message as it goes out: a CloudEvent in structured JSON, its members in a fixed order."""
    if isinstance(message, DecisionMessage):
        return _decision(message)
    if isinstance(message, ActionMessage):
        return _action(message)
    return _alert(message)


def dead_letter_message(  # noqa: PLR0913 - a letter has so many parts
    *,
    topic: str,
    partition: int,
    offset: int,
    reason: str,
    value: bytes | None,
    key: bytes | None,
    time: int | None = None,
    headers: Headers = (),
    known_as: str | None = None,
    value_bytes: int | None = None,
) -> bytes:
    """Return a refused record as a CloudEvent in structured JSON, the same bytes for the same record and reason.

    `time` is when the record was taken in (microseconds; None where nothing says so); `headers` are needed to redrive a
    record in binary content mode; `known_as` is what the id is made from instead of a topic whose name is not the same
    everywhere; `value_bytes` is how many bytes the value had of a record that is cut.
    """
    shown, names = portable(headers)
    letter = DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        reason=reason,
        value=value,
        key=key,
        headers=shown,
        header_names=names,
        value_bytes=UNSET if value_bytes is None else value_bytes,
    )
    try:
        subject = (key or b"").decode() or None
    except UnicodeDecodeError:
        subject = None
    message_id = digest32(canonical_json_of_text([topic if known_as is None else known_as, partition, offset, reason]))
    return _envelope(DEAD_LETTER_TYPE, "/sop/dead-letters", message_id, letter, subject=subject, time=time)


def decode_message(value: bytes) -> OutputMessage:
    """Return the decision, action or alert that a record of an output topic holds.

    Raises `InvalidMessage` for anything else.
    """
    try:
        published = _published.decode(value)
        if published.type.startswith("decision."):
            return _read_decision(published)
        if published.type == "action":
            return _read_action(published)
        if published.type == "alert":
            return _read_alert(published)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not a message of ours ({error})") from None
    raise InvalidMessage(f"type: {published.type!a} is not a decision, action or alert")


def decode_dead_letter(value: bytes) -> DeadLetter:
    """Return the dead letter that a record of the topic holds, the names of its headers as they came.

    Raises `InvalidMessage` for anything else.
    """
    try:
        read = _dead_letters.decode(value)
        headers = restored(read.data.headers, read.data.header_names)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not a dead letter ({error})") from None
    if read.type != DEAD_LETTER_TYPE:
        raise InvalidMessage(f"type: {read.type!a} is not a dead letter")
    return msgspec.structs.replace(read.data, headers=headers, header_names=())


class _Published(Struct, frozen=True):
    """The members of an envelope that a message is made from."""

    type: str
    subject: str
    time: str
    data: dict[str, object]
    inputs: str | None = None


class _DeadLetterEnvelope(Struct, frozen=True):
    type: str
    data: DeadLetter


_published: Final = msgspec.json.Decoder(_Published)
_dead_letters: Final = msgspec.json.Decoder(_DeadLetterEnvelope)


def _envelope(
    message_type: str,
    source: str,
    message_id: str,
    data: object,
    *,
    subject: str | None = None,
    time: int | None = None,
    inputs: str | None = None,
) -> bytes:
    """Return a CloudEvent in structured JSON; what is None is absent, `time` is in microseconds."""
    members: dict[str, object] = {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "type": message_type,
        "subject": subject,
        "time": None if time is None else format_instant(time),
        "datacontenttype": "application/json",
        "dataschema": schema_id(message_type),
        "inputs": inputs,
        "data": data,
    }
    return msgspec.json.encode({name: value for name, value in members.items() if value is not None})


def _decision(message: DecisionMessage) -> bytes:
    body = message.body
    data: dict[str, JsonValue] = {
        "decision_id": message.decision_id,
        "content_hash": message.content_hash,
        "revision": message.revision,
        "supersedes": message.supersedes,
        "changed": sorted(message.changed),
        **decision_data(body),
        "explanation": message.explanation,
    }
    return _envelope(
        f"decision.{body.kind}",
        "/sop/decisions",
        message.decision_id,
        data,
        subject=body.case_id,
        time=body.effective_at,
        inputs=message.inputs,
    )


def _action(message: ActionMessage) -> bytes:
    body = message.body
    data: dict[str, JsonValue] = {
        "action_id": message.action_id,
        "code": body.code,
        "params": dict(sorted(body.params.items())),
        "case_id": body.case_id,
        **_known(partner_id=body.partner_id, ticket_id=body.ticket_id),
        "state": body.state,
        "revision": message.revision,
        "clauses": sorted(set(body.clauses)),
        "evidence": sorted(set(body.evidence)),
        **_known(due_at=None if body.due_at is None else format_instant(body.due_at)),
    }
    return _envelope(
        "action",
        "/sop/actions",
        _message_id(data, body.time),
        data,
        subject=body.case_id,
        time=body.time,
        inputs=message.inputs,
    )


def _alert(message: AlertMessage) -> bytes:
    body = message.body
    data: dict[str, JsonValue] = {
        "alert_id": message.alert_id,
        "name": body.name,
        "severity": body.severity,
        "state": body.state,
        "key": list(body.key),
        "labels": dict(sorted({**body.labels, NAME_LABEL: body.name, SEVERITY_LABEL: body.severity}.items())),
        "summary": body.summary,
        "evidence": sorted(set(body.evidence)),
        "starts_at": format_instant(body.starts_at),
        **_known(ends_at=None if body.ends_at is None else format_instant(body.ends_at)),
    }
    resolved_at = body.ends_at if body.state == "resolved" else None
    time = body.starts_at if resolved_at is None else resolved_at
    return _envelope(
        "alert",
        "/sop/alerts",
        _message_id(data, time),
        data,
        subject=message.subject,
        time=time,
        inputs=message.inputs,
    )


def _message_id(data: dict[str, JsonValue], time: int) -> str:
    """Return an envelope id made from all that is said, so that one id can never have two bodies."""
    return digest32(canonical_json_of_text([data, format_instant(time)]))


def _known(**members: str | None) -> dict[str, JsonValue]:
    return {name: value for name, value in members.items() if value is not None}


def _money(money: Money) -> dict[str, JsonValue]:
    return {"amount": money.amount, "currency": money.currency}


def _read_decision(published: _Published) -> DecisionMessage:
    data = published.data
    body = {**data, "effective_at": _instant(data, "effective_at")}
    return msgspec.convert({**data, "body": body, "inputs": published.inputs, "type": "decision"}, DecisionMessage)


def _read_action(published: _Published) -> ActionMessage:
    data = published.data
    body = {**data, "time": read_instant(published.time), "due_at": _instant(data, "due_at")}
    return msgspec.convert({**data, "body": body, "inputs": published.inputs, "type": "action"}, ActionMessage)


def _read_alert(published: _Published) -> AlertMessage:
    data = published.data
    labels = data.get("labels")
    body = {
        **data,
        "labels": {name: value for name, value in labels.items() if name not in {NAME_LABEL, SEVERITY_LABEL}}
        if isinstance(labels, dict)
        else labels,
        "starts_at": _instant(data, "starts_at"),
        "ends_at": _instant(data, "ends_at"),
    }
    members = {**data, "body": body, "subject": published.subject, "inputs": published.inputs, "type": "alert"}
    return msgspec.convert(members, AlertMessage)


def _instant(data: Mapping[str, object], name: str) -> int | None:
    """Return the instant that a member holds as text, None if it is absent."""
    text = data.get(name)
    return read_instant(text) if isinstance(text, str) else None
