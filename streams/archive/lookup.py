"""What an archived record is about, from its topic and content: columns to find it by, on which no decision rests."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from schemas.codec.decoder import EventAttributes, read_attributes
from schemas.codec.encoder import decode_dead_letter
from schemas.errors import InvalidMessage
from schemas.events import LOCATION_REPORT
from schemas.timestamps import parse_instant
from schemas.topics import CASES, DEAD_LETTERS, INPUTS
from streams.archive.records import ArchivedRecord, Lookup


def lookup_of(topic: str, record: ArchivedRecord) -> Lookup:
    """Return what a record is about; nothing is known of one that cannot be read. A topic may have any prefix."""
    if topic.endswith(CASES):
        case_id = _text((record.key or b"").decode(errors="replace"))
        return Lookup(subject=case_id, case_id=case_id)
    attributes = read_attributes(record.value, record.headers)
    if attributes is None:
        return Lookup()
    subject = _text(attributes.subject.strip())
    return Lookup(
        subject,
        _text(attributes.type),
        _instant(attributes.time),
        _text(attributes.source),
        _text(attributes.id),
        _case_of_event(attributes) if topic.endswith(INPUTS) else _case_of(topic, record),
    )


def _case_of(topic: str, record: ArchivedRecord) -> str | None:
    """Return the case that an output is about, None if it is about none."""
    try:
        if topic.endswith(DEAD_LETTERS):
            letter = decode_dead_letter(record.value or b"")
            attributes = read_attributes(letter.value, letter.headers)
            return None if attributes is None else _case_of_event(attributes)
        data = _outputs.decode(record.value or b"").data
    except (InvalidMessage, ValueError, RecursionError):
        return None
    return _text(data.case_id or data.labels.get("case_id"))


def _case_of_event(attributes: EventAttributes) -> str | None:
    """Return the case that is the subject of an event; workers accept an event from any input topic."""
    return None if attributes.type == LOCATION_REPORT else _text(attributes.subject.strip())


class _Data(Struct):
    case_id: str | None = None
    labels: dict[str, str] = {}


class _Output(Struct):
    data: _Data


_outputs: Final = msgspec.json.Decoder(_Output)


def _instant(text: object) -> int | None:
    try:
        return parse_instant(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _text(text: str | None) -> str | None:
    """Return text, None for one that UTF-8 cannot hold."""
    try:
        return text if text is None or text.encode() is not None else None
    except UnicodeEncodeError:
        return None
