"""What is personal in a record, and whose it is: the one table that archive, erasure and read model go by.

A record is walked in the same way whether its personal parts are sealed or opened, since nothing that the walk depends
on is itself sealed, or it is opened first.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from schemas.codec.decoder import is_binary, read_attributes
from schemas.codec.headers import Headers
from schemas.events import EVENT_TYPES, LOCATION_REPORT
from schemas.fields import Object, fields_of
from schemas.topics import CASES, DEAD_LETTERS, INPUTS, LOCATIONS, POLICIES, TOPIC_OF_TYPE
from streams.archive.records import ArchivedRecord
from streams.sealing.case_messages import Forwarded, read_message
from streams.sealing.json_members import Member, is_object, members
from streams.sealing.people import NOBODY, case, customer, partner

SUBJECT: Final = "subject"
"""Whoever the record is about: its partner if it is a location report, else its case."""
CUSTOMER: Final = "customer"
"""A name of whom the case is, not sealed under a key of its own."""
SCALAR: Final = "scalar"
"""Whose a field without personal data is: nobody's, but the subject's if its value is none that this version knows."""
SEALED: Final = b'"sealed:'
"""How a JSON string begins that stands in the place of a sealed part."""

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

    def replace(self, people: Sequence[str], part: bytes) -> bytes:
        """Return what stands in the place of a part about some people: a JSON value or a whole value or header."""

    def link(self, person: str, case_id: str) -> None:
        """Take note that a case has personal data of a customer or partner."""


class _Shape(NamedTuple):
    """Whose the members of an object are: a person, none, or one for each of its own members."""

    members: Mapping[str, str | _Shape | _InBase64 | None]
    others: str | None
    """Whose all other members are, and the value itself if it is not an object."""


class _InBase64(NamedTuple):
    """A member that has such an object in Base64: it is everybody's as a whole whose its members are."""

    shape: _Shape


class _Subject(NamedTuple):
    """Whom or what a record is about, as a person, and its case if it is about one."""

    person: str
    case_id: str | None


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
    """Visit an answer about a partner, a forwarded event or another message to a case, as a whole and twice.

    An answer has places of the partner and of the case, an event has what is of the people in it, so either is nobody's
    any more once one of them was erased. A reopened case has whatever its facts had, of anybody.
    """
    if not record.value:
        return record
    if _REOPENED in record.value[: len(_REOPENED) + 1]:
        return record._replace(value=visitor.replace([NOBODY], record.value))
    case_id = _text(record.key)
    outer = _person(case_id, of_partner=False)
    inner: Sequence[str] = [outer]
    message = read_message(record.value)
    if isinstance(message, Forwarded):
        inner = _people_in(message.topic, message.key, message.value, message.headers, visitor) or inner
    elif message is not None:
        inner = [partner(message.answer.query.partner_id)]
        if case_id:
            visitor.link(inner[0], case_id)
    return record._replace(value=visitor.replace([outer], visitor.replace(inner, record.value)))


def _visit_event(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers, visitor: Visitor
) -> tuple[bytes | None, Headers]:
    """Visit an event in either content mode; what this version does not know of its headers is the subject's."""
    visited = headers
    if any(map(_is_personal, headers)):
        subject, shape = _subject_and_shape(topic, key, value, headers)
        visited = tuple((name, _visit_header(name, part, subject, shape, visitor)) for name, part in headers)
    return _visit_value(topic, key, value, headers, visitor), visited


def _visit_value(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers, visitor: Visitor
) -> bytes | None:
    """Visit the value of an event in either content mode; what is not read as one is personal as a whole."""
    if not value:
        return value
    subject, shape = _subject_and_shape(topic, key, value, headers)
    if not is_object(value):
        return visitor.replace([subject.person], value)
    if not is_binary(headers):
        shape = _Shape({**_ATTRIBUTES, "data": shape, "data_base64": _InBase64(shape)}, SUBJECT)
    return _Walk(value, subject, visitor).visited(shape)


