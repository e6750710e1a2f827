"""The limit of the full job: a bare confluent-kafka loop that calls the product's rules and stores nothing."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer, Producer

from agents.sops import catalogue
from bench.rules import Rules
from bench.run_spec import Meter, read_spec
from bench.runtimes.bare import COMMIT_EVERY, CONSUMER, PRODUCER
from schemas.codec.encoder import encode_message


def main() -> None:
    """Read, apply events, decide changed cases, produce."""
    spec = read_spec()
    topics = catalogue.topics(spec.events)
    rules = Rules(topics)
    consumer = Consumer({"bootstrap.servers": spec.brokers, "group.id": spec.group, **CONSUMER})
    producer = Producer({"bootstrap.servers": spec.brokers, "linger.ms": spec.linger_ms, **PRODUCER})
    consumer.subscribe(list(topics.inputs))
    meter = Meter(spec.count)
    uncommitted = 0
    while not meter.done:
        records: list[Any] = consumer.consume(1000, 0.01)
        made = 0
        for record in records:
            rules.receive(record.value(), record.timestamp()[1])
        for topic, key, message in rules.evaluate(time.time_ns() // 1000):
            producer.produce(topic, encode_message(message), key)
            made += 1
        producer.poll(0)
        uncommitted += len(records)
        if uncommitted >= COMMIT_EVERY:
            producer.flush(10)
            consumer.commit(asynchronous=True)
            uncommitted = 0
        meter.add(len(records), made)
    producer.flush(30)
    meter.report()
    consumer.close()


if __name__ == "__main__":
    main()
