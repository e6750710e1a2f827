"""The facts that make state and read models forget a person (surfaces.md, "Erasure")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.codec.encoder import OUTPUT_HEADERS
from schemas.events import CaseErased, PartnerErased
from schemas.timestamps import format_instant
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.single_record import send_record

SOURCE: Final = "/sop/erase"


class Tombstone(NamedTuple):
    """A fact that says that a case or a partner was erased: topic, subject, event, and when (microseconds)."""

    topic: str
    subject: str
    value: bytes
    at: int


def tombstones(topics: Topics, case_ids: Sequence[str], partner_id: str | None, now: int) -> list[Tombstone]:
    """Return the facts about cases and perhaps a partner who are erased now (microseconds)."""
    subjects = [(str(CaseErased.__struct_config__.tag), each) for each in case_ids]
    if partner_id is not None:
        subjects.append((str(PartnerErased.__struct_config__.tag), partner_id))
    return [Tombstone(topics.of(type_), subject, _event(type_, subject, now), now) for type_, subject in subjects]


async def write_tombstones(connection: KafkaConnection, written: Sequence[Tombstone]) -> None:
    """Write facts; raises `Unavailable` if Kafka does not take one: those before it are written."""
    for topic, subject, value, at in written:
        key, timestamp = subject.encode(), at // 1000
        await send_record(connection, topic, value, key=key, headers=OUTPUT_HEADERS, timestamp_ms=timestamp)


def _event(type_: str, subject: str, now: int) -> bytes:
    time = format_instant(now)
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{type_}/{subject}/{time}",
            "source": SOURCE,
            "type": type_,
            "subject": subject,
            "time": time,
            "datacontenttype": "application/json",
            "data": {},
        }
    )
