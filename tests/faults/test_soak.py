"""Hours of load with occasional faults: memory, open files and the backlog do not grow."""

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
from tests.faults.conftest import KnownStream, Report
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder, make_stream
from tests.faults.supervision import FaultBench, Replica
from tests.redis_server import RedisServer

COUNTS = scale()
EVENTS_PER_S = 200
FAULTS_MIN = 4
FAULT_EVERY_S = 60.0
SAMPLE_EVERY_S = 2.0
FROZEN_S = 4.0
SILENT_MS = 1_500
IDLE_WITHIN_S = 150.0
JUDGED_FROM_S = 600
"""In a shorter run the worker's caches are still filling."""
GROWTH_MAX = 1.2
MIB = 1024 * 1024

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400 + 2 * COUNTS.soak_s)]


@dataclass
class Gauge:
    """Samples of one worker without faults: bytes of memory and open files; and the backlog in events."""

    process: psutil.Process
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    backlog: list[int] = field(default_factory=list)

    def sample(self, bench: FaultBench) -> None:
        self.memory.append(self.process.memory_info().rss)
        self.files.append(self.process.num_fds())
        self.backlog.append(
            bench.written(*INPUTS)
            - sum(at for (topic, _), at in bench._committed().items() if topic.removeprefix(bench.prefix) in INPUTS)
        )

    @property
    def metrics(self) -> dict[str, object]:
        return {
            "MiB in thirds": "/".join(f"{mean / MIB:.0f}" for mean in thirds(self.memory)),
            "open files in thirds": "/".join(f"{mean:.0f}" for mean in thirds(self.files)),
            "backlog in thirds": "/".join(f"{mean:.0f}" for mean in thirds(self.backlog)),
        }


def thirds(values: list[int]) -> list[float]:
    """Return the means of the first, second and last third of at least three values."""
    size = len(values) // 3
    return [sum(part) / len(part) for part in (values[:size], values[size:-size], values[-size:])]


class Faults:
    """Injects random faults into a replica or Redis."""

    def __init__(self, bench: FaultBench, redis: RedisServer, rng: Rng) -> None:
        self.injected: Counter[str] = Counter()
        self._bench, self._redis, self._rng = bench, redis, rng

    def inject(self, replica: Replica) -> None:
        faults = {"killed": self._kill, "stopped": self._stop, "frozen": self._freeze, "Redis silent": self._silence}
        name = self._rng.pick(list(faults))
        self.injected[name] += 1
        faults[name](replica)

    def _kill(self, replica: Replica) -> None:
        self._bench.kill(replica)

    def _stop(self, replica: Replica) -> None:
        replica.worker.stop()
        self._bench.restart(replica)

    def _freeze(self, replica: Replica) -> None:
        os.kill(replica.worker.process.pid, signal.SIGSTOP)
        self._bench.run_for(FROZEN_S)
        os.kill(replica.worker.process.pid, signal.SIGCONT)

    def _silence(self, _: Replica) -> None:
        with Redis.from_url(self._redis.url) as client:
            client.client_pause(SILENT_MS)


def test_a_long_load_with_faults_leaks_nothing(
    make_bench: Callable[..., FaultBench],
    kafka: EmbeddedKafka,
    own_redis_server: RedisServer,
    run_scale: Scale,
    report: Report,
    tmp_path: Path,
) -> None:
    stream = make_stream(run_scale.soak_s * EVENTS_PER_S, run_scale.seed, tmp_path / "events.jsonl")
    known = KnownStream(stream, stream.replay())
    bench = make_bench(kafka.address, own_redis_server.url, SOP_CACHED_CASES_MAX=200)
    observed, target = bench.add_worker(), bench.add_worker()
    bench.wait_until_ready()
    gauge = Gauge(psutil.Process(observed.worker.process.pid))
    faults = Faults(bench, own_redis_server, Rng("soak", run_scale.seed))
    every_s = min(FAULT_EVERY_S, run_scale.soak_s / FAULTS_MIN)
    started = time.monotonic()
    next_fault_s, allowed = every_s / 2, 0
    with Feeder(bench, stream) as feeder:
        while (passed_s := time.monotonic() - started) < run_scale.soak_s:
            feeder.allow(int(passed_s * EVENTS_PER_S) - allowed)
            allowed = int(passed_s * EVENTS_PER_S)
            gauge.sample(bench)
            if passed_s >= next_fault_s:
                next_fault_s += every_s
                faults.inject(target)
            bench.run_for(SAMPLE_EVERY_S)
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    counts = ", ".join(f"{name} {times}" for name, times in sorted(faults.injected.items()))
    name = f"F24 {run_scale.soak_s / 60:.1f} min under load"
    report(name, faults.injected.total(), bench, known, injected=counts, **gauge.metrics)
    assert observed.worker.process.pid == gauge.process.pid
    if run_scale.soak_s >= JUDGED_FROM_S:
        _, before, after = thirds(gauge.memory)
        assert after < before * GROWTH_MAX
        _, before, after = thirds(gauge.files)
        assert after < before * GROWTH_MAX