def _subject_and_shape(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> tuple[_Subject, _Shape]:
    """Return whom an event is about, and whose the fields of its data are."""
    attributes = read_attributes(value, headers)
    event_type = attributes.type if attributes else ""
    of_partner = TOPIC_OF_TYPE.get(event_type, topic).endswith(LOCATIONS)
    name = (attributes.subject if attributes else "").strip() or _text(key)
    subject = _Subject(_person(name, of_partner=of_partner), None if of_partner else name)
    return subject, _DATA.get(event_type, _UNKNOWN)


def _visit_header(name: str, part: bytes | None, subject: _Subject, shape: _Shape, visitor: Visitor) -> bytes | None:
    if not _is_personal((name, part)):
        return part
    is_data = name.lower() == _DATA_HEADER
    people = _people_in_base64(part or b"", subject, shape, visitor) if is_data else [subject.person]
    return visitor.replace(people, part or b"")


def _visit_output(topic: str, key: bytes | None, value: bytes, visitor: Visitor) -> bytes:
    """Visit a decision, action, alert or dead letter; what is not read as one is personal as a whole."""
    attributes = read_attributes(value, ())
    if not is_object(value):
        return visitor.replace([NOBODY], value)
    if topic.endswith(DEAD_LETTERS):
        return _visit_dead_letter(value, visitor)
    case_id = (attributes.subject if attributes else "").strip() or _text(key)
    return _Walk(value, _Subject(case(case_id) if case_id else NOBODY, case_id), visitor).visited(_OUTPUT)


def _visit_dead_letter(value: bytes, visitor: Visitor) -> bytes:
    """Visit the refused record in a dead letter: as the event that it is, or what cannot be read of it as a whole.

    Its headers are one part if any of them is personal. They say how the value is read, so they are opened first.
    """
    data = next((each for each in reversed(members(value)) if each.name == "data"), None)
    if data is None or value[data.start : data.start + 1] != b"{":
        return value
    places = {each.name: each for each in members(value, data.start, data.end)}
    text = {name: value[each.start : each.end] for name, each in places.items()}
    topic, key = _string(text.get("topic", b"")), _bytes(text.get("key", b""))
    refused, headers = _bytes(text.get("value", b"")), _headers(text.get("headers", b"[]"))
    people: Sequence[str] = [_person(_text(key), of_partner=topic.endswith(LOCATIONS))]
    if headers is not None:
        people = _people_in(topic, key, refused, headers, visitor) or people
    new = {}
    if text.get("headers", b"null") != b"null" and (headers is None or any(map(_is_personal, headers))):
        new["headers"] = visitor.replace(people, text["headers"])
        headers = _headers(new["headers"]) if headers is None else headers
    if refused is not None and headers is not None and b'"%b"' % b64encode(refused) == text["value"]:
        new["value"] = b'"%b"' % b64encode(_visit_value(topic, key, refused, headers, visitor) or b"")
    elif text.get("value", b"null") != b"null":
        new["value"] = visitor.replace(people, text["value"])
    for start, end, name in sorted(((places[name].start, places[name].end, name) for name in new), reverse=True):
        value = value[:start] + new[name] + value[end:]
    return value


def _is_personal(header: tuple[str, bytes | None]) -> bool:
    return bool(header[1]) and header[0].lower() not in _HEADERS


class _People:
    """Finds out whose the parts of an event are, and passes on what is known of cases."""

    def __init__(self, visitor: Visitor, *people: str) -> None:
        self.found: Final = dict.fromkeys(people)
        self._visitor = visitor

    def replace(self, people: Sequence[str], part: bytes) -> bytes:
        self.found.update(dict.fromkeys(people))
        return part

    def link(self, person: str, case_id: str) -> None:
        self._visitor.link(person, case_id)


def _people_in(topic: str, key: bytes | None, value: bytes | None, headers: Headers, visitor: Visitor) -> Sequence[str]:
    """Return whose the parts of an event are, those of nobody left out."""
    people = _People(visitor)
    _visit_event(topic, key, value, headers, people)
    return list(people.found)


def _people_in_base64(text: bytes, subject: _Subject, shape: _Shape, visitor: Visitor) -> Sequence[str]:
    """Return whose some data in Base64 is: the subject's, and that of whoever is in it."""
    people = _People(visitor, subject.person)
    with suppress(ValueError):
        if is_object(data := b64decode(text, validate=True)):
            _Walk(data, subject, people).visited(shape)
    return list(people.found)


class _Walk:
    """Replaces the personal members of one object and of those in it."""

    def __init__(self, text: bytes, subject: _Subject, visitor: Visitor) -> None:
        self._text, self._subject, self._visitor = text, subject, visitor
        self._parts: list[bytes] = []
        self._at = 0

    def visited(self, shape: _Shape) -> bytes:
        self._visit(0, len(self._text), shape)
        self._parts.append(self._text[self._at :])
        return b"".join(self._parts)

    def _visit(self, start: int, end: int, shape: _Shape) -> None:
        found = members(self._text, start, end)
        for name, first, last in found:
            whose, text = shape.members.get(name, shape.others), self._text[first:last]
            if whose is None or text == b"null":
                continue
            if isinstance(whose, _InBase64):
                data = _string(text).encode(errors="replace")
                self._replace(first, last, _people_in_base64(data, self._subject, whose.shape, self._visitor))
                continue
            if isinstance(whose, _Shape):
                if text.startswith(b"{"):
                    self._visit(first, last, whose)
                    continue
                whose = whose.others
            if whose == SCALAR:
                whose = SUBJECT if text.startswith((b"{", b"[", SEALED)) else None
            if whose is not None:
                if whose == CUSTOMER and self._subject.case_id and (customer_id := _string(text)):
                    self._visitor.link(customer(customer_id), self._subject.case_id)
                self._replace(first, last, [self._named(whose, found)])

    def _named(self, whose: str, found: Sequence[Member]) -> str:
        """Return the person whose a field is, the subject if the partner whom another field names cannot be read."""
        if whose in {SUBJECT, CUSTOMER}:
            return self._subject.person
        if whose == NOBODY:
            return NOBODY
        ids = [self._text[each.start : each.end] for each in found if each.name == whose]
        partner_id = _string(ids[-1]) if ids else ""
        if not partner_id:
            return self._subject.person
        if self._subject.case_id:
            self._visitor.link(partner(partner_id), self._subject.case_id)
        return partner(partner_id)

    def _replace(self, start: int, end: int, people: Sequence[str]) -> None:
        self._parts += (self._text[self._at : start], self._visitor.replace(people, self._text[start:end]))
        self._at = end


def _shape_of(struct: type[Struct], personal: Mapping[str, str]) -> _Shape:
    """Return whose the fields of a struct are; what this version does not know is the subject's."""
    kinds = {each.name: each.kind for each in fields_of(struct)}
    known = {name: _shape_of(kind.struct, {}) if isinstance(kind, Object) else SCALAR for name, kind in kinds.items()}
    return _Shape({**known, **personal}, SUBJECT)


_REOPENED: Final = b"\xa8reopened"
"""The tag of a reopened case in MessagePack, behind the byte that begins an array."""
_DATA_HEADER: Final = "ce_data_base64"
_ATTRIBUTES: Final = dict.fromkeys(
    ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "traceparent")
)
_HEADERS: Final = frozenset(
    ("content-type", "traceparent", "tracestate", "ce_tracestate", *(f"ce_{name}" for name in _ATTRIBUTES))
)
"""The headers of events that say nothing personal."""
_UNKNOWN: Final = _Shape({}, SUBJECT)
_DATA: Final = {name: _shape_of(struct, PERSONAL.get(name, {})) for name, struct in EVENT_TYPES.items()}
"""Whose the fields of the data of each event type are."""
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
    """Return the headers of a refused record, None if they cannot be read."""
    try:
        return msgspec.json.decode(text, type=tuple[tuple[str, bytes | None], ...])
    except (ValueError, RecursionError):
        return None
