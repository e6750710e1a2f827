"""Sends refused records again, as they were, to the topic and partition that they came from.

A redriven record has the identity that its event always had, so what it leads to is decided at most once: if the event
was accepted meanwhile, the redriven one is a duplicate.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.errors import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.record_batches import record_batch
from streams.operations.dead_letters import REDRIVES_HEADER, DeadLetterRecord
from streams.runtime.ports import TP


async def send_again(
    connection: KafkaConnection, dead_letters: Sequence[DeadLetterRecord]
) -> AsyncIterator[tuple[DeadLetterRecord, str]]:
    """Send the records of some letters, one after the other; yield each with where it lies now, once it does.

    Raises `Unavailable` when the broker does not take one; those yielded before are sent.
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
            dead_letter = each.dead_letter
            headers = [*each.headers, (REDRIVES_HEADER, b"%d" % (each.redrives + 1))]
            record = record_batch(dead_letter.key, dead_letter.value, headers)
            written = await (await producer.send_batch(record, dead_letter.topic, partition=dead_letter.partition))
            yield each, f"{TP(written.topic, written.partition).name}@{written.offset}"
    except KafkaError as error:
        raise Unavailable(f"Kafka at {connection.brokers} does not take records: {error}") from error
    finally:
        await producer.stop()
