"""The instants of cases: one for each, the last one set, and the earliest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.timers import SLACK, TimerQueue

SETS = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 9)), max_size=30)


def test_the_earliest_is_next_and_due_cases_come_in_order() -> None:
    timers = TimerQueue()
    for case_id, at in (("a", 30), ("b", 10), ("c", 20)):
        timers.set(case_id, at)
    assert timers.next() == 10
    assert list(timers.due(20)) == ["b", "c"]
    assert list(timers.due(20)) == []
    assert "b" not in timers
    assert timers.next() == 30


def test_only_the_last_instant_of_a_case_counts() -> None:
    timers = TimerQueue()
    timers.set("a", 10)
    timers.set("a", 30)
    assert list(timers.due(20)) == []
    timers.set("a", 10)
    assert list(timers.due(20)) == ["a"]
    assert list(timers.due(40)) == []


def test_a_case_without_an_instant_is_never_due() -> None:
    timers = TimerQueue()
    timers.set("a", 10)
    timers.set("a", None)
    timers.set("b", None)
    assert timers.next() is None
    assert list(timers.due(100)) == []


@given(SETS, st.integers(0, 9))
def test_cases_with_an_instant_at_or_before_now_are_due(sets: list[tuple[str, int | None]], now: int) -> None:
    timers = TimerQueue()
    for case_id, at in sets:
        timers.set(case_id, at)
    wanted = {case_id: at for case_id, at in dict(sets).items() if at is not None}
    assert timers.next() == min(wanted.values(), default=None)
    assert timers.due(now) == {case_id: at for case_id, at in wanted.items() if at <= now}
    assert timers == {case_id: at for case_id, at in wanted.items() if at > now}


def test_a_case_set_ten_thousand_times_is_kept_once() -> None:
    timers = TimerQueue()
    for at in range(10_000):
        timers.set("a", at)
    assert len(timers._heap) <= SLACK + 2
    assert list(timers.due(10_000)) == ["a"]
