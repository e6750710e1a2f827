"""How many records may be refused before the worker stops, also over a restart."""

from __future__ import annotations

import pytest

from schemas.errors import Fatal
from streams.memory.store import MemoryState
from streams.processor.refusal_limit import RefusalLimits, Refusals
from streams.runtime.ports import TP, Stored
from tests.processors import owner_of, save

JOBS = TP("jobs", 0)
LIMITS = RefusalLimits(run_max=3, share_max=0.5, window_records=10)


def refuse(refusals: Refusals, *numbers: int, tp: TP = JOBS) -> None:
    for number in numbers:
        refusals.add(tp, number, f"{tp.name}@{number}")


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param((1, 2, 3), id="a run at its limit"),
        pytest.param((1, 2, 3, 5, 6), id="two runs"),
        pytest.param((1, 3, 5, 7, 9, 11, 13, 15), id="a share at its limit"),
        pytest.param((1, 2, 3, 101, 102, 103), id="refusals before the window are forgotten"),
    ],
)
def test_refusals_within_the_limits_are_accepted(numbers: tuple[int, ...]) -> None:
    refuse(Refusals(LIMITS), *numbers)


@pytest.mark.parametrize(
    ("before", "last", "error"),
    [
        ((1, 2, 3), 4, "jobs-0@4: 4 records in a row refused; SOP_REFUSED_RUN_MAX is 3"),
        (
            (1, 3, 5, 7, 9),
            10,
            "jobs-0@10: 6 of the last 10 records of jobs-0 refused; SOP_REFUSED_SHARE_MAX is 0.5",
        ),
    ],
)
def test_more_refusals_stop_the_worker(before: tuple[int, ...], last: int, error: str) -> None:
    refusals = Refusals(LIMITS)
    refuse(refusals, *before)
    with pytest.raises(Fatal) as stopped:
        refuse(refusals, last)
    assert str(stopped.value) == error


def test_each_partition_has_its_own_counts() -> None:
    refusals = Refusals(LIMITS)
    refuse(refusals, 1, 2, 3)
    refuse(refusals, 1, 2, 3, tp=TP("tickets", 0))


def test_a_run_continues_after_a_checkpoint() -> None:
    before, after = Refusals(LIMITS), Refusals(LIMITS)
    refuse(before, 1, 2, 3)
    after.load(before.dump())
    with pytest.raises(Fatal):
        refuse(after, 4)


async def test_a_worker_stops_before_it_publishes_and_again_after_a_restart() -> None:
    state = MemoryState()
    first = await owner_of(state, refusal_limits=LIMITS)
    await first.process([(JOBS, bad_records(0, 3))], 0)
    assert len(await first.evaluate(0, {JOBS.name: 3}, ())) == 3
    await save(first)
    with pytest.raises(Fatal):
        await first.process([(JOBS, bad_records(3, 1))], 0)
    second = await owner_of(state, refusal_limits=LIMITS)
    with pytest.raises(Fatal):
        await second.process([(JOBS, bad_records(3, 1))], 0)


def bad_records(first: int, count: int) -> list[Stored]:
    return [Stored(first + number, None, b"not JSON") for number in range(count)]
