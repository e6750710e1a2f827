"""Latency: from producing an event to its decision as a `read_committed` consumer sees it, at a fixed rate.

The floor is the event itself, read back with no runtime in between. Producers linger for 5 ms: without lingering, 5,000
single sends per second saturate a broker that shares two cores, and wait half a second for it.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from bench import kafka, light
from bench.contestants import Contestant
from bench.rounds import Row, print_row, wait_until_idle
from bench.run_spec import RunSpec
from bench.services import Services

START_S: Final = 15.0
WARM_S: Final = 5.0
LINGER_MS: Final = 5
NEVER: Final = 10**12
FLOOR: Final = "the event itself"
Sent = list[float]


def run_latencies(
    contestants: Sequence[Contestant], services: Services, rates: Sequence[int], rounds: int, measured_s: float
) -> list[Row]:
    """Run every contestant at every rate (events per second); return a row of latencies in ms for each run."""
    rows: list[Row] = []
    for number in range(rounds):
        for rate in rates:
            events = list(light.events(int(rate * (START_S + WARM_S + measured_s))))
            row = {"job": "latency", "name": FLOOR, "rate": rate, "round": number}
            rows.append(row | _run(None, services, events, rate))
            print_row(rows[-1])
            for contestant in contestants:
                if contestant.missing() is None and (services.redis_url or not contestant.redis):
                    row = {"job": "latency", "name": contestant.name, "rate": rate, "round": number}
                    rows.append(row | _run(contestant, services, events, rate))
                    print_row(rows[-1])
    return rows


def _run(contestant: Contestant | None, services: Services, events: Sequence[tuple[bytes, bytes]], rate: int) -> Row:
    tag = kafka.run_tag()
    spec = RunSpec(
        brokers=services.brokers,
        events=f"paced-{tag}",
        decisions=f"decisions-{tag}",
        group=f"bench-{tag}",
        count=NEVER,
        redis_url=services.redis_url if contestant and contestant.redis else "",
        linger_ms=LINGER_MS,
    )
    kafka.create_topic(spec.brokers, spec.events)
    kafka.create_outputs(spec.brokers, spec.decisions)
    wait_until_idle()
    sent: Sent = [0.0] * len(events)
    producing = threading.Thread(target=_produce, args=(spec, events, rate, sent))
    with ExitStack() as stack:
        stack.callback(kafka.delete_topics, spec.brokers, f".*{tag}.*")
        if contestant is not None:
            stack.enter_context(_running(contestant.command(spec)))
        producing.start()
        seen = _watch(spec.brokers, spec.decisions if contestant else spec.events, producing)
        producing.join()
    return _summary(sent, seen)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _produce(spec: RunSpec, events: Sequence[tuple[bytes, bytes]], rate: int, sent: Sent) -> None:
    """Produce each event when it is due, and record the time in `sent`."""
    options = {"bootstrap.servers": spec.brokers, "linger.ms": LINGER_MS, "partitioner": "murmur2_random"}
    producer = Producer(options)
    began, index = time.perf_counter(), 0
    while index < len(events):
        due = min(len(events), int((time.perf_counter() - began) * rate))
        for number in range(index, due):
            sent[number] = time.perf_counter()
            producer.produce(spec.events, events[number][1], events[number][0])
        index = due
        producer.poll(0)
        time.sleep(0.002)
    producer.flush(10)


def _watch(brokers: str, topic: str, producing: threading.Thread) -> dict[int, float]:
    """Read decisions, or the events themselves, until no more come; return the time at which each was seen."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "bench-latency",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(light.PARTITIONS)])
    seen: dict[int, float] = {}
    while True:
        record: Any = consumer.poll(2.0)
        now = time.perf_counter()
        if record is None:
            if not producing.is_alive():
                break
        elif record.error() is None:
            message = orjson.loads(record.value())
            number = int((message.get("cause") or message["event_id"]).removeprefix("evt-"))
            seen.setdefault(number, now)
    consumer.close()
    return seen


def _summary(sent: Sent, seen: dict[int, float]) -> Row:
    """Return the percentiles in milliseconds of events sent after the warm-up."""
    begin = sent[0] + START_S + WARM_S
    latencies = sorted((at - sent[number]) * 1000 for number, at in seen.items() if sent[number] >= begin)
    if not latencies:
        return {"error": "no decision was seen"}
    return (
        {"seen": len(latencies)}
        | {f"p{q}": latencies[min(len(latencies) - 1, len(latencies) * q // 100)] for q in (50, 90, 99)}
        | {"max": latencies[-1]}
    )
