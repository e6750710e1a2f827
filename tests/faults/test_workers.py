"""Workers killed, stopped, frozen, joined at drawn moments while events stream in: nothing shows in what they say."""

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
from tests.faults.conftest import Known, Report
from tests.faults.crew import CrewBench, Member
from tests.faults.monitor import Monitor, now_ms, percentiles
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder

COUNTS = scale()
IDLE_WITHIN_S = 120.0 + COUNTS.events / 1_000
CALM_WITHIN_S = 120.0
MOMENT_S = 2.0
CREW_MAX = 4

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(
        300 + 20 * max(COUNTS.kills, COUNTS.stops, COUNTS.changes, COUNTS.freezes) + COUNTS.events / 200
    ),
]


@dataclass
class Storm:
    """One run: who is there, what streams in, what it was like for those who wait for decisions."""

    bench: CrewBench
    rng: Rng
    feeder: Feeder
    monitor: Monitor
    share: int
    """Events that come in with every fault; a quarter more while it is got over."""
    recoveries_s: list[float] = field(default_factory=list)
    stops_s: list[float] = field(default_factory=list)
    kills: int = 0
    bad_stops: list[tuple[int, str]] = field(default_factory=list)

    def advance(self) -> None:
        """Let more events come in, wait until some steps were said, then a moment: anywhere between two of them.

        One time in four it does not matter whether everybody has work yet.
        """
        if self.rng.chance(0.75):
            self.bench.await_that(lambda: all(member.partitions for member in self.bench.crew))
        self.feeder.allow(self.share)
        wanted = self.monitor.records + self.rng.whole(0, 12)
        end = time.monotonic() + MOMENT_S
        self.bench.await_that(lambda: self.monitor.records >= wanted or time.monotonic() > end)
        self.bench.rest(self.rng.between(0.0, 0.05))

    def recover(self, partitions: Collection[int], at_ms: int) -> None:
        """Wait until all partitions go on after a fault; now and then only for a drawn part of that time.

        `partitions` are those of whom it befell: no decision comes of them until somebody else goes on with them.
        """
        self.feeder.allow(self.share // 4)
        if self.rng.chance(0.25):
            self.bench.rest(self.rng.between(0.0, 2.5))
            return
        everybody = range(self.bench.partitions)
        self.bench.await_that(lambda: all(self.monitor.first_after(each, at_ms) for each in everybody), CALM_WITHIN_S)
        if partitions:
            ends = [self.monitor.first_after(each, at_ms) or at_ms for each in partitions]
            self.recoveries_s.append((max(ends) - at_ms) / 1000)

    def kill(self, member: Member) -> None:
        """Kill a member's worker; another one follows at once."""
        partitions, at_ms = member.partitions, now_ms()
        if self.bench.kill(member):
            self.kills += 1
            self.recover(partitions, at_ms)

    def stop(self, member: Member) -> None:
        """Have a member leave; it ends in good order, or at once where it had no work yet."""
        began = time.monotonic()
        has_begun = member.worker.partitions != ""
        status = self.bench.leave(member)
        self.stops_s.append(time.monotonic() - began)
        if status != 0 and (has_begun or status != -signal.SIGTERM):
            self.bad_stops.append((status, member.worker.log[-3000:]))

    def freeze(self, member: Member) -> None:
        """Have a member's worker stand still until others have its partitions and are at work on them, then wake it."""
        partitions, at_ms = member.partitions, now_ms()
        os.kill(member.worker.process.pid, signal.SIGSTOP)
        others = [each for each in self.bench.crew if each is not member]
        self.bench.await_that(lambda: self.bench.has_all(*others))
        self.recover(partitions, at_ms)
        self.feeder.allow(self.share)
        os.kill(member.worker.process.pid, signal.SIGCONT)
        self.bench.work_on(10)

    @property
    def metrics(self) -> dict[str, object]:
        return {"recoveries": len(self.recoveries_s), "recovery p50/p95/p99/max": percentiles(self.recoveries_s)}


@contextmanager
def storm(bench: CrewBench, known: Known, faults: int, *seed: object) -> Iterator[Storm]:
    """Begin with two workers; when the faults are over feed the rest and wait until all rests."""
    rng = Rng(*map(str, seed))
    for _ in range(2):
        bench.join(SOP_STEP_RECORDS_MAX=rng.pick((20, 200, 2000)))
    bench.ready()
    with Feeder(bench, known.stream) as feeder, Monitor(bench) as monitor:
        yield Storm(bench, rng, feeder, monitor, int(known.stream.events / (faults * 1.3)))
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


def test_killed_workers_leave_no_trace(crew_bench: CrewBench, known: Known, run_scale: Scale, report: Report) -> None:
    with storm(crew_bench, known, run_scale.kills, "kills", run_scale.seed) as run:
        while run.kills < run_scale.kills:
            run.advance()
            run.kill(run.rng.pick(crew_bench.crew))
    report("F3 kill -9 under load", run.kills, crew_bench, known, **run.metrics)


def test_workers_without_redis_that_are_killed_leave_no_trace(
    make_crew: Callable[..., CrewBench], kafka: EmbeddedKafka, short: Known, run_scale: Scale, report: Report
) -> None:
    bench = make_crew(kafka.address)
    kills = min(run_scale.kills, 20)
    with storm(bench, short, kills, "kills without Redis", run_scale.seed) as run:
        while run.kills < kills:
            run.advance()
            run.kill(run.rng.pick(bench.crew))
    report("F3 kill -9 under load, state in memory", run.kills, bench, short, **run.metrics)


def test_stopped_workers_end_in_good_order(
    crew_bench: CrewBench, known: Known, run_scale: Scale, report: Report
) -> None:
    with storm(crew_bench, known, run_scale.stops, "stops", run_scale.seed) as run:
        for _ in range(run_scale.stops):
            run.advance()
            member = run.rng.pick(crew_bench.crew)
            partitions, at_ms = member.partitions, now_ms()
            run.stop(member)
            crew_bench.join(**member.settings)
            run.recover(partitions, at_ms)
    stops = {"stop p50/p95/p99/max": percentiles(run.stops_s), **run.metrics}
    report("F1 SIGTERM under load", run_scale.stops, crew_bench, known, **stops)
    assert run.bad_stops == []


def test_workers_that_join_leave_and_die_hand_over_without_a_trace(
    crew_bench: CrewBench, known: Known, run_scale: Scale, report: Report
) -> None:
    with storm(crew_bench, known, run_scale.changes, "changes", run_scale.seed) as run:
        for _ in range(run_scale.changes):
            run.advance()
            crew = crew_bench.crew
            change = run.rng.pick(("join", "leave", "die", "die"))
            if change == "join" and len(crew) < CREW_MAX:
                at_ms = now_ms()
                crew_bench.join(SOP_STEP_RECORDS_MAX=run.rng.pick((20, 200, 2000)))
                run.recover((), at_ms)
            elif change == "leave" and len(crew) > 1:
                member = run.rng.pick(crew)
                partitions, at_ms = member.partitions, now_ms()
                run.stop(member)
                run.recover(partitions, at_ms)
            else:
                run.kill(run.rng.pick(crew))
    report("F2 workers join, leave, die", run_scale.changes, crew_bench, known, **run.metrics)


def test_a_frozen_worker_that_wakes_says_nothing_stale(
    crew_bench: CrewBench, known: Known, run_scale: Scale, report: Report
) -> None:
    with storm(crew_bench, known, 2 * run_scale.freezes, "freezes", run_scale.seed) as run:
        for _ in range(run_scale.freezes):
            run.advance()
            run.freeze(run.rng.pick(crew_bench.crew))
    report("F25 frozen longer than its session, woken under load", run_scale.freezes, crew_bench, known, **run.metrics)
