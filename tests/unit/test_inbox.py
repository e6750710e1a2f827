"""The batches that wait for a task, the turns of tasks, and the records held back until a new owner has caught up."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.catch_up_buffer import HELD_BYTES_MAX, CatchUpBuffer
from streams.runtime.inbox import Inbox, next_turn, phase
from streams.runtime.ports import TP, Stored

JOBS = TP("jobs", 0)
INTERVAL = 0.03
SLACK = 1e-6


def batch(
    number: int, value: bytes | None = b"", key: bytes | None = None, header: bytes | None = None
) -> list[Stored]:
    return [Stored(number, key, value, (("h", header),))]


async def test_a_step_takes_batches_until_it_has_enough_records_and_reports_those_as_taken() -> None:
    inbox, taken = Inbox(0, 0.0), list[int]()
    for number in range(5):
        inbox.put(JOBS, batch(number) + batch(10 + number), partial(taken.append, number))
    found = await inbox.take(3)
    assert [records[0].offset for _, records in found] == taken == [0, 1]
    assert len(inbox) == 3
    await inbox.take(99)
    assert taken == [0, 1, 2, 3, 4]
    assert await inbox.take(99) == []


async def test_a_step_takes_what_arrives_before_its_turn() -> None:
    inbox = Inbox(0, 0.05)
    inbox.put(JOBS, batch(0), lambda: None)
    assert len(await inbox.take(9)) == 1
    inbox.put(JOBS, batch(1), lambda: None)
    taking = asyncio.create_task(inbox.take(9))
    await asyncio.sleep(0)
    inbox.put(JOBS, batch(2), lambda: None)
    assert [records[0].offset for _, records in await taking] == [1, 2]


@pytest.mark.parametrize("part", ["value", "key", "header"])
def test_the_bytes_of_the_records_held_back_are_limited(part: str) -> None:
    catch_up = CatchUpBuffer({"tickets-0": 5}, 99)
    assert catch_up.before([(JOBS, batch(0, **{part: bytes(HELD_BYTES_MAX // 2)}))]) == []
    assert catch_up.wants_more(JOBS)
    catch_up.before([(JOBS, batch(1, **{part: bytes(HELD_BYTES_MAX // 2)}))])
    assert not catch_up.wants_more(JOBS)
    assert len(catch_up.release()) == 2
    assert catch_up.wants_more(JOBS)


@given(now=st.floats(0, 1e6), number=st.integers(0, 999))
def test_a_turn_comes_after_half_an_interval_and_before_one_and_a_half(now: float, number: int) -> None:
    assert INTERVAL / 2 - SLACK <= next_turn(now, INTERVAL, number) - now <= 1.5 * INTERVAL + SLACK


@given(now=st.floats(0, 1e6), number=st.integers(0, 999))
def test_turns_are_an_interval_apart(now: float, number: int) -> None:
    first = next_turn(now, INTERVAL, number)
    assert next_turn(first + SLACK, INTERVAL, number) == pytest.approx(first + INTERVAL, abs=2 * SLACK)


@pytest.mark.parametrize("count", [2, 4, 8, 64])
def test_turns_of_neighbours_lie_apart(count: int) -> None:
    phases = sorted(phase(number) for number in range(count))
    gaps = [later - earlier for earlier, later in pairwise([*phases, phases[0] + 1])]
    assert min(gaps) > 0.4 / count


def test_without_an_interval_every_turn_is_now() -> None:
    assert next_turn(7.0, 0.0, 3) == 7.0
