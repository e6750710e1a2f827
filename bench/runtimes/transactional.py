"""A hand-written exactly-once loop: decisions, a changelog of changed jobs and offsets in one transaction per 100 ms.

It does not restore state and cannot take over partitions, so it does less than a service has to.
"""

from __future__ import annotations

import time
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.kafka import create_topic
from bench.light import State, step
from bench.run_spec import Meter, read_spec
from bench.runtimes.bare import CONSUMER, PRODUCER

COMMIT_EVERY_S: Final = 0.1
TIMEOUT_S: Final = 30


def main() -> None:
    """Read, decide, produce; commit every 100 ms."""
    spec = read_spec()
    changelog = f"{spec.group}-changelog"
    create_topic(spec.brokers, changelog, compact=True)
    consumer = Consumer({"bootstrap.servers": spec.brokers, "group.id": spec.group, **CONSUMER})
    producer = Producer(
        {
            "bootstrap.servers": spec.brokers,
            "linger.ms": spec.linger_ms,
            "transactional.id": spec.group,
            **PRODUCER,
        }
    )
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    consumer.subscribe([spec.events])
    meter = Meter(spec.count)
    states: dict[bytes, State] = {}
    changed: dict[bytes, int] = {}
    positions: dict[int, int] = {}
    committed_at = time.perf_counter()
    while not meter.done:
        records: list[Any] = consumer.consume(1000, 0.01)
        made = 0
        for record in records:
            key, partition = record.key(), record.partition()
            states[key], decision = step(states.get(key), record.value())
            changed[key] = partition
            positions[partition] = record.offset() + 1
            if decision is not None:
                producer.produce(spec.decisions, decision, key)
                made += 1
        producer.poll(0)
        ended = meter.add(len(records), made)
        if positions and (ended or time.perf_counter() - committed_at >= COMMIT_EVERY_S):
            for key, partition in changed.items():
                producer.produce(changelog, orjson.dumps(states[key]), key, partition)
            offsets = [TopicPartition(spec.events, partition, offset) for partition, offset in positions.items()]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), TIMEOUT_S)
            producer.commit_transaction(TIMEOUT_S)
            producer.begin_transaction()
            changed.clear()
            positions.clear()
            committed_at = time.perf_counter()
    meter.report()
    consumer.close()


if __name__ == "__main__":
    main()
