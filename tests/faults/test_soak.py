"""Hours of load with a fault every so often: memory, open files and what waits stay as they are."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from redis import Redis

from streams.embedded_kafka.broker import EmbeddedKafka
from streams.simulator.rng import Rng
from tests.e2e.harness import INPUTS
from tests.faults.conftest import Known, Report
from tests.faults.crew import CrewBench, Member
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder, make_stream
from tests.redis_server import RedisServer

COUNTS = scale()
EVENTS_PER_S = 200
FAULTS_MIN = 4
FAULT_EVERY_S = 60.0
LOOK_EVERY_S = 2.0
FROZEN_S = 4.0
SILENT_MS = 1_500
IDLE_WITHIN_S = 150.0
JUDGED_FROM_S = 600
"""A worker that young still fills what it keeps in memory."""
GROWTH_MAX = 1.2
MIB = 1024 * 1024

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400 + 2 * COUNTS.soak_s)]


@dataclass
class Gauge:
    """What one worker, which nothing befalls, takes over time: bytes of memory, open files; and what waits."""

    process: psutil.Process
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def look(self, bench: CrewBench) -> None:
        self.memory.append(self.process.memory_info().rss)
        self.files.append(self.process.num_fds())
        self.waiting.append(
            bench.written(*INPUTS)
            - sum(at for (topic, _), at in bench._committed().items() if topic.removeprefix(bench.prefix) in INPUTS)
        )

    @property
    def metrics(self) -> dict[str, object]:
        return {
            "MiB in thirds": "/".join(f"{mean / MIB:.0f}" for mean in thirds(self.memory)),
            "open files in thirds": "/".join(f"{mean:.0f}" for mean in thirds(self.files)),
            "events waiting in thirds": "/".join(f"{mean:.0f}" for mean in thirds(self.waiting)),
        }


def thirds(values: list[int]) -> list[float]:
    """Return the means of the first, second and last third of at least three values."""
    size = len(values) // 3
    return [sum(part) / len(part) for part in (values[:size], values[size:-size], values[-size:])]


class Faults:
    """What befalls a member, or Redis, in turn as drawn."""

    def __init__(self, bench: CrewBench, redis: RedisServer, rng: Rng) -> None:
        self.befallen: Counter[str] = Counter()
        self._bench, self._redis, self._rng = bench, redis, rng

    def befall(self, member: Member) -> None:
        ways = {"killed": self._kill, "stopped": self._stop, "frozen": self._freeze, "Redis silent": self._silence}
        name = self._rng.pick(list(ways))
        self.befallen[name] += 1
        ways[name](member)

    def _kill(self, member: Member) -> None:
        self._bench.kill(member)

    def _stop(self, member: Member) -> None:
        member.worker.stop()
        self._bench.replace(member)

    def _freeze(self, member: Member) -> None:
        os.kill(member.worker.process.pid, signal.SIGSTOP)
        self._bench.rest(FROZEN_S)
        os.kill(member.worker.process.pid, signal.SIGCONT)

    def _silence(self, _: Member) -> None:
        with Redis.from_url(self._redis.url) as client:
            client.client_pause(SILENT_MS)


def test_a_long_time_under_load_with_faults_leaves_nothing_behind(
    make_crew: Callable[..., CrewBench],
    kafka: EmbeddedKafka,
    own_redis_server: RedisServer,
    run_scale: Scale,
    report: Report,
    tmp_path: Path,
) -> None:
    stream = make_stream(run_scale.soak_s * EVENTS_PER_S, run_scale.seed, tmp_path / "events.jsonl")
    known = Known(stream, stream.replayed())
    bench = make_crew(kafka.address, own_redis_server.url, SOP_CACHED_CASES_MAX=200)
    spared, hit = bench.join(), bench.join()
    bench.ready()
    gauge = Gauge(psutil.Process(spared.worker.process.pid))
    faults = Faults(bench, own_redis_server, Rng("soak", run_scale.seed))
    every_s = min(FAULT_EVERY_S, run_scale.soak_s / FAULTS_MIN)
    begun = time.monotonic()
    next_fault_s, allowed = every_s / 2, 0
    with Feeder(bench, stream) as feeder:
        while (passed_s := time.monotonic() - begun) < run_scale.soak_s:
            feeder.allow(int(passed_s * EVENTS_PER_S) - allowed)
            allowed = int(passed_s * EVENTS_PER_S)
            gauge.look(bench)
            if passed_s >= next_fault_s:
                next_fault_s += every_s
                faults.befall(hit)
            bench.rest(LOOK_EVERY_S)
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    befallen = ", ".join(f"{name} {times}" for name, times in sorted(faults.befallen.items()))
    name = f"F24 {run_scale.soak_s / 60:.1f} min under load"
    report(name, faults.befallen.total(), bench, known, befallen=befallen, **gauge.metrics)
    assert spared.worker.process.pid == gauge.process.pid
    if run_scale.soak_s >= JUDGED_FROM_S:
        _, before, after = thirds(gauge.memory)
        assert after < before * GROWTH_MAX
        _, before, after = thirds(gauge.files)
        assert after < before * GROWTH_MAX
