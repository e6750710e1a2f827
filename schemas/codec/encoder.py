"""Encodes and decodes the JSON of decisions, actions, alerts and dead letters (contracts.md, "Decisions out")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, get_args, get_type_hints
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct

from schemas.codec.canonical_json import JsonValue, canonical_json, digest32
from schemas.codec.headers import decode_headers, encode_headers
from schemas.codec.schema_ids import URN_IDS, SchemaIds
from schemas.errors import InvalidMessage
from schemas.events import Money
from schemas.outputs import (
    Act,
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
    unhashed_fields,
)
from schemas.timestamps import format_instant, read_instant

NAME_LABEL: Final = "alertname"
SEVERITY_LABEL: Final = "severity"
DEAD_LETTER_TYPE: Final = "dead-letter"
ACT_TYPE: Final = "act"
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
OUTPUT_HEADERS: Final = (("content-type", CONTENT_TYPE.encode()),)
"""The headers of every output record, by which CloudEvents SDKs recognise structured mode."""
SOURCES: Final = {
    "decision": "/sop/decisions",
    "action": "/sop/actions",
    "alert": "/sop/alerts",
    DEAD_LETTER_TYPE: "/sop/dead-letters",
    ACT_TYPE: "/sop/console",
}
"""The `source` of outputs, by the first word of their type."""
ENVELOPE_FIELDS: Final = frozenset({"body", "inputs", "asof", "subject", "time"})
"""Fields of messages and bodies that are not members of `data`."""
SORTED_FIELDS: Final = ("reasons", "clauses", "evidence", "changed", "cause")
"""Fields that are sets, written in order."""
Writer = Callable[[Any], JsonValue]  # type: ignore[explicit-any] # takes the type of its field
"""Makes the value of a field JSON-ready."""


def decision_data(body: DecisionBody) -> dict[str, JsonValue]:
    """Return the body's part of a decision's `data`: JSON-ready, lists sorted, fields that do not apply absent."""
    return _members(body)


def hashed_data(body: DecisionBody) -> dict[str, JsonValue]:
    """Return what the content hash of a body is made of."""
    data, unhashed = decision_data(body), unhashed_fields(type(body))
    return {name: value for name, value in data.items() if name not in unhashed} if unhashed else data


def content_hash(body: DecisionBody) -> str:
    """Return the 32 hexadecimal digits that identify the content of a body, the same on every machine."""
    return digest32(canonical_json(hashed_data(body)))


def decision_id(content: str, supersedes: str | None) -> str:
    """Return the id of a revision, made from its content hash and the id of the revision that it supersedes."""
    return digest32(f"{content}|{supersedes or ''}".encode())


class Difference(NamedTuple):
    """How a revision differs from the one that it supersedes."""

    changed: tuple[str, ...] = ()
    """The sorted names of the fields that differ; an absent field differs from null."""
    previous: dict[str, JsonValue] | None = None
    """What these fields were, JSON-ready, without the evidence and what was absent; None if nothing is superseded."""


def difference(old: DecisionBody | None, new: DecisionBody) -> Difference:
    """Return how a body differs from the one that it supersedes."""
    if old is None:
        return Difference()
    before, after = hashed_data(old), hashed_data(new)
    names = sorted(before.keys() | after.keys())
    changed = tuple(name for name in names if before.get(name, UNSET) != after.get(name, UNSET))
    return Difference(changed, {name: before[name] for name in changed if name in before and name != "evidence"})


def decision_key(case_id: str, *parts: str) -> str:
    """Return the parts that identify a decision as one string: percent-encoded, with `|` between them."""
    return "|".join(quote(part, safe="") for part in (case_id, *parts))


def action_id(case_id: str, partner_id: str | None, code: str, ticket_id: str | None) -> str:
    """Return the id of an action, the same in all its revisions."""
    return digest32(canonical_json([case_id, partner_id, code, ticket_id]))


def alert_id(body: AlertBody) -> str:
    """Return the id of an alert, made from its name and the labels in its key."""
    return digest32(canonical_json([body.name, {name: body.labels[name] for name in body.key if name in body.labels}]))


def alert_labels(body: AlertBody) -> dict[str, str]:
    """Return all labels of an alert by name, `alertname` and `severity` among them, as they are on the topic."""
    return dict(sorted({**body.labels, NAME_LABEL: body.name, SEVERITY_LABEL: body.severity}.items()))


def encode_message(message: OutputMessage, schema_ids: SchemaIds = URN_IDS) -> bytes:
    """Return a message as a CloudEvent in structured JSON, with its members in a fixed order."""
    if isinstance(message, DecisionMessage):
        return _encode_decision(message, schema_ids)
    if isinstance(message, ActionMessage):
        return _encode_action(message, schema_ids)
    return _encode_alert(message, schema_ids)


def encode_dead_letter(
    dead_letter: DeadLetter,
    schema_ids: SchemaIds = URN_IDS,
    *,
    time: int | None = None,
    id_topic: str | None = None,
) -> bytes:
    """Return a dead letter as a CloudEvent in structured JSON; equal arguments give equal bytes.

    `time` is the timestamp of the record in microseconds, None if it has none. `id_topic` replaces the topic in the id,
    for a topic whose name depends on the machine.
    """
    try:
        subject = (dead_letter.key or b"").decode() or None
    except UnicodeDecodeError:
        subject = None
    topic = dead_letter.topic if id_topic is None else id_topic
    message_id = digest32(canonical_json([topic, dead_letter.partition, dead_letter.offset, dead_letter.reason]))
    headers, header_names = encode_headers(dead_letter.headers)
    data = msgspec.structs.replace(dead_letter, headers=headers, header_names=header_names)
    return _envelope(DEAD_LETTER_TYPE, message_id, data, schema_ids, subject=subject, time=time)


def encode_act(act: Act, subject: str, time: int, schema_ids: SchemaIds = URN_IDS) -> bytes:
    """Return an act at an instant (microseconds) as a CloudEvent in structured JSON."""
    message_id = digest32(canonical_json([subject, msgspec.to_builtins(act), format_instant(time)]))
    return _envelope(ACT_TYPE, message_id, act, schema_ids, subject=subject, time=time)


def decode_act(value: bytes) -> tuple[Act, str, int]:
    """Return the act in the value of a record, its subject, and when it was (microseconds).

    Raises `InvalidMessage` for any other value.
    """
    try:
        envelope = _acts.decode(value)
        if envelope.type != ACT_TYPE:
            raise ValueError(f"type {envelope.type!a}")
        return envelope.data, envelope.subject, read_instant(envelope.time)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not an act ({error})") from None


def decode_message(value: bytes, bodies: Mapping[str, type[DecisionBody]]) -> OutputMessage:
    """Return the decision, action or alert in the value of a record of an output topic.

    `bodies` has the body of every known kind of decision. Raises `InvalidMessage` for any other value.
    """
    try:
        envelope = _outputs.decode(value)
        if envelope.type.startswith("decision."):
            return _decode_decision(envelope, bodies)
        if envelope.type == "action":
            return _decode_action(envelope)
        if envelope.type == "alert":
            return _decode_alert(envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not a decision, action or alert ({error})") from None
    raise InvalidMessage(f"type: {envelope.type!a} is not a decision, action or alert")


def decode_dead_letter(value: bytes) -> DeadLetter:
    """Return the dead letter in the value of a record, the names of its headers decoded.

    Raises `InvalidMessage` for any other value.
    """
    try:
        envelope = _dead_letters.decode(value)
        headers = decode_headers(envelope.data.headers, envelope.data.header_names)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: not a dead letter ({error})") from None
    if envelope.type != DEAD_LETTER_TYPE:
        raise InvalidMessage(f"type: {envelope.type!a} is not a dead letter")
    return msgspec.structs.replace(envelope.data, headers=headers, header_names=())


class _OutputEnvelope(Struct, frozen=True):
    """The members of an envelope that messages are decoded from."""

    type: str
    subject: str
    time: str
    data: dict[str, object]
    inputs: str | None = None
    asof: str | None = None


class _ActEnvelope(Struct, frozen=True):
    type: str
    subject: str
    time: str
    data: Act


class _DeadLetterEnvelope(Struct, frozen=True):
    type: str
    data: DeadLetter


_outputs: Final = msgspec.json.Decoder(_OutputEnvelope)
_acts: Final = msgspec.json.Decoder(_ActEnvelope)
_dead_letters: Final = msgspec.json.Decoder(_DeadLetterEnvelope)


def _envelope(
    message_type: str,
    message_id: str,
    data: object,
    schema_ids: SchemaIds,
    *,
    subject: str | None = None,
    time: int | None = None,
    inputs: str | None = None,
    asof: int | None = None,
) -> bytes:
    """Return a CloudEvent in structured JSON without the members that are None; instants are in microseconds."""
    members: dict[str, object] = {
        "specversion": "1.0",
        "id": message_id,
        "source": SOURCES[message_type.partition(".")[0]],
        "type": message_type,
        "subject": subject,
        "time": None if time is None else format_instant(time),
        "datacontenttype": "application/json",
        "dataschema": schema_ids[message_type],
        "inputs": inputs,
        "asof": None if asof is None else format_instant(asof),
        "data": data,
    }
    return msgspec.json.encode({name: value for name, value in members.items() if value is not None})


def _encode_decision(message: AnyDecision, schema_ids: SchemaIds) -> bytes:
    body = message.body
    members = _members(message)
    explanation = members.pop("explanation")
    return _envelope(
        f"decision.{body.kind}",
        message.decision_id,
        {**members, **decision_data(body), "explanation": explanation},
        schema_ids,
        subject=body.case_id,
        time=body.effective_at,
        inputs=message.inputs,
        asof=message.asof,
    )


def _encode_action(message: ActionMessage, schema_ids: SchemaIds) -> bytes:
    body = message.body
    members, data = _members(message), dict[str, JsonValue]()
    revision = members.pop("revision")
    for name, value in _without_none({**members, **_members(body)}).items():
        data[name] = value
        if name == "state":
            data["revision"] = revision
    data["params"] = dict(sorted(body.params.items()))
    return _envelope(
        "action",
        _message_id(data, body.time),
        data,
        schema_ids,
        subject=body.case_id,
        time=body.time,
        inputs=message.inputs,
    )


def _encode_alert(message: AlertMessage, schema_ids: SchemaIds) -> bytes:
    body = message.body
    data = _without_none({**_members(message), **_members(body)})
    data["labels"] = dict(alert_labels(body))
    return _envelope(
        "alert",
        _message_id(data, body.time),
        data,
        schema_ids,
        subject=message.subject,
        time=body.time,
        inputs=message.inputs,
    )


def _members(struct: Struct) -> dict[str, JsonValue]:
    """Return the fields of a struct that are members of `data`, JSON-ready and in order."""
    data: dict[str, JsonValue] = {"kind": struct.kind} if isinstance(struct, DecisionBody) else {}
    for name, write in _writers(type(struct)):
        value = getattr(struct, name)
        if value is not UNSET:
            data[name] = value if write is None or value is None else write(value)
    return data


@cache
def _writers(struct: type[Struct]) -> tuple[tuple[str, Writer | None], ...]:
    """Return the fields of a struct that are members of `data`, each with what makes its value JSON-ready."""
    hints = get_type_hints(struct)
    writers: dict[str, Writer] = dict.fromkeys(SORTED_FIELDS, _sorted)
    writers |= dict.fromkeys(instant_fields(struct), format_instant)
    writers |= {name: msgspec.to_builtins for name, hint in hints.items() if Money in get_args(hint)}
    return tuple((name, writers.get(name)) for name in struct.__struct_fields__ if name not in ENVELOPE_FIELDS)


def _message_id(data: dict[str, JsonValue], time: int) -> str:
    """Return an envelope id made from the complete content, so that an id never has two bodies."""
    return digest32(canonical_json([data, format_instant(time)]))


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


def _without_none(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in data.items() if value is not None}


def _decode_decision(envelope: _OutputEnvelope, bodies: Mapping[str, type[DecisionBody]]) -> AnyDecision:
    data = envelope.data
    body = bodies.get(str(data.get("kind")))
    if body is None:
        raise ValueError(f"unknown kind {data.get('kind')!a}")
    message = DecisionMessage[body]  # type: ignore[valid-type]
    asof = None if envelope.asof is None else read_instant(envelope.asof)
    envelope_members = {"inputs": envelope.inputs, "asof": asof, "type": "decision"}
    return msgspec.convert({**data, "body": _with_instants(data, body), **envelope_members}, message)


def _decode_action(envelope: _OutputEnvelope) -> ActionMessage:
    data = envelope.data
    body = {**_with_instants(data, ActionBody), "time": read_instant(envelope.time)}
    return msgspec.convert({**data, "body": body, "inputs": envelope.inputs, "type": "action"}, ActionMessage)


def _decode_alert(envelope: _OutputEnvelope) -> AlertMessage:
    data = envelope.data
    body = _with_instants(data, AlertBody)
    if isinstance(labels := data.get("labels"), dict):
        body["labels"] = {name: value for name, value in labels.items() if name not in {NAME_LABEL, SEVERITY_LABEL}}
    members = {**data, "body": body, "subject": envelope.subject, "inputs": envelope.inputs, "type": "alert"}
    return msgspec.convert(members, AlertMessage)


def _with_instants(data: Mapping[str, object], body: type[Struct]) -> dict[str, object]:
    """Return the members of a body with its instants in microseconds."""
    instants = {name: read_instant(text) for name in instant_fields(body) if isinstance(text := data.get(name), str)}
    return {**data, **instants}
