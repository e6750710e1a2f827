"""The limit B: a bare confluent-kafka loop, state in a dictionary; nothing is durable, a crash can lose or repeat."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import Consumer, Producer

from bench.assignment import Meter, assigned
from bench.light import State, step

COMMIT_EVERY: Final = 20_000
CONSUMER: Final = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "fetch.message.max.bytes": 1 << 20,
    "queued.max.messages.kbytes": 1 << 16,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 5,  # by default a full queue stops fetching for a whole second
}
PRODUCER: Final = {"partitioner": "murmur2_random", "queue.buffering.max.messages": 500_000}


def main() -> None:
    """Read, step, produce; flush and commit now and then."""
    task = assigned()
    consumer = Consumer({"bootstrap.servers": task.brokers, "group.id": task.group, **CONSUMER})
    producer = Producer({"bootstrap.servers": task.brokers, "linger.ms": task.linger_ms, **PRODUCER})
    consumer.subscribe([task.events])
    meter = Meter(task.count)
    states: dict[bytes, State] = {}
    uncommitted = 0
    while not meter.done:
        records: list[Any] = consumer.consume(1000, 0.01)
        made = 0
        for record in records:
            key = record.key()
            states[key], decision = step(states.get(key), record.value())
            if decision is not None:
                producer.produce(task.decisions, decision, key)
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
