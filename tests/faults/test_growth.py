"""A simulated year of jobs over a real Redis: the stored state levels off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from redis.asyncio import Redis

from agents.case.case import NO_LONGER_KEPT
from agents.sops import catalogue
from schemas.codec.encoder import decode_dead_letter
from schemas.policy.model import DAY, HOUR, MINUTE, Policy, PolicySet
from schemas.timestamps import parse_instant
from streams.policies.source import FixedPolicies
from streams.processor.processor import SopProcessor
from streams.processor.retention import RetentionRules
from streams.redis.store import RedisStore
from streams.runtime.ports import TP, Checkpoint, Outgoing, Stored
from streams.simulator.rng import Rng
from tests.faults.conftest import Report
from tests.faults.scale import Scale, scale
from tests.inbound import envelope
from tests.processors import SETTINGS, packed
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
TOPICS = catalogue.topics()
BOOKED = envelope("job.booked")["data"]
AT_SITE = BOOKED["site"] | {"accuracy_m": 10.0, "mocked": False}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60 + 30 * MONTHS)]


@dataclass
class GrowthRun:
    """The processor of one partition, with a new owner each month; the test sets the clock."""

    redis: Redis
    namespace: str
    rng: Rng
    now: int = BEGIN
    events: int = 0
    refused: int = 0
    keys: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    """The bytes of all keys in Redis, at the end of each month."""

    async def run_month(self) -> None:
        store = RedisStore(self.redis, self.namespace, 0)
        saved = await store.claim() or Checkpoint({}, {}, {})
        policies = FixedPolicies(PolicySet((), Policy(hash="h")))
        settings = replace(SETTINGS, policies=policies, cached_cases_max=50, retention=RULES)
        work = SopProcessor(0, settings, store)
        await work.begin(saved.counts)
        until = self.now + MONTH
        while self.now < until:
            self.now += STEP
            await self._step(work, list(self._events()))
            changes = packed(work)
            await store.save(saved, changes)
            work.mark_saved()
        await self._measure()

    async def _step(self, work: SopProcessor, lines: list[bytes]) -> None:
        self.events += len(lines)
        incoming = [Outgoing("jobs", 0, b"", each) for each in lines]
        while True:
            names = [*await work.due(self.now, 1_000), *await work.expired(self.now, 1_000)]
            await work.process([(TP(each.topic, 0), [self._record(each)]) for each in incoming], self.now)
            outputs = await work.evaluate(self.now, {}, names)
            dead_letters = [decode_dead_letter(each.value) for each in outputs if each.topic == TOPICS.dead_letters]
            assert {each.reason for each in dead_letters} <= {NO_LONGER_KEPT}
            self.refused += len(dead_letters)
            incoming = [each for each in outputs if each.topic in TOPICS.internal]
            if not incoming and not names:
                return

    def _record(self, incoming: Outgoing) -> Stored:
        return Stored(0, incoming.key, incoming.value, (), self.now // 1000)

    def _events(self) -> Iterator[bytes]:
        """Yield the events of new jobs and their partners, and sometimes one about a job of four months ago."""
        for number in range(JOBS_A_DAY * STEP // DAY):
            at, job = self.now - HOUR, f"job-{self.now}-{number}"
            partner = f"p-{self.now // MONTH}-{self.rng.whole(1, 20)}"
            yield _booked(job, at)
            yield line("job.assigned", job, at + MINUTE, "assigned", {"partner_id": partner})
            for minute in range(2, 12):
                yield line("location.reported", partner, at + minute * MINUTE, f"{job}-{minute}", AT_SITE)
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
    return line("job.booked", job, at, "booked", BOOKED)


async def test_keys_and_bytes_in_redis_level_off(
    redis_server: RedisServer, prefix: str, run_scale: Scale, report: Report
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        run = GrowthRun(redis, prefix, Rng("growth", run_scale.seed))
        for _ in range(MONTHS):
            await run.run_month()
    first, second = halves(run.keys[LEVEL_AFTER_MONTHS:]), halves(run.size[LEVEL_AFTER_MONTHS:])
    grown = {"keys": first[1] / first[0], "bytes": second[1] / second[0]}
    metrics: dict[str, object] = {
        "months": MONTHS,
        "keys by month": "/".join(map(str, run.keys)),
        "KiB by month": "/".join(f"{size / 1024:.0f}" for size in run.size),
        "facts refused as too late": run.refused,
    }
    report.write("F31 months of jobs, each settled", MONTHS, run.events, {}, metrics)
    assert run.refused
    assert run.keys[0] < run.keys[2], "the state grows until settled cases are old enough to leave"
    assert {name: share for name, share in grown.items() if share > GROWTH_MAX} == {}


def halves(values: list[int]) -> tuple[float, float]:
    """Return the means of the first and the second half."""
    half = len(values) // 2
    return sum(values[:half]) / half, sum(values[-half:]) / half
