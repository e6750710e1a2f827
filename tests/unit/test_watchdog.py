"""A worker that runs and gets nowhere is noticed, whatever it is that holds it up, and only then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streams.runtime.health import Health
from streams.runtime.watchdog import EXIT_STALLED, TICK_S, Stall, Watchdog, WatchLimits

LIMITS = WatchLimits(loop_s=3 * TICK_S, move_s=5 * TICK_S, unsaved_s=7 * TICK_S)

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


def looked(watchdog: Watchdog, ticks: int) -> list[str]:
    """Return what is told in so many ticks of a loop that answers."""
    told = []
    for _ in range(ticks):
        watchdog.beat()
        told += list(watchdog.look())
    return told


@pytest.mark.parametrize(
    ("marks", "stalled"), [([1, 1, 1, 1], False), ([1, 1, 1, 1, 1], True), ([1, 1, 1, 2, 2], False)]
)
def test_what_does_not_change_for_longer_than_its_limit_is_stalled(marks: list[int], stalled: bool) -> None:
    stall = Stall(3 * TICK_S)
    assert [stall.look(mark, expected=True) for mark in marks][-1] is stalled


def test_what_is_not_expected_to_change_never_is() -> None:
    stall = Stall(TICK_S)
    assert not any(stall.look(1, expected=False) for _ in range(10))


def test_a_loop_that_has_not_run_yet_is_given_its_time() -> None:
    watchdog = Watchdog(LIMITS, dict)
    assert not [told for _ in range(10) for told in watchdog.look()]


def test_a_group_that_does_not_let_the_worker_in_is_told_with_its_reason() -> None:
    refusal: str | None = "it is full"
    watchdog = Watchdog(LIMITS, dict, lambda: refusal)
    assert looked(watchdog, 6) == []
    assert looked(watchdog, 1) == [f"no stable membership of the group for {5 * TICK_S:g} s: it is full"]
    refusal = None
    assert looked(watchdog, 20) == []
    refusal = "it is full"
    assert looked(watchdog, 5) == []


def test_a_loop_that_does_not_answer_is_told() -> None:
    watchdog = Watchdog(LIMITS, dict)
    watchdog.beat()
    told = [list(watchdog.look()) for _ in range(5)]
    assert told == [[], [], [], [], ["the event loop has not answered for 1.5 s"]]


def test_a_task_in_a_step_that_does_not_end_is_told() -> None:
    health = Health(at_work=True)
    watchdog = Watchdog(LIMITS, lambda: {3: health})
    assert looked(watchdog, 6) == []
    assert looked(watchdog, 1) == ["partition 3 has made no progress for 2.5 s"]


def test_a_task_with_nothing_to_do_may_rest() -> None:
    health = Health()
    assert looked(Watchdog(LIMITS, lambda: {3: health}), 20) == []


def test_a_task_that_moves_may_take_long() -> None:
    health = Health(at_work=True)
    watchdog = Watchdog(LIMITS, lambda: {3: health})
    for _ in range(20):
        health.moves += 1
        assert looked(watchdog, 5) == []


def test_checkpoints_that_cannot_be_written_are_told() -> None:
    health = Health(unsaved=True)
    watchdog = Watchdog(LIMITS, lambda: {3: health})
    assert looked(watchdog, 8) == []
    assert looked(watchdog, 1) == ["partition 3 could write no checkpoint for 3.5 s"]


def test_another_task_of_the_same_partition_begins_anew() -> None:
    tasks = {3: Health(at_work=True)}
    watchdog = Watchdog(LIMITS, lambda: tasks)
    assert looked(watchdog, 6) == []
    tasks[3] = Health(at_work=True)
    assert looked(watchdog, 6) == []


def test_a_blocked_loop_ends_the_process_with_the_place() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED_LOOP], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (EXIT_STALLED, "ran\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("stopped: the event loop has not answered for 1 s; it is at ")
    assert "threading.py" in line
