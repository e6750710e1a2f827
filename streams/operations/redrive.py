"""Sends refused records to the topics and partitions they came from again, unchanged.

The event in a redriven record has the identity it always had, so it is decided at most once: if it was accepted in the
meantime, the redriven record is a duplicate.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.errors import Unavailable
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.record_batches import record_batch
from streams.operations.dead_letters import REDRIVES_HEADER, DeadLetterRecord
from streams.runtime.ports import TP


@dataclass(frozen=True, slots=True)
class Redrive:
    """Which dead letters to send again, and which to keep, with the reason."""

    sent: list[DeadLetterRecord]
    kept: list[tuple[DeadLetterRecord, str]]


def plan_redrive(dead_letters: Iterable[DeadLetterRecord], topics: Topics, redrives_max: int) -> Redrive:
    """Return which records may be sent again, in the order of their offsets.

    A record that was refused again after a redrive has several dead letters. It is sent once, and at most
    `redrives_max` times in total. Only input topics are written to, whatever a dead letter says.
    """
    latest: dict[tuple[object, ...], DeadLetterRecord] = {}
    redrive = Redrive([], [])
    for each in dead_letters:
        letter = each.dead_letter
        if letter.topic not in topics.inputs:
            redrive.kept.append((each, f"{letter.topic} is not an input topic"))
            continue
        if letter.is_truncated:
            redrive.kept.append((each, "the dead letter has only the beginning of the record"))
            continue
        record = (letter.topic, letter.key, letter.value, tuple(each.headers))
        if record not in latest or each.redrives > latest[record].redrives:
            latest[record] = each
    for each in sorted(latest.values(), key=_offset):
        if each.redrives >= redrives_max:
            redrive.kept.append((each, f"already sent again {each.redrives} times"))
        else:
            redrive.sent.append(each)
    return redrive


def _offset(each: DeadLetterRecord) -> tuple[str, int, int]:
    return (each.dead_letter.topic, each.dead_letter.partition, each.dead_letter.offset)


async def send_again(
    connection: KafkaConnection, dead_letters: Sequence[DeadLetterRecord]
) -> AsyncIterator[tuple[DeadLetterRecord, str]]:
    """Send the refused records one by one; yield each with its new place, once Kafka has it.

    Raises `Unavailable` if the broker refuses one; those yielded before are sent.
    """
    producer = AIOKafkaProducer(
        **connection.client_options(),
        acks="all",
        enable_idempotence=True,
        max_request_size=connection.message_bytes_max,
    )
    try:
        await producer.start()
        for each in dead_letters:
            letter = each.dead_letter
            headers = [*each.headers, (REDRIVES_HEADER, b"%d" % (each.redrives + 1))]
            record = record_batch(letter.key, letter.value, headers)
            written = await (await producer.send_batch(record, letter.topic, partition=letter.partition))
            yield each, f"{TP(written.topic, written.partition).name}@{written.offset}"
    except KafkaError as error:
        raise Unavailable(f"Kafka at {connection.brokers} does not accept records: {error}") from error
    finally:
        await producer.stop()
