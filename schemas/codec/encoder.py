"""The JSON of decisions, actions, alerts and dead letters, written and read back (contracts, "Decisions out")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from schemas.codec.canonical_json import JsonValue, canonical_json, digest32
from schemas.codec.headers import Headers, decode_headers, encode_headers
from schemas.errors import InvalidMessage
from schemas.events import Money
from schemas.outputs import (
    ActionBody,
    ActionMessage,
    AlertBody,
    AlertMessage,
    AnyDecision,
    DeadLetter,
    DecisionBody,
    DecisionMessage,
    OutputMessage,
    instant_fields,
)
from schemas.timestamps import format_instant, read_instant

NAME_LABEL: Final = "alertname"
SEVERITY_LABEL: Final = "severity"
DEAD_LETTER_TYPE: Final = "dead-letter"
SCHEMA_VERSION: Final = 1
"""Increased by a change that existing consumers could not read; additions keep it."""
IN_THE_ENVELOPE: Final = frozenset({"body", "inputs", "subject", "time"})
"""Members of messages and bodies that are no members of `data`."""


def schema_id(name: str) -> str:
    """Return the `$id` of a published JSON Schema: that of a message type's data, or another document's."""
    return f"urn:sop-streams:schema:{name}:{SCHEMA_VERSION}"


def decision_data(body: DecisionBody) -> dict[str, JsonValue]:
    """Return the body's part of a decision's `data`: JSON-ready, lists sorted, fields that do not apply absent."""
    data = _members(body)
    for name in ("reasons", "clauses", "evidence"):
        data[name] = _sorted(data[name])
    return data


def content_hash(body: DecisionBody) -> str:
    """Return the 32 hexadecimal digits that identify what a body says, on every machine and in every run."""
    return digest32(canonical_json(decision_data(body)))


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
    return digest32(canonical_json([case_id, partner_id, code, ticket_id]))


def alert_id(body: AlertBody) -> str:
    """Return the id of an alert, the same while its name and the members of its key are the same."""
    return digest32(canonical_json([body.name, {name: body.labels[name] for name in body.key if name in body.labels}]))


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
    id_topic: str | None = None,
    value_bytes: int | None = None,
) -> bytes:
    """Return a refused record as a CloudEvent in structured JSON, the same bytes for the same record and reason.

    `time` is when the record was taken in (microseconds; None where nothing says so); `headers` are needed to redrive a
    record in binary content mode; `id_topic` is what the id is made from instead of a topic whose name is not the same
    everywhere; `value_bytes` is how many bytes the value had of a record that is cut.
    """
    shown, names = encode_headers(headers)
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
    message_id = digest32(canonical_json([topic if id_topic is None else id_topic, partition, offset, reason]))
    return _envelope(DEAD_LETTER_TYPE, "/sop/dead-letters", message_id, letter, subject=subject, time=time)


def decode_message(value: bytes, bodies: Mapping[str, type[DecisionBody]]) -> OutputMessage:
    """Return the decision, action or alert that a record of an output topic holds.

    `bodies` are those of the known kinds of decision. Raises `InvalidMessage` for anything else.
    """
    try:
        published = _published.decode(value)
        if published.type.startswith("decision."):
            return _read_decision(published, bodies)
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
        headers = decode_headers(read.data.headers, read.data.header_names)
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


def _decision(message: AnyDecision) -> bytes:
    body = message.body
    members = _members(message)
    explanation = members.pop("explanation")
    members["changed"] = _sorted(members["changed"])
    return _envelope(
        f"decision.{body.kind}",
        "/sop/decisions",
        message.decision_id,
        {**members, **decision_data(body), "explanation": explanation},
        subject=body.case_id,
        time=body.effective_at,
        inputs=message.inputs,
    )


def _action(message: ActionMessage) -> bytes:
    body = message.body
    members, data = _members(message), dict[str, JsonValue]()
    revision = members.pop("revision")
    for name, value in _without_none({**members, **_members(body)}).items():
        data[name] = _sorted(value) if name in {"clauses", "evidence"} else value
        if name == "state":
            data["revision"] = revision
    data["params"] = dict(sorted(body.params.items()))
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
    data = _without_none({**_members(message), **_members(body)})
    data["labels"] = dict(sorted({**body.labels, NAME_LABEL: body.name, SEVERITY_LABEL: body.severity}.items()))
    data["evidence"] = _sorted(data["evidence"])
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


def _members(struct: Struct) -> dict[str, JsonValue]:
    """Return the members of a struct as JSON has them, in their order, without those that the envelope has."""
    data: dict[str, JsonValue] = {"kind": struct.kind} if isinstance(struct, DecisionBody) else {}
    instants = instant_fields(type(struct))
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if value is UNSET or name in IN_THE_ENVELOPE:
            continue
        if isinstance(value, Money):
            value = {"amount": value.amount, "currency": value.currency}
        data[name] = format_instant(value) if name in instants and value is not None else value
    return data


def _message_id(data: dict[str, JsonValue], time: int) -> str:
    """Return an envelope id made from all that is said, so that one id can never have two bodies."""
    return digest32(canonical_json([data, format_instant(time)]))


def _sorted(names: JsonValue) -> JsonValue:
    return sorted({str(name) for name in names}) if isinstance(names, Sequence) else names


def _without_none(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in data.items() if value is not None}


def _read_decision(published: _Published, bodies: Mapping[str, type[DecisionBody]]) -> AnyDecision:
    data = published.data
    body = bodies.get(str(data.get("kind")))
    if body is None:
        raise ValueError(f"unknown kind {data.get('kind')!a}")
    message = DecisionMessage[body]  # type: ignore[valid-type]
    members = {**data, "body": _with_instants(data, body), "inputs": published.inputs, "type": "decision"}
    return msgspec.convert(members, message)


def _read_action(published: _Published) -> ActionMessage:
    data = published.data
    body = {**_with_instants(data, ActionBody), "time": read_instant(published.time)}
    return msgspec.convert({**data, "body": body, "inputs": published.inputs, "type": "action"}, ActionMessage)


def _read_alert(published: _Published) -> AlertMessage:
    data = published.data
    body = _with_instants(data, AlertBody)
    if isinstance(labels := data.get("labels"), dict):
        body["labels"] = {name: value for name, value in labels.items() if name not in {NAME_LABEL, SEVERITY_LABEL}}
    members = {**data, "body": body, "subject": published.subject, "inputs": published.inputs, "type": "alert"}
    return msgspec.convert(members, AlertMessage)


def _with_instants(data: Mapping[str, object], body: type[Struct]) -> dict[str, object]:
    """Return the members of a body with its instants in microseconds."""
    instants = {name: read_instant(text) for name in instant_fields(body) if isinstance(text := data.get(name), str)}
    return {**data, **instants}
