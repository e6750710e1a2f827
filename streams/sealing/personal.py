"""What is personal in a record, and whose it is: the one table that archive, erasure and read model go by.

A record is walked in the same way whether its personal parts are sealed or opened, since nothing that the walk depends
on is itself sealed.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from agents.presence.queries import PresenceAnswer
from schemas.codec.decoder import EventAttributes, is_binary, read_attributes
from schemas.codec.headers import Headers
from schemas.events import EVENT_TYPES, LOCATION_REPORT
from schemas.topics import CASES, DEAD_LETTERS, INPUTS, LOCATIONS, POLICIES, TOPIC_OF_TYPE
from streams.archive.records import ArchivedRecord
from streams.sealing.json_members import Member, is_object, members

SUBJECT: Final = "subject"
"""Whoever the record is about: its partner if it is a location report, else its case."""
NOBODY: Final = "nobody"
"""Who has what cannot be attributed: no case and no partner is known."""
CUSTOMER: Final = "customer"
"""A name of whom the case is, not sealed under a key of its own."""

PERSONAL: Final[Mapping[str, Mapping[str, str]]] = {
    "job.booked": {"customer_id": CUSTOMER, "site": SUBJECT},
    "job.line_item_added": {"description": SUBJECT},
    LOCATION_REPORT: {"lat": SUBJECT, "lon": SUBJECT},
    "ticket.media_added": {"url": SUBJECT},
    "ticket.partner_identified": {"name": "partner_id", "phone": "partner_id"},
    "ticket.payment_proof_added": {
        "proof_url": SUBJECT,
        "payee_name": "claimed_partner_id",
        "payee_phone": "claimed_partner_id",
    },
}
"""The personal fields of each event type, and whose they are: the subject's, or the partner's whom a field names."""


class Visitor(Protocol):
    """What is done with the personal parts of records."""

    def replace(self, person: str, part: bytes) -> bytes:
        """Return what stands in the place of a part, a JSON value or the whole value of a record."""

    def link(self, person: str, case_id: str) -> None:
        """Take note that a case has personal data of a customer or partner."""


class _Shape(NamedTuple):
    """Whose the members of an object are: a person, none, or one for each of its own members."""

    members: Mapping[str, str | _Shape | None]
    others: str | None
    """Whose all other members are, and the value itself if it is not an object."""


def partner(partner_id: str) -> str:
    """Return the name of a partner as a person."""
    return f"partner:{partner_id.strip()}"


def case(case_id: str) -> str:
    """Return the name of the customer of a case as a person: their key is the case's."""
    return f"case:{case_id.strip()}"


def customer(customer_id: str) -> str:
    """Return the name of a customer as a person."""
    return f"customer:{customer_id.strip()}"


def is_customer(person: str) -> bool:
    """Return whether a person is a customer."""
    return person.startswith(customer(""))


def visit(topic: str, record: ArchivedRecord, visitor: Visitor) -> ArchivedRecord:
    """Return a record of a topic, of any prefix, with its personal parts replaced (surfaces.md, "Erasure")."""
    if topic.endswith(CASES):
        return _visit_message(record, visitor)
    if topic.endswith(INPUTS):
        value, headers = _visit_event(topic, record.key, record.value, record.headers, visitor)
        return record._replace(value=value, headers=headers)
    if not record.value or topic.endswith(POLICIES):  # documents about nobody
        return record
    return record._replace(value=_visit_output(topic, record.key, record.value, visitor))


def _visit_message(record: ArchivedRecord, visitor: Visitor) -> ArchivedRecord:
    """Visit an answer about a partner to a case, or another message to a case, as a whole and twice.

    An answer has places of both, so it is nobody's any more once either of them was erased. A reopened case has
    whatever its facts had, of anybody.
    """
    if not record.value:
        return record
    if _REOPENED in record.value[: len(_REOPENED) + 1]:
        return record._replace(value=visitor.replace(NOBODY, record.value))
    case_id = _text(record.key)
    inner = outer = _person(case_id, of_partner=False)
    with suppress(ValueError, RecursionError):  # an event that was forwarded, or an answer that is sealed
        inner = partner(_answers.decode(record.value).answer.query.partner_id)
    if case_id and inner != outer:
        visitor.link(inner, case_id)
    return record._replace(value=visitor.replace(outer, visitor.replace(inner, record.value)))


def _visit_event(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers, visitor: Visitor
) -> tuple[bytes | None, Headers]:
    """Visit an event in either content mode; what is not read as one is personal as a whole."""
    attributes = read_attributes(value, headers)
    of_partner = TOPIC_OF_TYPE.get(attributes.type if attributes else "", topic).endswith(LOCATIONS)
    subject = (attributes.subject if attributes else "").strip() or _text(key)
    person = _person(subject, of_partner=of_partner)
    case_id = None if of_partner else subject
    shape = _data_shape(attributes)
    if not is_binary(headers):
        shape = _Shape({**_ATTRIBUTES, "data": shape}, SUBJECT)
    elif not value:
        headers = tuple(
            (name, visitor.replace(person, part) if part and name.lower() == _DATA_HEADER else part)
            for name, part in headers
        )
    if not value:
        return value, headers
    if not is_object(value):
        return visitor.replace(person, value), headers
    return _Walk(value, person, case_id, visitor).visited(shape), headers


def _data_shape(attributes: EventAttributes | None) -> _Shape:
    """Return whose the fields of an event's data are; what this version does not know is the subject's."""
    struct = None if attributes is None else EVENT_TYPES.get(attributes.type)
    if attributes is None or struct is None:
        return _Shape({}, SUBJECT)
    known: dict[str, str | _Shape | None] = dict.fromkeys(struct.__struct_fields__)
    return _Shape({**known, **PERSONAL.get(attributes.type, {})}, SUBJECT)


