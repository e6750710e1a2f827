"""Workers that are killed, join and leave in mid-stream: no decision is missing, emitted twice or taken back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.e2e.conftest import Day
from tests.e2e.harness import OUTPUTS, Bench, until
from tests.e2e.test_day import unaccounted
from tests.e2e.verifier import emitted, outcome, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# A worker is killed after emitting this many records; 0: as soon as it has partitions.
KILLS = (3, 0, 8, 1, 5)


def has_written(bench: Bench, records: int) -> bool:
    return bench.written(*OUTPUTS) >= records


def parts(lines: list[bytes], count: int) -> list[list[bytes]]:
    size = -(-len(lines) // count)
    return [lines[first : first + size] for first in range(0, len(lines), size)]


@pytest.fixture(scope="session", params=["redis", "memory"])
def redis_url(request: pytest.FixtureRequest) -> str:
    """Return the address of a Redis, or nothing."""
    return str(request.getfixturevalue("redis_server").url) if request.param == "redis" else ""


@pytest.fixture
def crash_bench(redis_url: str, make_bench: Callable[[str], Bench]) -> Bench:
    """Return a bench with either store; with Redis nearly everything is evicted once it is saved."""
    bench = make_bench(redis_url)
    bench.settings = {"SOP_SESSION_TIMEOUT_S": "2"}  # frees the partitions of a killed worker soon
    if redis_url:
        bench.settings["SOP_CACHED_CASES_MAX"] = "5"
    return bench


def test_kills_in_mid_stream_do_not_change_the_outcome(crash_bench: Bench, short_day: Day) -> None:
    bench = crash_bench
    worker = bench.start_ready()
    for records, part in zip(KILLS, parts(short_day.lines, len(KILLS)), strict=True):
        wanted = bench.written(*OUTPUTS) + records
        bench.feed_lines(part)
        until(partial(has_written, bench, wanted), bench.lag)
        worker.kill()
        worker = bench.start_ready()
    bench.wait_until_idle()
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    assert outcome(each.envelope for each in messages) == short_day.replayed
    if bench.redis_url:
        assert unaccounted(bench) == {}
    assert worker.stop() == 0


def test_workers_that_join_leave_and_die_do_not_change_the_outcome(crash_bench: Bench, short_day: Day) -> None:
    bench = crash_bench

    def feed(lines: list[bytes]) -> None:
        bench.feed_lines(lines, partitioner="consistent_random")  # most events have to be forwarded

    morning, noon, evening, night = parts(short_day.lines, 4)
    first = bench.start_ready()
    feed(morning)
    second = bench.start_ready()
    feed(noon)
    until(lambda: {first.partitions, second.partitions} == {"0, 1", "2, 3"}, lambda: first.log + second.log)
    assert second.stop() == 0
    feed(evening)
    until(lambda: first.partitions == "0, 1, 2, 3", lambda: first.log)
    third = bench.start_ready()
    feed(night)
    first.kill()
    bench.wait_until_idle()
    assert third.partitions == "0, 1, 2, 3"
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    assert outcome(each.envelope for each in messages) == short_day.replayed
