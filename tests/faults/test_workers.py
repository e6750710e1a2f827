"""Workers are killed, stopped, frozen and added at random times under load; their outputs do not show it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from streams.simulator.rng import Rng
from tests.faults.conftest import KnownStream, Report
from tests.faults.monitor import Monitor, now_ms, percentiles
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder
from tests.faults.supervision import FaultBench, Replica

COUNTS = scale()
IDLE_WITHIN_S = 120.0 + COUNTS.events / 1_000
RECOVERY_WITHIN_S = 120.0
STEPS_WITHIN_S = 2.0
REPLICAS_MAX = 4

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(
        300 + 20 * max(COUNTS.kills, COUNTS.stops, COUNTS.changes, COUNTS.freezes) + COUNTS.events / 200
    ),
]


@dataclass
class LoadTest:
    """A run under load: the bench, the feeder, and the recovery times that consumers of decisions see."""

    bench: FaultBench
    rng: Rng
    feeder: Feeder
    monitor: Monitor
    share: int
    """Events fed before every fault; a quarter as many are fed during recovery."""
    recoveries_s: list[float] = field(default_factory=list)
    stops_s: list[float] = field(default_factory=list)
    kills: int = 0
    unclean_stops: list[tuple[int, str]] = field(default_factory=list)

    def feed_some(self) -> None:
        """Feed events, and wait for a random number of steps and a random moment after the last.

        Three times out of four it first waits until every replica owns partitions.
        """
        if self.rng.chance(0.75):
            self.bench.wait_until(lambda: all(replica.partitions for replica in self.bench.replicas))
        self.feeder.allow(self.share)
        wanted = self.monitor.records + self.rng.whole(0, 12)
        end = time.monotonic() + STEPS_WITHIN_S
        self.bench.wait_until(lambda: self.monitor.records >= wanted or time.monotonic() > end)
        self.bench.run_for(self.rng.between(0.0, 0.05))

    def wait_for_recovery(self, partitions: Collection[int], at_ms: int) -> None:
        """Wait until all partitions make progress after a fault, or sometimes only for a random time.

        `partitions` belonged to the affected worker, and make no progress until they have a new owner.
        """
        self.feeder.allow(self.share // 4)
        if self.rng.chance(0.25):
            self.bench.run_for(self.rng.between(0.0, 2.5))
            return
        all_partitions = range(self.bench.partitions)
        self.bench.wait_until(
            lambda: all(self.monitor.first_after(each, at_ms) for each in all_partitions), RECOVERY_WITHIN_S
        )
        if partitions:
            ends = [self.monitor.first_after(each, at_ms) or at_ms for each in partitions]
            self.recoveries_s.append((max(ends) - at_ms) / 1000)

    def kill(self, replica: Replica) -> None:
        """Kill a replica's worker; the next one starts at once."""
        partitions, at_ms = replica.partitions, now_ms()
        if self.bench.kill(replica):
            self.kills += 1
            self.wait_for_recovery(partitions, at_ms)

    def stop(self, replica: Replica) -> None:
        """Stop a replica for good; it ends cleanly, or at once if it has not started working."""
        began = time.monotonic()
        has_started = replica.worker.partitions != ""
        status = self.bench.remove_worker(replica)
        self.stops_s.append(time.monotonic() - began)
        if status != 0 and (has_started or status != -signal.SIGTERM):
            self.unclean_stops.append((status, replica.worker.log[-3000:]))

    def freeze(self, replica: Replica) -> None:
        """Freeze a replica's worker until others make progress on its partitions, then resume it."""
        partitions, at_ms = replica.partitions, now_ms()
        os.kill(replica.worker.process.pid, signal.SIGSTOP)
        others = [each for each in self.bench.replicas if each is not replica]
        self.bench.wait_until(lambda: self.bench.own_all_partitions(*others))
        self.wait_for_recovery(partitions, at_ms)
        self.feeder.allow(self.share)
        os.kill(replica.worker.process.pid, signal.SIGCONT)
        self.bench.wait_for_progress(10)

    @property
    def metrics(self) -> dict[str, object]:
        return {"recoveries": len(self.recoveries_s), "recovery p50/p95/p99/max": percentiles(self.recoveries_s)}


