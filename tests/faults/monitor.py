"""Observes from outside when each partition makes progress."""

from __future__ import annotations

import bisect
import threading
import time
from collections import defaultdict
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, TopicPartition

from tests.e2e.harness import Bench
from tests.faults.supervision import PROGRESS, PROGRESS_KEY


class Monitor:
    """Follows the progress topic of a bench whose topics exist; times are wall-clock milliseconds."""

    def __init__(self, bench: Bench) -> None:
        self.records = 0
        self._at: defaultdict[int, list[int]] = defaultdict(list)
        self._ended = threading.Event()
        options = bench._reader_options() | {"enable.partition.eof": False}
        self._consumer = Consumer(options)
        self._consumer.assign([TopicPartition(bench.prefix + PROGRESS, n, 0) for n in range(bench.partitions)])
        self._thread = threading.Thread(target=self._follow, name="monitor")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def first_after(self, partition: int, at_ms: int) -> int | None:
        """Return the time of a partition's first step after `at_ms`, None if there was none yet."""
        instants = self._at[partition]
        found = bisect.bisect_right(instants, at_ms)
        return instants[found] if found < len(instants) else None

    def _follow(self) -> None:
        while not self._ended.is_set():
            for message in self._consumer.consume(1000, timeout=0.02):
                if message.error() is None and message.key() == PROGRESS_KEY:
                    self._at[message.partition() or 0].append(message.timestamp()[1])
                    self.records += 1


def now_ms() -> int:
    """Return the time of the machine's clock."""
    return time.time_ns() // 1_000_000  # noqa: TID251 - compared with timestamps of records


def percentiles(values: list[float]) -> str:
    """Return p50/p95/p99 and the maximum of some durations in seconds."""
    if not values:
        return "none"
    ordered = sorted(values)
    picked = [ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.95, 0.99)]
    return "/".join(f"{value:.1f}" for value in (*picked, ordered[-1])) + " s"
