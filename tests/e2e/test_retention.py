"""A settled case departs under a running worker; later facts are refused, by the next worker too."""

from __future__ import annotations

import base64
import json

import pytest
from redis import Redis

from agents.case.case import NO_LONGER_KEPT
from schemas.policy.model import HOUR, MINUTE
from streams.process.clock import SystemClock
from streams.processor.state_cache import DEPARTED
from tests.e2e.harness import Bench, until
from tests.scenario import line

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CASE = "job-departs"


def settled_case(began_at: int) -> list[bytes]:
    booked = {
        "customer_id": "c1",
        "category": "ac",
        "city": "Delhi",
        "site": {"lat": 28.6139, "lon": 77.2090},
        "premises": "residential",
        "scheduled_for": "2026-11-21T10:00:00+05:30",
    }
    return [
        line("job.booked", CASE, began_at, "booked", booked),
        line("job.assigned", CASE, began_at + MINUTE, "assigned", {"partner_id": "p1"}),
        line("job.closed", CASE, began_at + HOUR, "closed", {"partner_id": "p1", "closure": "completed"}),
    ]


def test_facts_for_a_departed_case_are_refused(redis_bench: Bench) -> None:
    bench = redis_bench
    lines = settled_case(SystemClock().now_us() - 24 * HOUR)

    def dead_letters() -> list[tuple[str, bytes]]:
        found = [json.loads(each.value)["data"] for each in bench.read("dead-letters")]
        return [(each["reason"], base64.b64decode(each["value"])) for each in found]

    with Redis.from_url(bench.redis_url) as redis:

        def has_departed() -> bool:
            keys = list(redis.scan_iter(f"*{bench.prefix}*:case:{CASE}"))
            return [bytes(redis.get(key) or b"")[:1] for key in keys] == [DEPARTED]

        worker = bench.start_ready(SOP_CASE_RETENTION="2 s")
        bench.feed_lines(lines)
        until(has_departed, lambda: worker.log)
        bench.feed_lines(lines[:1])
        until(lambda: len(dead_letters()) == 1, lambda: worker.log)
        worker.kill()
        successor = bench.start_ready(SOP_CASE_RETENTION="2 s")
        bench.feed_lines(lines[1:])
        until(lambda: len(dead_letters()) == len(lines), lambda: successor.log)
        assert has_departed()
    assert sorted(dead_letters()) == sorted((NO_LONGER_KEPT, each) for each in lines)