def _visit_output(topic: str, key: bytes | None, value: bytes, visitor: Visitor) -> bytes:
    """Visit a decision, action, alert or dead letter; what is not read as one is personal as a whole."""
    attributes = read_attributes(value, ())
    if not is_object(value):
        return visitor.replace(NOBODY, value)
    if topic.endswith(DEAD_LETTERS):
        return _visit_dead_letter(value, visitor)
    case_id = (attributes.subject if attributes else "").strip() or _text(key)
    return _Walk(value, case(case_id) if case_id else NOBODY, case_id, visitor).visited(_OUTPUT)


def _visit_dead_letter(value: bytes, visitor: Visitor) -> bytes:
    """Visit the refused record in a dead letter: as the event that it is, or what cannot be read of it as a whole."""
    data = next((each for each in reversed(members(value)) if each.name == "data"), None)
    if data is None or value[data.start : data.start + 1] != b"{":
        return value
    places = {each.name: each for each in members(value, data.start, data.end)}
    text = {name: value[each.start : each.end] for name, each in places.items()}
    topic, key = _string(text.get("topic", b"")), _bytes(text.get("key", b""))
    refused, headers = _bytes(text.get("value", b"")), _headers(text.get("headers", b"[]"))
    new = {}
    if refused is not None and headers is not None and b'"%b"' % b64encode(refused) == text["value"]:
        visited, _ = _visit_event(topic, key, refused, headers, visitor)
        new["value"] = b'"%b"' % b64encode(visited or b"")
    else:
        person = _person(_text(key), of_partner=topic.endswith(LOCATIONS))
        for name in ("headers", "value"):
            if text.get(name, b"null") != b"null":
                new[name] = visitor.replace(person, text[name])
    for start, end, name in sorted(((places[name].start, places[name].end, name) for name in new), reverse=True):
        value = value[:start] + new[name] + value[end:]
    return value


class _Walk:
    """Replaces the personal members of one object and of those in it; `person` is its subject."""

    def __init__(self, text: bytes, person: str, case_id: str | None, visitor: Visitor) -> None:
        self._text, self._person, self._case_id, self._visitor = text, person, case_id, visitor
        self._parts: list[bytes] = []
        self._at = 0

    def visited(self, shape: _Shape) -> bytes:
        self._visit(0, len(self._text), shape)
        self._parts.append(self._text[self._at :])
        return b"".join(self._parts)

    def _visit(self, start: int, end: int, shape: _Shape) -> None:
        found = members(self._text, start, end)
        for name, first, last in found:
            whose = shape.members.get(name, shape.others)
            if isinstance(whose, _Shape):
                if self._text[first : first + 1] == b"{":
                    self._visit(first, last, whose)
                    continue
                whose = whose.others
            if whose is not None and self._text[first:last] != b"null":
                if whose == CUSTOMER and self._case_id and (customer_id := _string(self._text[first:last])):
                    self._visitor.link(customer(customer_id), self._case_id)
                self._replace(first, last, self._named(whose, found))

    def _named(self, whose: str, found: Sequence[Member]) -> str:
        """Return the person whose a field is, the subject if the partner whom another field names cannot be read."""
        if whose in {SUBJECT, CUSTOMER}:
            return self._person
        if whose == NOBODY:
            return NOBODY
        ids = [self._text[each.start : each.end] for each in found if each.name == whose]
        partner_id = _string(ids[-1]) if ids else ""
        if not partner_id:
            return self._person
        if self._case_id:
            self._visitor.link(partner(partner_id), self._case_id)
        return partner(partner_id)

    def _replace(self, start: int, end: int, person: str) -> None:
        self._parts += (self._text[self._at : start], self._visitor.replace(person, self._text[start:end]))
        self._at = end


class _Answer(Struct, array_like=True, tag="answer"):
    """A presence answer as `internal.cases` has it."""

    answer: PresenceAnswer


_REOPENED: Final = b"\xa8reopened"
"""The tag of a reopened case in MessagePack, behind the byte that begins an array."""
_answers: Final = msgspec.msgpack.Decoder(_Answer)
_DATA_HEADER: Final = "ce_data_base64"
_ATTRIBUTES: Final = dict.fromkeys(
    ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "traceparent")
)
_OUTPUT: Final = _Shape(
    {
        "data": _Shape(
            {
                "proof_url": SUBJECT,
                "previous": _Shape({"proof_url": SUBJECT}, None),
                "labels": _Shape({"image": NOBODY}, None),
            },
            None,
        )
    },
    None,
)


def _person(name: str, *, of_partner: bool) -> str:
    if not name:
        return NOBODY
    return partner(name) if of_partner else case(name)


def _text(key: bytes | None) -> str:
    """Return a key as text, empty if it is none."""
    try:
        return (key or b"").decode().strip()
    except UnicodeDecodeError:
        return ""


def _string(text: bytes) -> str:
    """Return the string that a JSON text is, without white space around it; empty if it is none."""
    try:
        return msgspec.json.decode(text, type=str).strip()
    except (ValueError, RecursionError):
        return ""


def _bytes(text: bytes) -> bytes | None:
    """Return the bytes of which a JSON text is the Base64, None if it is not."""
    try:
        return b64decode(_string(text), validate=True) if text.startswith(b'"') else None
    except ValueError:
        return None


def _headers(text: bytes) -> Headers | None:
    """Return the headers of a refused record, None if they cannot be read or have its data."""
    try:
        found = msgspec.json.decode(text, type=tuple[tuple[str, bytes | None], ...])
    except (ValueError, RecursionError):
        return None
    return None if any(name.lower() == _DATA_HEADER for name, _ in found) else found
