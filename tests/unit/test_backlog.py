"""When an owner has read what lay in its inputs when it began."""

from __future__ import annotations

from streams.runtime.backlog import IDLE_STEPS, SLEPT_US, Backlog
from tests.unit.test_task import JOBS, TICKETS, Cluster, StoppedClock, records

IDLE_S = 10.0


def test_it_is_read_when_every_input_is_read_to_where_it_ended() -> None:
    backlog = Backlog({"jobs-0": 3, "tickets-0": 2}, IDLE_S)
    assert not backlog.is_read({"jobs-0": 3, "tickets-0": 1}, 0)
    assert backlog.is_read({"jobs-0": 7, "tickets-0": 2}, 0)
    assert backlog.is_read({}, 0), "once read it stays so"


def test_it_is_read_where_nothing_was() -> None:
    assert Backlog({}, IDLE_S).is_read({}, 0)
    assert Backlog({"jobs-0": 0}, IDLE_S).is_read({}, 0)


def test_markers_behind_the_last_record_are_not_waited_for() -> None:
    backlog = Backlog({"internal.cases-0": 3}, IDLE_S)
    answers = [backlog.is_read({"internal.cases-0": 2}, step * IDLE_S / IDLE_STEPS) for step in range(IDLE_STEPS + 2)]
    assert answers == [False] * (IDLE_STEPS + 1) + [True]


def test_a_step_that_took_long_is_no_sign_that_nothing_comes() -> None:
    backlog = Backlog({"jobs-0": 9}, IDLE_S)
    assert not backlog.is_read({"jobs-0": 1}, 0)
    assert not backlog.is_read({"jobs-0": 1}, 100 * IDLE_S)


def test_as_long_as_something_is_read_it_goes_on() -> None:
    backlog = Backlog({"jobs-0": 1_000}, IDLE_S)
    assert not any(backlog.is_read({"jobs-0": at}, at * IDLE_S) for at in range(999))


async def test_nothing_may_leave_before_all_is_read_that_was_there_at_the_start() -> None:
    cluster = Cluster()
    for tp, value in ((JOBS, b"j0"), (JOBS, b"j1"), (TICKETS, b"t0"), (TICKETS, b"t1")):
        cluster.kafka.append(tp, b"", value)
    task, work = cluster.owner(now=7)
    await task.recover()
    await task.step([(JOBS, records(0, b"j0", b"j1")), (TICKETS, records(0, b"t0"))])
    assert work.asked_what_expired == []
    await task.step([(TICKETS, records(1, b"t1"))])
    assert work.asked_what_expired == []
    await task.step([])
    assert work.asked_what_expired == [7]


async def test_nothing_may_leave_when_a_machine_has_slept_before_what_came_meanwhile_is_read() -> None:
    cluster = Cluster()
    task, work = cluster.owner(now=7)
    await task.recover()
    await task.step([])
    assert work.asked_what_expired == [7]
    cluster.kafka.append(JOBS, b"", b"j0")
    work.asked_what_expired.clear()
    task._clock = StoppedClock(7 + SLEPT_US + 1)
    await task.step([])
    assert work.asked_what_expired == []
    await task.step([(JOBS, records(0, b"j0"))])
    await task.step([])
    assert work.asked_what_expired == [7 + SLEPT_US + 1]
