"""The light job with more partitions and more workers, measured by the progress that workers publish."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any, Final

import psutil
from confluent_kafka import Consumer, TopicPartition

from bench import kafka, light
from bench.contestants import module
from bench.latency import NEVER
from bench.rounds import Row, cpu_s, print_row, wait_until_idle
from bench.run_spec import RunSpec
from bench.services import Services
from streams.runtime.progress import PROGRESS_KEY, unpack_progress

RUN_S_MAX: Final = 120.0
ProgressPoints = list[tuple[int, int]]
"""Pairs of (broker time in milliseconds, events read by then)."""


def run_scaling(services: Services, count: int, partitions: Sequence[int], workers: Sequence[int]) -> list[Row]:
    """Return a row for each number of partitions with one worker, and for each number of workers."""
    sizes = [(number, 1) for number in partitions] + [(max(workers), number) for number in workers]
    rows = []
    for on, by in dict.fromkeys(sizes):
        row = {"job": "scaling", "name": f"{on} partitions, {by} workers", "partitions": on, "workers": by}
        rows.append(row | _run(services, count, on, by))
        print_row(rows[-1])
    return rows


def _run(services: Services, count: int, partitions: int, workers: int) -> Row:
    tag = kafka.run_tag()
    spec = RunSpec(
        brokers=services.brokers,
        events=f"scaling-{tag}",
        decisions=f"decisions-{tag}",
        group=f"bench-{tag}",
        count=NEVER,
    )
    kafka.create_topic(spec.brokers, spec.events, partitions=partitions)
    kafka.create_outputs(spec.brokers, spec.decisions, partitions=partitions)
    kafka.fill(spec.brokers, ((spec.events, key, value) for key, value in light.events(count)))
    wait_until_idle()
    command = module("ours")(spec)
    processes = [psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(workers)]
    try:
        points = _watch(spec, partitions, count)
        spent = sum(cpu_s(process) for process in processes)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()
    kafka.delete_topics(spec.brokers, f".*{tag}.*")
    total = points[-1][1] if points else 0
    if total < count:
        return {"error": f"{total} of {count} events read in {RUN_S_MAX:g} s"}
    warm = next(each for each in points if each[1] >= count // 10)
    seconds = (points[-1][0] - warm[0]) / 1000
    return {"rate": (count - warm[1]) / seconds, "cpu_s_with_start": spent / count * 1e6}


def _watch(spec: RunSpec, partitions: int, count: int) -> ProgressPoints:
    """Read progress messages until all events are read or the time is up."""
    consumer = Consumer({"bootstrap.servers": spec.brokers, "group.id": "bench-progress", "enable.auto.commit": False})
    consumer.assign([TopicPartition(f"{spec.decisions}-progress", number, 0) for number in range(partitions)])
    read = dict.fromkeys(range(partitions), 0)
    points: ProgressPoints = []
    deadline = time.monotonic() + RUN_S_MAX
    while sum(read.values()) < count and time.monotonic() < deadline:
        record: Any = consumer.poll(0.5)
        if record is not None and record.error() is None and record.key() == PROGRESS_KEY:
            read[record.partition()] = sum(unpack_progress(record.value()).consumed.values())
            points.append((record.timestamp()[1], sum(read.values())))
    consumer.close()
    return sorted(points)
