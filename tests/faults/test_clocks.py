"""Workers whose clocks differ, jump and stand still decide what those with a good clock decide."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from tests.e2e.harness import INPUTS, _Reader
from tests.faults.clocks import Skew, WorkerClock, compiled
from tests.faults.conftest import Known, Report
from tests.faults.crew import CrewBench
from tests.faults.stream import Feeder
from tests.redis_server import RedisServer

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
BEFORE_LEAP_DAY_S = 1_835_395_198  # 2028-02-28T23:59:58Z
AFTER_LEAP_DAY_S = BEFORE_LEAP_DAY_S + DAY_S
IDLE_WITHIN_S = 150.0
ZONES = ("Asia/Kolkata", "America/New_York")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SKEWS: dict[str, tuple[Skew, Skew]] = {
    "5 min apart each way": (Skew(5 * MINUTE_S), Skew(-5 * MINUTE_S)),
    "a day apart each way": (Skew(DAY_S), Skew(-DAY_S)),
    "back by an hour": (Skew(-HOUR_S), Skew(-HOUR_S)),
    "standing still": (Skew(still=True), Skew(still=True)),
    "before and after a leap day": (Skew(from_s=BEFORE_LEAP_DAY_S), Skew(from_s=AFTER_LEAP_DAY_S)),
    "right": (Skew(), Skew()),
}
"""How the clocks of two workers go, one after the other: each change is a jump."""


def read_so_far(bench: CrewBench) -> dict[tuple[str, int], int]:
    """Return how far each input partition is filled."""
    with _Reader(bench._reader_options()) as reader:
        return reader.ends(bench._places(INPUTS))


def is_saved(bench: CrewBench, ends: dict[tuple[str, int], int]) -> bool:
    """Tell whether the group's offsets, which follow the checkpoints, have come to some ends."""
    committed = bench._committed()
    return all(committed[place] >= end for place, end in ends.items())


def test_clocks_that_are_wrong_change_no_decision(
    make_crew: Callable[..., CrewBench],
    kafka: EmbeddedKafka,
    redis_server: RedisServer,
    short: Known,
    report: Report,
    tmp_path: Path,
) -> None:
    library = compiled(tmp_path)
    clocks = (WorkerClock(library, tmp_path / "one"), WorkerClock(library, tmp_path / "two"))
    kept = "36500 d"  # the simulated day is long past: a clock that jumps would let its cases go
    bench = make_crew(kafka.address, redis_server.url, SOP_CACHED_CASES_MAX=50, SOP_CASE_RETENTION=kept)
    for clock, zone in zip(clocks, ZONES, strict=True):
        bench.join(**clock.environment, TZ=zone)
    bench.ready()
    share = short.stream.events // (len(SKEWS) + 1)
    with Feeder(bench, short.stream) as feeder:
        for number, skews in enumerate(SKEWS.values()):
            for clock, skew in zip(clocks, skews, strict=True):
                clock.put(skew)
            feeder.allow(share)
            bench.work_on(5)
            bench.await_that(partial(is_saved, bench, read_so_far(bench)))
            if number % 2 == 0:
                bench.kill(bench.crew[number // 2 % 2])
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    report(f"F16 clocks {', '.join(SKEWS)}; workers killed between", len(SKEWS), bench, short)
