"""Damage to the log file of a running broker is reported with its offset; aiokafka would retry forever."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.errors import Fatal
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.runtime.ports import TP

pytestmark = pytest.mark.timeout(120)

LENGTH_AT, LOG_OVERHEAD = 8, 12


@contextmanager
def damaged(file: Path, batch: int) -> Iterator[None]:
    """Set the length field of a record batch to 3 within the block."""
    content = file.read_bytes()
    at = 0
    for _ in range(batch):
        at += LOG_OVERHEAD + struct.unpack_from(">i", content, at + LENGTH_AT)[0]
    with file.open("r+b") as log:
        log.seek(at + LENGTH_AT)
        log.write(struct.pack(">i", 3))
        log.flush()
        try:
            yield
        finally:
            log.seek(0)
            log.write(content)


def test_a_damaged_log_is_reported_with_its_offset(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}jobs"
    producer = Producer({"bootstrap.servers": kafka.address, "log_level": 0})
    for number in range(5):
        producer.produce(topic, b"%d" % number, partition=0)
        assert producer.flush(30) == 0
    (file,) = (kafka.data_dir / "log" / f"{topic}-0").glob("*.log")

    async def read(start: int) -> list[bytes | None]:
        log = KafkaLog(KafkaConnection(kafka.address))
        return [each.value async for records in log.read(TP(topic, 0), start) for each in records]

    with damaged(file, 3):
        with pytest.raises(Fatal, match=rf"^{topic}-0@3: the record batch that begins there cannot be read"):
            asyncio.run(read(0))
        with pytest.raises(Fatal, match=rf"^{topic}-0@4: the broker finds its log damaged there \(CORRUPT_MESSAGE\)"):
            asyncio.run(read(4))  # the broker meets the damage before it
    assert asyncio.run(read(4)) == [b"4"]
