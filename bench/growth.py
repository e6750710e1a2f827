"""CPU time per event as open cases and histories grow, and the size of an open case; without Kafka.

Each size runs in its own process (`python -m bench.growth '<JSON>'`), so that its memory can be measured alone.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct
from redis.asyncio import Redis

from agents.sops import catalogue
from agents.sops.catalogue import POLICIES
from bench.rounds import Row, print_row
from bench.run_spec import RESULT_PREFIX, peak_mb
from schemas.codec.limits import Limits
from streams.memory.store import MemoryState, MemoryStore
from streams.policies.source import FixedPolicies
from streams.processor.processor import SopProcessor
from streams.processor.settings import ProcessorSettings
from streams.processor.subject import case_name, partner_name
from streams.redis.store import RedisStore
from streams.runtime.ports import TP, Changes, Checkpoint, Store, Stored

STEP: Final = 1_000
MEASURED_MAX: Final = 1_000
REPORTS: Final = 200
CACHED_CASES_MAX: Final = 5_000
NOON: Final = 1_790_000_000
NOW: Final = NOON + 1_000_000
"""In seconds; later than any event."""
INSTANT_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
TOPICS: Final = catalogue.topics()


class Size(Struct, frozen=True):
    """How many cases are open, and how many facts each case has before the measurement."""

    cases: int
    facts: int
    redis_url: str = ""


def run_growth(cases: Sequence[int], facts: Sequence[int], redis_url: str) -> list[Row]:
    """Return a row for each number of cases, with and without Redis, and one for each length of history."""
    sizes = [("open cases", Size(number, 3, url)) for number in cases for url in dict.fromkeys(("", redis_url))]
    sizes += [("facts of a case", Size(100, number)) for number in facts]
    rows: list[Row] = []
    for what, size in sizes:
        command = [sys.executable, "-m", "bench.growth", msgspec.json.encode(size).decode()]
        ran = subprocess.run(command, capture_output=True, check=False)
        line = next((line for line in ran.stdout.splitlines() if line.startswith(RESULT_PREFIX)), None)
        found: Row = (
            {"error": ran.stderr.decode()[-400:]} if line is None else orjson.loads(line.removeprefix(RESULT_PREFIX))
        )
        row = {"job": "growth", "name": what, "cases": size.cases, "facts": size.facts, "redis": bool(size.redis_url)}
        rows.append(row | found)
        print_row(rows[-1])
    return rows


def event(kind: str, subject: str, number: int, data: Mapping[str, object], start: int = NOON) -> bytes:
    """Return an encoded event; its time is `number` seconds after `start` (seconds since the epoch)."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"{subject}-{number}",
            "source": "/bench",
            "type": kind,
            "subject": subject,
            "time": time.strftime(INSTANT_FORMAT, time.gmtime(start + number)),
            "data": data,
        }
    )


def opened(number: int, facts: int, start: int = NOON) -> Iterator[bytes]:
    """Yield the events that open a case: a booking, an assignment, a claim, and calls to fill its history."""
    case, ticket = f"job-{number:07d}", {"ticket_id": f"t-{number}"}
    site = {"lat": 28.5 + number % 1000 * 1e-4, "lon": 77.1}
    booked = {"customer_id": f"c-{number}", "category": "ac", "city": "Delhi", "site": site}
    booked |= {"premises": "residential", "scheduled_for": "2026-11-21T10:00:00Z"}
    yield event("job.booked", case, 0, booked, start)
    yield event("job.assigned", case, 1, {"partner_id": f"p-{number // 10}"}, start)
    claim = {
        "kind": "out_of_scope",
        "opened_by": "partner",
        "reason": "out_of_scope",
        "partner_id": f"p-{number // 10}",
    }
    yield event("ticket.created", case, 2, ticket | claim, start)
    for later in range(3, facts):
        call = ticket | {"party": "customer", "outcome": "unreachable"}
        yield event("ticket.call_logged", case, later, call, start)


def reports(number: int) -> Iterator[bytes]:
    """Yield the location reports of a partner, ten seconds apart."""
    for later in range(REPORTS):
        place = {"lat": 28.5 + later * 1e-5, "lon": 77.1, "accuracy_m": 12.5}
        yield event("location.reported", f"p-{number}", later * 10, place)


class Partition:
    """The processor of one partition with its checkpoints, without a task."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.processor = SopProcessor(
            0,
            ProcessorSettings(
                topics=TOPICS,
                partitions=1,
                policies=FixedPolicies(POLICIES.load_all(())),
                limits=Limits(),
                facts_per_case_max=10_000,
                cached_cases_max=CACHED_CASES_MAX,
            ),
            store,
        )
        self._offset = 0

    async def feed(self, topic: str, values: Sequence[bytes]) -> None:
        """Process events, decide, and pass on internal messages until there are none."""
        batch = [Stored(self._offset + index, b"", value, (), NOW * 1000) for index, value in enumerate(values)]
        self._offset += len(values)
        await self.processor.process([(TP(topic, 0), batch)], NOW * 1_000_000)
        while True:
            outgoing = await self.processor.evaluate(NOW * 1_000_000, {}, ())
            internal = [each for each in outgoing if each.topic in TOPICS.internal]
            if not internal:
                return
            for each in internal:
                await self.processor.process([(TP(each.topic, 0), [Stored(0, each.key, each.value)])], NOW * 1_000_000)

    async def save(self) -> None:
        """Write a checkpoint."""
        changes = self.processor.freeze()
        self.processor.pack(sys.maxsize)
        await self.store.save(Checkpoint({}, {}, {}), Changes(changes.blobs, changes.deadlines))
        self.processor.mark_saved()


async def measure(size: Size) -> dict[str, Any]:
    """Open the cases, then add one more fact to some of them; return CPU time and sizes."""
    redis = Redis.from_url(size.redis_url) if size.redis_url else None
    store: Store = RedisStore(redis, f"growth-{size.cases}", 0) if redis else MemoryStore(MemoryState())
    await store.claim()
    partition = Partition(store)
    await partition.processor.begin({})
    await partition.feed(TOPICS.locations, list(reports(0)))
    values: list[bytes] = []
    for number in range(size.cases):
        values += opened(number, size.facts)
        if len(values) >= STEP or number == size.cases - 1:
            await partition.feed(TOPICS.of("job.booked"), values)
            await partition.save()
            values = []
    each = max(size.cases // MEASURED_MAX, 1)
    image = {"added_by": "partner", "url": "https://img.example/1.jpg"}
    further = [
        event("ticket.media_added", f"job-{number:07d}", size.facts, {"ticket_id": f"t-{number}", **image})
        for number in range(0, size.cases, each)
    ]
    spent = time.process_time()
    for begin in range(0, len(further), STEP):
        await partition.feed(TOPICS.of("ticket.media_added"), further[begin : begin + STEP])
    spent = time.process_time() - spent
    await partition.save()
    case_key, track_key = case_name("job-0000000"), partner_name("p-0")
    blobs = await store.load([case_key, track_key])
    if redis is not None:
        await redis.flushdb()
        await redis.aclose()
    return {
        "event_us": spent / len(further) * 1e6,
        "rss_mb": peak_mb(),
        "case_bytes": len(blobs[case_key]),
        "report_bytes": len(blobs[track_key]) / REPORTS,
    }


def main() -> None:
    """Measure one size."""
    found = asyncio.run(measure(msgspec.json.decode(sys.argv[1], type=Size)))
    sys.stdout.buffer.write(RESULT_PREFIX + orjson.dumps(found) + b"\n")


if __name__ == "__main__":
    main()
