"""A worker that runs but makes no progress is found, whatever the cause, and no other worker is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from streams.runtime import watchdog as watchdog_module
from streams.runtime.health import Health
from streams.runtime.watchdog import EXIT_STALLED, TICK_S, Stall, Watchdog, WatchLimits

LIMITS = WatchLimits(loop_s=3 * TICK_S, progress_s=5 * TICK_S, unsaved_s=7 * TICK_S)

BLOCKED_LOOP = """
import asyncio, logging, sys, threading
from streams.runtime.health import Health
from streams.runtime.watchdog import Watchdog, WatchLimits
logging.basicConfig(stream=sys.stderr, format="%(message)s")

async def main():
    Watchdog(WatchLimits(loop_s=1.0), dict).start(asyncio.get_running_loop())
    for _ in range(20):
        await asyncio.sleep(0.1)
    print("ran", flush=True)
    threading.Event().wait()

asyncio.run(main())
"""


def look(watchdog: Watchdog, ticks: int) -> list[str]:
    """Return the lines of some ticks during which the loop answers."""
    lines = []
    for _ in range(ticks):
        watchdog.beat()
        lines += list(watchdog.look())
    return lines


@pytest.mark.parametrize(
    ("marks", "stalled"), [([1, 1, 1, 1], False), ([1, 1, 1, 1, 1], True), ([1, 1, 1, 2, 2], False)]
)
def test_a_value_that_does_not_change_for_longer_than_its_limit_is_stalled(marks: list[int], stalled: bool) -> None:
    stall = Stall(3 * TICK_S)
    assert [stall.look(mark, expected=True) for mark in marks][-1] is stalled


def test_a_value_that_is_not_expected_to_change_is_never_stalled() -> None:
    stall = Stall(TICK_S)
    assert not any(stall.look(1, expected=False) for _ in range(10))


def test_a_loop_that_has_not_run_yet_is_not_stalled() -> None:
    watchdog = Watchdog(LIMITS, dict)
    assert not [lines for _ in range(10) for lines in watchdog.look()]


def test_a_group_that_does_not_admit_the_worker_is_reported_with_the_reason() -> None:
    refusal: str | None = "it is full"
    watchdog = Watchdog(LIMITS, dict, lambda: refusal)
    assert look(watchdog, 6) == []
    assert look(watchdog, 1) == [f"no stable membership of the group for {5 * TICK_S:g} s: it is full"]
    refusal = None
    assert look(watchdog, 20) == []
    refusal = "it is full"
    assert look(watchdog, 5) == []


def test_a_loop_that_does_not_answer_is_reported() -> None:
    watchdog = Watchdog(LIMITS, dict)
    watchdog.beat()
    lines = [list(watchdog.look()) for _ in range(5)]
    assert lines == [[], [], [], [], ["the event loop has not answered for 1.5 s"]]


def test_a_step_that_does_not_end_is_reported() -> None:
    health = Health(at_work=True)
    watchdog = Watchdog(LIMITS, lambda: {3: health})
    assert look(watchdog, 6) == []
    assert look(watchdog, 1) == ["partition 3 has made no progress for 2.5 s"]


def test_an_idle_task_is_not_reported() -> None:
    health = Health()
    assert look(Watchdog(LIMITS, lambda: {3: health}), 20) == []


def test_a_long_step_that_makes_progress_is_not_reported() -> None:
    health = Health(at_work=True)
    watchdog = Watchdog(LIMITS, lambda: {3: health})
    for _ in range(20):
        health.progress += 1
        assert look(watchdog, 5) == []


def test_checkpoints_that_cannot_be_written_are_reported() -> None:
    health = Health(unsaved=True)
    watchdog = Watchdog(LIMITS, lambda: {3: health})
    assert look(watchdog, 8) == []
    assert look(watchdog, 1) == ["partition 3 could write no checkpoint for 3.5 s"]


def test_another_task_of_the_same_partition_starts_again() -> None:
    tasks = {3: Health(at_work=True)}
    watchdog = Watchdog(LIMITS, lambda: tasks)
    assert look(watchdog, 6) == []
    tasks[3] = Health(at_work=True)
    assert look(watchdog, 6) == []


def test_a_blocked_loop_ends_the_process_with_the_place() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED_LOOP], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (EXIT_STALLED, "ran\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("stopped: the event loop has not answered for 1 s; it is at ")
    assert "threading.py" in line


def test_a_watchdog_runs_from_its_start_until_the_loop_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog_module, "SILENT_S", 4 * TICK_S)
    watchdog, loop = Watchdog(LIMITS, dict), asyncio.new_event_loop()
    assert not watchdog.is_running()
    watchdog.start(loop)
    deadline = time.monotonic() + 30
    while not watchdog.is_running():
        assert time.monotonic() < deadline
    loop.close()
    while watchdog.is_running():
        assert time.monotonic() < deadline
        time.sleep(TICK_S)
