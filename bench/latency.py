"""Latency: from producing an event to its decision as a `read_committed` consumer sees it, at a fixed rate.

The floor is the event itself read back, with no runtime between. Whoever produces lingers for 5 ms: sent one by one, as
with no linger, 5,000 events a second alone keep a broker that shares two cores busy, and wait for it for half a second.
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
from bench.assignment import Assignment
from bench.contestants import Contestant
from bench.rounds import Row, tell, wait_until_idle
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
    """Run every contestant at every rate (events a second); return a row of milliseconds for each run."""
    rows: list[Row] = []
    for number in range(rounds):
        for rate in rates:
            events = list(light.events(int(rate * (START_S + WARM_S + measured_s))))
            row = {"job": "latency", "name": FLOOR, "rate": rate, "round": number}
            rows.append(row | _run(None, services, events, rate))
            tell(rows[-1])
            for contestant in contestants:
                if contestant.missing() is None and (services.redis_url or not contestant.redis):
                    row = {"job": "latency", "name": contestant.name, "rate": rate, "round": number}
                    rows.append(row | _run(contestant, services, events, rate))
                    tell(rows[-1])
    return rows


def _run(contestant: Contestant | None, services: Services, events: Sequence[tuple[bytes, bytes]], rate: int) -> Row:
    tag = kafka.run_tag()
    task = Assignment(
        brokers=services.brokers,
        events=f"paced-{tag}",
        decisions=f"decisions-{tag}",
        group=f"bench-{tag}",
        count=NEVER,
        redis_url=services.redis_url if contestant and contestant.redis else "",
        linger_ms=LINGER_MS,
    )
    kafka.create_topic(task.brokers, task.events)
    kafka.create_outputs(task.brokers, task.decisions)
    wait_until_idle()
    sent: Sent = [0.0] * len(events)
    pacing = threading.Thread(target=_pace, args=(task, events, rate, sent))
    with ExitStack() as stack:
        stack.callback(kafka.delete_topics, task.brokers, f".*{tag}.*")
        if contestant is not None:
            stack.enter_context(_running(contestant.command(task)))
        pacing.start()
        seen = _watch(task.brokers, task.decisions if contestant else task.events, pacing)
        pacing.join()
    return _summary(sent, seen)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _pace(task: Assignment, events: Sequence[tuple[bytes, bytes]], rate: int, sent: Sent) -> None:
    """Produce the events, each when it is due; note when."""
    options = {"bootstrap.servers": task.brokers, "linger.ms": LINGER_MS, "partitioner": "murmur2_random"}
    producer = Producer(options)
    began, index = time.perf_counter(), 0
    while index < len(events):
        due = min(len(events), int((time.perf_counter() - began) * rate))
        for number in range(index, due):
            sent[number] = time.perf_counter()
            producer.produce(task.events, events[number][1], events[number][0])
        index = due
        producer.poll(0)
        time.sleep(0.002)
    producer.flush(10)


def _watch(brokers: str, topic: str, pacing: threading.Thread) -> dict[int, float]:
    """Read decisions, or the events themselves, until nothing is sent nor comes; return when each event's was seen."""
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
            if not pacing.is_alive():
                break
        elif record.error() is None:
            told = orjson.loads(record.value())
            number = int((told.get("cause") or told["event_id"]).removeprefix("evt-"))
            seen.setdefault(number, now)
    consumer.close()
    return seen


def _summary(sent: Sent, seen: dict[int, float]) -> Row:
    """Return the percentiles in milliseconds over what was sent after the start."""
    begin = sent[0] + START_S + WARM_S
    late = sorted((at - sent[number]) * 1000 for number, at in seen.items() if sent[number] >= begin)
    if not late:
        return {"error": "no decision came"}
    return (
        {"seen": len(late)}
        | {f"p{q}": late[min(len(late) - 1, len(late) * q // 100)] for q in (50, 90, 99)}
        | {"max": late[-1]}
    )
