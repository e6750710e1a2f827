"""Recovery of a killed worker with many open cases: from Redis, and from Kafka alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition
from redis import Redis

from agents.sops import catalogue
from bench import kafka
from bench.growth import event, opened
from bench.live import PARTITIONS, LiveWorker, make_topics
from bench.rounds import Row, print_row, wait_until_idle
from bench.services import Services
from schemas.topics import Topics

FACTS: Final = 3
FURTHER_MAX: Final = 1_000
"""Cases that get new events while no worker runs."""
AGE_S: Final = 3_600
RUN_S_MAX: Final = 7_200.0

Event = tuple[str, bytes, bytes]


def run_scale(services: Services, sizes: Sequence[int]) -> list[Row]:
    """Return for each number of open cases a row of the first worker and of each that replaces a killed one."""
    rows: list[Row] = []
    for cases in sizes:
        for row in _run(services, cases):
            rows.append({"job": "scale", "cases": cases} | row)
            print_row(rows[-1])
    return rows


def _run(services: Services, cases: int) -> Iterator[Row]:
    prefix = f"scale-{kafka.run_tag()}."
    topics = catalogue.topics(prefix)
    make_topics(services.brokers, topics)
    opened_at = int(time.time()) - AGE_S
    kafka.fill(services.brokers, _openings(topics, cases, opened_at))
    sent, before = FACTS * cases, _redis_bytes(services.redis_url)
    wait_until_idle()
    plan = [("the first worker", services.redis_url), ("from Redis", services.redis_url), ("from Kafka alone", "")]
    for number, (name, redis_url) in enumerate(plan):
        if number:
            further = list(_further(topics, cases, opened_at, number))
            kafka.fill(services.brokers, further)
            sent += len(further)
        row: Row = {"name": name} | _measure(services.brokers, topics, prefix, redis_url, sent)
        if redis_url:
            row["redis_mb"] = (_redis_bytes(redis_url) - before) / 2**20
        yield row
    if services.redis_url:
        with Redis.from_url(services.redis_url) as redis:
            redis.flushdb()
    kafka.delete_topics(services.brokers, f"{prefix}.*")


def _openings(topics: Topics, cases: int, opened_at: int) -> Iterator[Event]:
    """Yield booking, assignment and claim of each case, an hour old, so that its parking deadline is still ahead."""
    for number in range(cases):
        booking, assignment, claim = opened(number, FACTS, opened_at)
        subject = f"job-{number:07d}".encode()
        yield topics.of("job.booked"), subject, booking
        yield topics.of("job.assigned"), subject, assignment
        yield topics.of("ticket.created"), subject, claim


def _further(topics: Topics, cases: int, opened_at: int, number: int) -> Iterator[Event]:
    """Yield a validation for some of the cases, which changes their decisions; later ones for each `number`."""
    for case in range(0, cases, max(cases // FURTHER_MAX, 1)):
        subject, verdict = f"job-{case:07d}", {"ticket_id": f"t-{case}", "verdict": "genuine", "channel": "images"}
        validated = event("ticket.validated", subject, 60 * number, verdict, opened_at)
        yield topics.of("ticket.validated"), subject.encode(), validated


def _measure(brokers: str, topics: Topics, prefix: str, redis_url: str, sent: int) -> Row:
    """Start a worker, wait until it has caught up, kill it; return seconds since its start and its memory."""
    first = _FirstDecision(brokers, topics)
    with first, LiveWorker(brokers, prefix, redis_url) as worker:
        lag_s = worker.wait_until_done(sent, RUN_S_MAX).last_s
        rss_mb = worker.rss_mb(peak=True)
        first_s = None if first.at is None else first.at - worker.began
    return {"first_s": first_s, "lag_s": lag_s, "rss_mb": rss_mb}


class _FirstDecision:
    """Reads outputs from now on, in a thread, until the first decision."""

    def __init__(self, brokers: str, topics: Topics) -> None:
        self.at: float | None = None
        decisions = [name for name in topics.outputs if ".decisions." in name or name.startswith("decisions.")]
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": "bench-first", "isolation.level": "read_committed"}
        )
        tps = [TopicPartition(name, number) for name in decisions for number in range(PARTITIONS)]
        for tp in tps:
            tp.offset = self._consumer.get_watermark_offsets(tp, timeout=kafka.TIMEOUT_S)[1]
        self._consumer.assign(tps)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while self.at is None and not self._ended.is_set():
            record: Any = self._consumer.poll(0.1)
            if record is not None and record.error() is None:
                self.at = time.monotonic()


def _redis_bytes(redis_url: str) -> int:
    if not redis_url:
        return 0
    with Redis.from_url(redis_url) as redis:
        info: dict[str, Any] = redis.info("memory")
    return int(info["used_memory"])
