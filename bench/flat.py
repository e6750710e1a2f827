"""Memory over time: a worker processes one simulated day after another at a steady rate."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from confluent_kafka import Producer

from agents.sops import catalogue
from bench import kafka
from bench.live import LiveWorker, make_topics
from bench.rounds import Row, print_row
from bench.services import Services
from schemas.topics import Topics
from streams.demo.feed import route
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate

RATE: Final = 5_000
SAMPLE_INTERVAL_S: Final = 10.0
WARM_SHARE: Final = 0.4
"""Share of the time in which caches and the allocator fill up."""
CACHED_CASES_MAX: Final = 500
"""Small, so that the cache is full within the first minutes."""
JOBS_A_DAY: Final = 500
DAYS_AGO: Final = 700
DAY_US: Final = 86_400_000_000


def run_flat(services: Services, minutes: float) -> list[Row]:
    """Return one row: resident memory over time, its slope after warm-up, and how far the worker fell behind."""
    prefix = f"flat-{kafka.run_tag()}."
    topics = catalogue.topics(prefix)
    make_topics(services.brokers, topics)
    ended = threading.Event()
    sent = _Sent()
    producing = threading.Thread(target=_produce, args=(services.brokers, topics, ended, sent))
    samples: list[tuple[float, float, float]] = []
    with LiveWorker(services.brokers, prefix, services.redis_url, SOP_CACHED_CASES_MAX=CACHED_CASES_MAX) as worker:
        producing.start()
        try:
            while len(samples) < minutes * 60 / SAMPLE_INTERVAL_S:
                ended.wait(SAMPLE_INTERVAL_S)
                samples.append((time.monotonic() - worker.began, worker.rss_mb(), sent.count - _read(worker)))
        finally:
            ended.set()
            producing.join()
    kafka.delete_topics(services.brokers, f"{prefix}.*")
    row: Row = {
        "job": "flat",
        "name": "sop worker",
        "rate": RATE,
        "events": sent.count,
        "redis": bool(services.redis_url),
    }
    row["rss_mb"] = [round(rss, 1) for _, rss, _ in samples]
    row["behind"] = [int(behind) for _, _, behind in samples]
    row["slope_mb_per_min"] = _slope([(at / 60, rss) for at, rss, _ in samples[int(len(samples) * WARM_SHARE) :]])
    print_row(row)
    return [row]


class _Sent:
    """How many events have been sent."""

    count = 0


def _read(worker: LiveWorker) -> float:
    found = worker.metrics()
    places = [(name, topic) for name, topic in found if topic in worker.inputs]
    consumed = sum(found[place] for place in places if place[0] == "sop_records_consumed_total")
    return consumed - sum(found[place] for place in places if place[0] == "sop_records_in_flight")


def _days() -> Iterator[bytes]:
    """Yield the events of simulated days, each with its own jobs and partners."""
    start_at = time.time_ns() // 1000 // DAY_US * DAY_US - DAYS_AGO * DAY_US
    for day in itertools.count():
        yield from simulate(SimulatorOptions(jobs=JOBS_A_DAY, seed=day + 1, start_at=start_at + day * DAY_US))


def _produce(brokers: str, topics: Topics, ended: threading.Event, sent: _Sent) -> None:
    """Produce `RATE` events per second."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5, "partitioner": "murmur2_random"})
    days = _days()
    began = time.monotonic()
    while not ended.is_set():
        due = int((time.monotonic() - began) * RATE)
        for line in itertools.islice(days, max(due - sent.count, 0)):
            topic, key = route(topics, line)
            producer.produce(topic, line, key)
            sent.count += 1
        producer.poll(0)
        ended.wait(0.005)
    producer.flush(kafka.TIMEOUT_S)


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line."""
    if len(points) < 2:
        return 0.0
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / sum((x - middle_x) ** 2 for x, _ in points)
