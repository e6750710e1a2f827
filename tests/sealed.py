"""Records with personal data, sealed."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import date
from typing import Final

from schemas.codec.encoder import encode_dead_letter
from schemas.codec.headers import Headers
from schemas.outputs import DeadLetter
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.processor.internal_messages import Forwarded, pack
from streams.sealing.person_keys import PersonKeys
from streams.sealing.sealing import Opener, seal

CASE: Final = "job-1"
AT_MS: Final = 1_764_300_000_000
"""2025-11-28T03:20:00Z."""


def name_of(topic: str) -> SegmentName:
    """Return the name of a file of a topic."""
    return SegmentName(topic, 0, 0, 0, 1 << 40, "id", date(2026, 11, 21))


def record(value: bytes | None, key: str = CASE, headers: Headers = (), at: int = AT_MS) -> ArchivedRecord:
    """Return a record of a case, or with another key."""
    return ArchivedRecord(7, at, key.encode(), value, headers)


def event(kind: str, data: object, subject: str = CASE, **more: object) -> bytes:
    """Return an event in structured mode."""
    base = {"specversion": "1.0", "id": "e-1", "source": "/a", "type": kind, "subject": subject, "data": data}
    return json.dumps({**base, **more}).encode()


def sealed_in(keys: PersonKeys, topic: str, each: ArchivedRecord) -> ArchivedRecord:
    """Return a record sealed, which opens to what it was."""
    (sealed,) = seal(keys, name_of(topic), [each])
    assert Opener(keys).open(name_of(topic), sealed) == (each, False)
    return sealed


def letter(value: bytes, topic: str = "jobs", **more: object) -> bytes:
    """Return a dead letter of another producer."""
    data = {"topic": topic, "offset": 3, "reason": "data: x", "value": b64encode(value).decode(), "key": "am9iLTE="}
    return event("dead-letter", {**data, **more}, source="/sop/workers")


def binary(kind: str, subject: str) -> Headers:
    """Return the headers of an event in binary mode."""
    named = {"specversion": "1.0", "id": "e-1", "source": "/a", "type": kind, "subject": subject}
    return tuple((f"ce_{name}", value.encode()) for name, value in named.items())


def headers_of(kind: str) -> list[list[str]]:
    """Return the headers of an event in binary mode as a dead letter has them."""
    return [[name, b64encode(value or b"").decode()] for name, value in binary(kind, CASE)]


def in_base64(kind: str, data: object, subject: str = CASE) -> bytes:
    """Return an event with its data in Base64."""
    found = json.loads(event(kind, None, subject, data_base64=b64encode(json.dumps(data).encode()).decode()))
    return json.dumps({name: value for name, value in found.items() if name != "data"}).encode()


def refused(value: bytes, time: int | None = None) -> bytes:
    """Return the dead letter of a fact in a record of a time (microseconds), as a worker writes it."""
    found = DeadLetter(topic="tickets", partition=0, offset=3, reason="time: x", value=value, key=CASE.encode())
    return encode_dead_letter(found, time=time)


def forwarded(value: bytes, headers: Headers = (), at: int = AT_MS) -> bytes:
    """Return a forwarded event as workers write it."""
    return pack(Forwarded("tickets", 1, 5, at, CASE.encode(), value, tuple(headers)))
