"""Workers whose clocks differ, jump or stop decide the same as workers with correct clocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from tests.e2e.harness import INPUTS
from tests.faults.clocks import Skew, WorkerClock, compile_library
from tests.faults.conftest import KnownStream, Report
from tests.faults.stream import Feeder
from tests.faults.supervision import FaultBench
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
    "standing still": (Skew(is_stopped=True), Skew(is_stopped=True)),
    "before and after a leap day": (Skew(start_s=BEFORE_LEAP_DAY_S), Skew(start_s=AFTER_LEAP_DAY_S)),
    "right": (Skew(), Skew()),
}
"""The clocks of two workers, step by step: each change is a jump."""


def input_ends(bench: FaultBench) -> dict[tuple[str, int], int]:
    """Return the end offset of each input partition."""
    return bench.ends(bench._places(INPUTS))


def is_saved(bench: FaultBench, ends: dict[tuple[str, int], int]) -> bool:
    """Return whether the group's offsets, which follow the checkpoints, have reached `ends`."""
    committed = bench._committed()
    return all(committed[place] >= end for place, end in ends.items())


def test_wrong_clocks_change_no_decision(
    make_bench: Callable[..., FaultBench],
    kafka: EmbeddedKafka,
    redis_server: RedisServer,
    short: KnownStream,
    report: Report,
    tmp_path: Path,
) -> None:
    library = compile_library(tmp_path)
    clocks = (WorkerClock(library, tmp_path / "one"), WorkerClock(library, tmp_path / "two"))
    retention = "36500 d"  # the simulated day is long past, so a jump of the clock would expire its cases
    bench = make_bench(kafka.address, redis_server.url, SOP_CACHED_CASES_MAX=50, SOP_CASE_RETENTION=retention)
    for clock, zone in zip(clocks, ZONES, strict=True):
        bench.add_worker(**clock.environment, TZ=zone)
    bench.wait_until_ready()
    share = short.stream.events // (len(SKEWS) + 1)
    with Feeder(bench, short.stream) as feeder:
        for number, skews in enumerate(SKEWS.values()):
            for clock, skew in zip(clocks, skews, strict=True):
                clock.apply(skew)
            feeder.allow(share)
            bench.wait_for_progress(5)
            bench.wait_until(partial(is_saved, bench, input_ends(bench)))
            if number % 2 == 0:
                bench.kill(bench.replicas[number // 2 % 2])
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    report(f"F16 clocks {', '.join(SKEWS)}; workers killed between", len(SKEWS), bench, short)
