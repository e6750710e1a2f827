"""When an owner has read the records that lay in its inputs when it began."""

from __future__ import annotations

from streams.runtime.backlog import IDLE_STEPS, SLEPT_US, Backlog
from tests.unit.cluster import JOBS, TICKETS, Cluster, StoppedClock, records

IDLE_S = 10.0


def test_it_is_read_when_every_input_is_read_to_its_end_offset() -> None:
    backlog = Backlog({"jobs-0": 3, "tickets-0": 2}, IDLE_S)
    assert not backlog.is_read({"jobs-0": 3, "tickets-0": 1}, 0)
    assert backlog.is_read({"jobs-0": 7, "tickets-0": 2}, 0)
    assert backlog.is_read({}, 0), "once read, it stays read"


def test_an_empty_backlog_is_read() -> None:
    assert Backlog({}, IDLE_S).is_read({}, 0)
    assert Backlog({"jobs-0": 0}, IDLE_S).is_read({}, 0)


def test_markers_after_the_last_record_are_not_waited_for() -> None:
    backlog = Backlog({"internal.cases-0": 3}, IDLE_S)
    answers = [backlog.is_read({"internal.cases-0": 2}, step * IDLE_S / IDLE_STEPS) for step in range(IDLE_STEPS + 2)]
    assert answers == [False] * (IDLE_STEPS + 1) + [True]


def test_one_long_step_does_not_end_it() -> None:
    backlog = Backlog({"jobs-0": 9}, IDLE_S)
    assert not backlog.is_read({"jobs-0": 1}, 0)
    assert not backlog.is_read({"jobs-0": 1}, 100 * IDLE_S)


def test_it_is_not_read_while_records_still_come() -> None:
    backlog = Backlog({"jobs-0": 1_000}, IDLE_S)
    assert not any(backlog.is_read({"jobs-0": at}, at * IDLE_S) for at in range(999))


async def test_nothing_leaves_the_state_before_the_records_of_the_start_are_read() -> None:
    cluster = Cluster()
    for tp, value in ((JOBS, b"j0"), (JOBS, b"j1"), (TICKETS, b"t0"), (TICKETS, b"t1")):
        cluster.kafka.append(tp, b"", value)
    task, processor = cluster.owner(now=7)
    await task.recover()
    await task.step([(JOBS, records(0, b"j0", b"j1")), (TICKETS, records(0, b"t0"))])
    assert processor.expired_calls == []
    await task.step([(TICKETS, records(1, b"t1"))])
    assert processor.expired_calls == []
    await task.step([])
    assert processor.expired_calls == [7]


async def test_after_a_machine_slept_nothing_leaves_the_state_before_the_new_records_are_read() -> None:
    cluster = Cluster()
    task, processor = cluster.owner(now=7)
    await task.recover()
    await task.step([])
    assert processor.expired_calls == [7]
    cluster.kafka.append(JOBS, b"", b"j0")
    processor.expired_calls.clear()
    task._clock = StoppedClock(7 + SLEPT_US + 1)
    await task.step([])
    assert processor.expired_calls == []
    await task.step([(JOBS, records(0, b"j0"))])
    await task.step([])
    assert processor.expired_calls == [7 + SLEPT_US + 1]
