"""Creates, fills, counts and deletes the topics of the benchmark."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported there

from bench.light import PARTITIONS

TIMEOUT_S: Final = 30.0


def run_tag() -> str:
    """Return nine digits that make the names of topics and groups unique to a run."""
    return f"{time.monotonic_ns() // 1_000_000 % 10**9:09d}"


def create_topic(brokers: str, name: str, *, partitions: int = PARTITIONS, compact: bool = False) -> None:
    """Create a topic that does not exist yet."""
    config = {"cleanup.policy": "compact"} if compact else {"retention.ms": "604800000"}
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 3})  # must live until the result is there
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(TIMEOUT_S)


def create_outputs(brokers: str, decisions: str, *, partitions: int = PARTITIONS) -> None:
    """Create the output topics of a run of the light job: decisions and progress."""
    create_topic(brokers, decisions, partitions=partitions)
    create_topic(brokers, f"{decisions}-progress", partitions=partitions, compact=True)


def delete_topics(brokers: str, pattern: str) -> None:
    """Delete the topics whose whole name matches the pattern."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 3})
    names = [name for name in admin.list_topics(timeout=TIMEOUT_S).topics if re.fullmatch(pattern, name)]
    if names:
        for deleted in admin.delete_topics(names).values():
            deleted.result(TIMEOUT_S)


def fill(brokers: str, records: Iterable[tuple[str, bytes, bytes]]) -> None:
    """Produce records (topic, key, value) with Kafka's default partitioner; raises if one is not delivered."""
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "linger.ms": 20,
            "log_level": 3,
            "partitioner": "murmur2_random",
            "batch.size": 500_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    errors: list[object] = []

    def on_delivery(error: object, _: object) -> None:
        if error is not None:
            errors.append(error)

    for topic, key, value in records:
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=on_delivery)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    remaining = producer.flush(120)
    if remaining or errors:
        raise RuntimeError(f"{remaining} events not delivered, {len(errors)} failed: {errors[:1]}")


def count(brokers: str, topic: str, *, partitions: int = PARTITIONS) -> int:
    """Return how many records of a topic a `read_committed` consumer sees."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "bench-count",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found, ended = 0, set[int | None]()
    while len(ended) < partitions:
        for record in consumer.consume(5000, 1.0):
            if record.error() is None:
                found += 1
            else:
                ended.add(record.partition())
    consumer.close()
    return found
