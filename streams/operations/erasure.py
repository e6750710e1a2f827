"""The facts that make state and read models forget a person (surfaces.md, "Erasure")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.codec.encoder import OUTPUT_HEADERS
from schemas.errors import Unavailable
from schemas.events import CaseErased, PartnerErased
from schemas.timestamps import format_instant
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection

SOURCE: Final = "/sop/erase"


class Tombstone(NamedTuple):
    """A fact that says that a case or a partner was erased: its topic, its subject, and the event."""

    topic: str
    subject: str
    value: bytes


def tombstones(topics: Topics, case_ids: Sequence[str], partner_id: str | None, now: int) -> list[Tombstone]:
    """Return the facts about cases and perhaps a partner who are erased now (microseconds)."""
    subjects = [(str(CaseErased.__struct_config__.tag), each) for each in case_ids]
    if partner_id is not None:
        subjects.append((str(PartnerErased.__struct_config__.tag), partner_id))
    return [Tombstone(topics.of(type_), subject, _event(type_, subject, now)) for type_, subject in subjects]


async def write_tombstones(connection: KafkaConnection, written: Sequence[Tombstone]) -> None:
    """Write facts; raises `Unavailable` unless Kafka has taken all of them."""
    producer = AIOKafkaProducer(**connection.client_options(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        for each in written:
            await producer.send_and_wait(
                each.topic, each.value, key=each.subject.encode(), headers=list(OUTPUT_HEADERS)
            )
    except KafkaError as error:
        raise Unavailable(f"Kafka at {connection.brokers} does not accept records: {error}") from error
    finally:
        await producer.stop()


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
