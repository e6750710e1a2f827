"""The limit: a bare confluent-kafka loop with state in memory; a crash can lose or repeat decisions."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import Consumer, Producer

from bench.light import State, step
from bench.run_spec import Meter, read_spec

COMMIT_EVERY: Final = 20_000
CONSUMER: Final = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "fetch.message.max.bytes": 1 << 20,
    "queued.max.messages.kbytes": 1 << 16,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5,  # by default a full queue pauses fetching for a second
}
PRODUCER: Final = {"partitioner": "murmur2_random", "queue.buffering.max.messages": 500_000}


def main() -> None:
    """Read, decide, produce; flush and commit now and then."""
    spec = read_spec()
    consumer = Consumer({"bootstrap.servers": spec.brokers, "group.id": spec.group, **CONSUMER})
    producer = Producer({"bootstrap.servers": spec.brokers, "linger.ms": spec.linger_ms, **PRODUCER})
    consumer.subscribe([spec.events])
    meter = Meter(spec.count)
    states: dict[bytes, State] = {}
    uncommitted = 0
    while not meter.done:
        records: list[Any] = consumer.consume(1000, 0.01)
        made = 0
        for record in records:
            key = record.key()
            states[key], decision = step(states.get(key), record.value())
            if decision is not None:
                producer.produce(spec.decisions, decision, key)
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
