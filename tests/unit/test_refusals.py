"""How many records may be refused before a worker stops, and that a restart does not begin to count anew."""

from __future__ import annotations

import pytest

from schemas.codec.limits import Limits
from schemas.errors import Fatal
from schemas.policy.model import Policy, PolicySet
from schemas.topics import Topics
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.processor import ProcessorSettings, SopProcessor
from streams.processor.refusal_limit import RefusalLimits, Refusals
from streams.runtime.ports import TP, Checkpoint, Stored
from tests.frozen import packed

JOBS = TP("jobs", 0)
LIMITS = RefusalLimits(run_max=3, share_max=0.5, window_records=10)


def note(refusals: Refusals, *numbers: int, tp: TP = JOBS) -> None:
    for number in numbers:
        refusals.add(tp, number, f"{tp.name}@{number}")


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param((1, 2, 3), id="a run at its limit"),
        pytest.param((1, 2, 3, 5, 6), id="two runs"),
        pytest.param((1, 3, 5, 7, 9, 11, 13, 15), id="a share at its limit, for as long as it lasts"),
        pytest.param((1, 2, 3, 101, 102, 103), id="what lies behind the window is forgotten"),
    ],
)
def test_refusals_within_the_limits_go_on(numbers: tuple[int, ...]) -> None:
    note(Refusals(LIMITS), *numbers)


@pytest.mark.parametrize(
    ("before", "last", "told"),
    [
        ((1, 2, 3), 4, "jobs-0@4: 4 records in a row refused; SOP_REFUSED_RUN_MAX is 3"),
        (
            (1, 3, 5, 7, 9),
            10,
            "jobs-0@10: 6 of the last 10 records of jobs-0 refused; SOP_REFUSED_SHARE_MAX is 0.5",
        ),
    ],
)
def test_more_refusals_stop_the_worker(before: tuple[int, ...], last: int, told: str) -> None:
    refusals = Refusals(LIMITS)
    note(refusals, *before)
    with pytest.raises(Fatal) as stopped:
        note(refusals, last)
    assert str(stopped.value) == told


def test_each_partition_counts_for_itself() -> None:
    refusals = Refusals(LIMITS)
    note(refusals, 1, 2, 3)
    note(refusals, 1, 2, 3, tp=TP("tickets", 0))


def test_a_run_goes_on_after_a_checkpoint() -> None:
    before, after = Refusals(LIMITS), Refusals(LIMITS)
    note(before, 1, 2, 3)
    after.load(before.dump())
    with pytest.raises(Fatal):
        note(after, 4)


async def test_a_worker_stops_before_what_is_refused_goes_out_and_again_after_a_restart() -> None:
    state = MemoryState()
    first = await work_over(state)
    await first.process([(JOBS, bad_records(0, 3))], 0)
    assert len(await first.evaluate(0, {JOBS.name: 3}, ())) == 3
    changes = packed(first)
    await first._store.save(Checkpoint({}, {}, first.counts()), changes.blobs, changes.deadlines, changes.expiries)
    with pytest.raises(Fatal):
        await first.process([(JOBS, bad_records(3, 1))], 0)
    second = await work_over(state)
    with pytest.raises(Fatal):
        await second.process([(JOBS, bad_records(3, 1))], 0)


async def work_over(state: MemoryState) -> SopProcessor:
    store = MemoryStore(state)
    saved = await store.claim() or Checkpoint({}, {}, {})
    settings = ProcessorSettings(
        topics=Topics(),
        partitions=1,
        policies=PolicySet((), Policy()),
        limits=Limits(),
        facts_per_case_max=10,
        cached_cases_max=10,
        answer_wait=0,
        refusal_limits=LIMITS,
    )
    work = SopProcessor(0, settings, store)
    await work.begin(saved.counts)
    await work.apply_restored()
    return work


def bad_records(first: int, count: int) -> list[Stored]:
    return [Stored(first + number, None, b"not JSON") for number in range(count)]
