"""A year of jobs by a clock that runs fast, over a real Redis: what is kept comes to a level and stays there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from agents.case.case import NO_LONGER_KEPT
from schemas.codec.encoder import decode_dead_letter
from schemas.codec.limits import Limits
from schemas.policy.model import DAY, HOUR, MINUTE, Policy, PolicySet
from schemas.timestamps import parse_instant
from schemas.topics import Topics
from streams.processor.processor import ProcessorSettings, SopProcessor
from streams.processor.retention import RetentionRules
from streams.redis.store import RedisStore
from streams.runtime.ports import TP, Checkpoint, Outgoing, Stored
from streams.simulator.rng import Rng
from tests.faults.conftest import Report
from tests.faults.scale import Scale, scale
from tests.frozen import packed
from tests.redis_server import RedisServer
from tests.scenario import line

MONTH = 30 * DAY
RULES = RetentionRules(case=90 * DAY, memory=60 * DAY)
LEVEL_AFTER_MONTHS = 6
GROWTH_MAX = 1.05
MONTHS = scale().months
JOBS_A_DAY = 4
STEP = 12 * HOUR
BEGIN = parse_instant("2026-01-01T00:00:00Z")
TOPICS = Topics()

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60 + 30 * MONTHS)]


@dataclass
class Year:
    """One partition number's work, every month of another owner; all time is the clock's, which is set."""

    redis: Redis
    namespace: str
    rng: Rng
    now: int = BEGIN
    events: int = 0
    refused: int = 0
    keys: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    """At the end of each month: keys in Redis, and bytes that they take."""

    async def month(self) -> None:
        store = RedisStore(self.redis, self.namespace, 0)
        saved = await store.claim() or Checkpoint({}, {}, {})
        settings = ProcessorSettings(
            topics=TOPICS,
            partitions=1,
            policies=PolicySet((), Policy(hash="h")),
            limits=Limits(),
            facts_per_case_max=99,
            cached_cases_max=50,
            answer_wait=0,
            retention=RULES,
        )
        work = SopProcessor(0, settings, store)
        await work.begin(saved.counts)
        until = self.now + MONTH
        while self.now < until:
            self.now += STEP
            await self._step(work, list(self._told()))
            changes = packed(work)
            await store.save(saved, changes.blobs, changes.deadlines, changes.expiries)
            work.mark_saved()
        await self._measure()

    async def _step(self, work: SopProcessor, lines: list[bytes]) -> None:
        self.events += len(lines)
        brought = [Outgoing("jobs", 0, b"", each) for each in lines]
        while True:
            names = [*await work.due(self.now, 1_000), *await work.expired(self.now, 1_000)]
            await work.process([(TP(each.topic, 0), [self._record(each)]) for each in brought], self.now)
            said = await work.evaluate(self.now, {}, names)
            letters = [decode_dead_letter(each.value) for each in said if each.topic == TOPICS.dead_letters]
            assert {each.reason for each in letters} <= {NO_LONGER_KEPT}
            self.refused += len(letters)
            brought = [each for each in said if each.topic in TOPICS.internal]
            if not brought and not names:
                return

    def _record(self, brought: Outgoing) -> Stored:
        return Stored(0, brought.key, brought.value, (), self.now // 1000)

    def _told(self) -> Iterator[bytes]:
        """Yield the events of some jobs, of a partner who comes and goes, and one of a job four months ago."""
        for number in range(JOBS_A_DAY * STEP // DAY):
            at, job = self.now - HOUR, f"job-{self.now}-{number}"
            partner = f"p-{self.now // MONTH}-{self.rng.whole(1, 20)}"
            yield _booked(job, at)
            yield line("job.assigned", job, at + MINUTE, "assigned", {"partner_id": partner})
            for minute in range(2, 12):
                where = {"lat": 28.6139, "lon": 77.2090, "accuracy_m": 10.0, "mocked": False}
                yield line("location.reported", partner, at + minute * MINUTE, f"{job}-{minute}", where)
            if self.rng.chance(0.5):
                yield line("job.closed", job, at + 20 * MINUTE, "end", {"partner_id": partner, "closure": "completed"})
            else:
                ended = {"by": "partner", "reason": "cant_deliver", "marked_against": "partner"}
                yield line("cancellation.recorded", job, at + 20 * MINUTE, "end", ended)
        if self.now - BEGIN > 4 * MONTH + STEP and self.rng.chance(0.4):
            then = self.now - 4 * MONTH
            yield _booked(f"job-{then}-0", then - HOUR)

    async def _measure(self) -> None:
        keys = [key async for key in self.redis.scan_iter(f"{{{self.namespace}:0}}*", count=1_000)]
        async with self.redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.memory_usage(key, samples=0)
            self.size.append(sum(await pipeline.execute()))
        self.keys.append(len(keys))


def _booked(job: str, at: int) -> bytes:
    told = {
        "customer_id": "c1",
        "category": "ac",
        "city": "Delhi",
        "site": {"lat": 28.6139, "lon": 77.2090},
        "premises": "residential",
        "scheduled_for": "2026-11-21T10:00:00+05:30",
    }
    return line("job.booked", job, at, "booked", told)


async def test_keys_and_bytes_in_redis_come_to_a_level(
    redis_server: RedisServer, prefix: str, run_scale: Scale, report: Report
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        year = Year(redis, prefix, Rng("growth", run_scale.seed))
        for _ in range(MONTHS):
            await year.month()
    first, second = halves(year.keys[LEVEL_AFTER_MONTHS:]), halves(year.size[LEVEL_AFTER_MONTHS:])
    grown = {"keys": first[1] / first[0], "bytes": second[1] / second[0]}
    metrics: dict[str, object] = {
        "months": MONTHS,
        "keys by month": "/".join(map(str, year.keys)),
        "KiB by month": "/".join(f"{size / 1024:.0f}" for size in year.size),
        "facts that came too late": year.refused,
    }
    report.write("F31 months of jobs, each settled", MONTHS, year.events, {}, metrics)
    assert year.refused
    assert year.keys[0] < year.keys[2], "it grows until what is settled is old enough to leave"
    assert {name: share for name, share in grown.items() if share > GROWTH_MAX} == {}


def halves(values: list[int]) -> tuple[float, float]:
    """Return the means of the first and the second half."""
    half = len(values) // 2
    return sum(values[:half]) / half, sum(values[-half:]) / half