@contextmanager
def under_load(bench: FaultBench, known: KnownStream, faults: int, *seed: object) -> Iterator[LoadTest]:
    """Start two workers; after the block feed the rest and wait until the bench is idle."""
    rng = Rng(*map(str, seed))
    for _ in range(2):
        bench.add_worker(SOP_STEP_RECORDS_MAX=rng.pick((20, 200, 2000)))
    bench.wait_until_ready()
    with Feeder(bench, known.stream) as feeder, Monitor(bench) as monitor:
        yield LoadTest(bench, rng, feeder, monitor, int(known.stream.events / (faults * 1.3)))
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


def test_killed_workers_change_no_output(
    shared_bench: FaultBench, known: KnownStream, run_scale: Scale, report: Report
) -> None:
    with under_load(shared_bench, known, run_scale.kills, "kills", run_scale.seed) as run:
        while run.kills < run_scale.kills:
            run.feed_some()
            run.kill(run.rng.pick(shared_bench.replicas))
    report("F3 kill -9 under load", run.kills, shared_bench, known, **run.metrics)


def test_killed_workers_without_redis_change_no_output(
    make_bench: Callable[..., FaultBench],
    kafka: EmbeddedKafka,
    short: KnownStream,
    run_scale: Scale,
    report: Report,
) -> None:
    bench = make_bench(kafka.address)
    kills = min(run_scale.kills, 20)
    with under_load(bench, short, kills, "kills without Redis", run_scale.seed) as run:
        while run.kills < kills:
            run.feed_some()
            run.kill(run.rng.pick(bench.replicas))
    report("F3 kill -9 under load, state in memory", run.kills, bench, short, **run.metrics)


def test_stopped_workers_end_cleanly(
    shared_bench: FaultBench, known: KnownStream, run_scale: Scale, report: Report
) -> None:
    with under_load(shared_bench, known, run_scale.stops, "stops", run_scale.seed) as run:
        for _ in range(run_scale.stops):
            run.feed_some()
            replica = run.rng.pick(shared_bench.replicas)
            partitions, at_ms = replica.partitions, now_ms()
            run.stop(replica)
            shared_bench.add_worker(**replica.settings)
            run.wait_for_recovery(partitions, at_ms)
    stops = {"stop p50/p95/p99/max": percentiles(run.stops_s), **run.metrics}
    report("F1 SIGTERM under load", run_scale.stops, shared_bench, known, **stops)
    assert run.unclean_stops == []


def test_workers_that_join_leave_and_die_change_no_output(
    shared_bench: FaultBench, known: KnownStream, run_scale: Scale, report: Report
) -> None:
    with under_load(shared_bench, known, run_scale.changes, "changes", run_scale.seed) as run:
        for _ in range(run_scale.changes):
            run.feed_some()
            replicas = shared_bench.replicas
            change = run.rng.pick(("join", "leave", "die", "die"))
            if change == "join" and len(replicas) < REPLICAS_MAX:
                at_ms = now_ms()
                shared_bench.add_worker(SOP_STEP_RECORDS_MAX=run.rng.pick((20, 200, 2000)))
                run.wait_for_recovery((), at_ms)
            elif change == "leave" and len(replicas) > 1:
                replica = run.rng.pick(replicas)
                partitions, at_ms = replica.partitions, now_ms()
                run.stop(replica)
                run.wait_for_recovery(partitions, at_ms)
            else:
                run.kill(run.rng.pick(replicas))
    report("F2 workers join, leave, die", run_scale.changes, shared_bench, known, **run.metrics)


def test_a_resumed_worker_emits_nothing_stale(
    shared_bench: FaultBench, known: KnownStream, run_scale: Scale, report: Report
) -> None:
    with under_load(shared_bench, known, 2 * run_scale.freezes, "freezes", run_scale.seed) as run:
        for _ in range(run_scale.freezes):
            run.feed_some()
            run.freeze(run.rng.pick(shared_bench.replicas))
    report(
        "F25 frozen longer than its session, woken under load", run_scale.freezes, shared_bench, known, **run.metrics
    )
