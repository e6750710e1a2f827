"""What the work on cases keeps to itself: deadlines of cases that come into memory, and what was sent on before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.codec.limits import Limits
from schemas.errors import Fatal
from schemas.policy.model import DAY, HOUR, PolicySet
from schemas.topics import Topics
from streams.memory.store import MemoryState, MemoryStore
from streams.processor.decoder import partition_of
from streams.processor.processor import STORE_LOOK_EVERY_US, ProcessorSettings, SopProcessor
from streams.processor.subject import Subjects
from streams.runtime.ports import TP, Checkpoint, Outgoing, Stored
from tests.frozen import packed
from tests.scenario import MIDNIGHT, POLICY, Scenario
from tests.unit.test_retention import AFTER, CLOSED, Owner

JOBS, TICKETS, CASES = TP("jobs", 0), TP("tickets", 0), TP("internal.cases", 1)
TOPICS = Topics()


async def work_over(
    state: MemoryState, *, partition: int = 0, partitions: int = 1, cached_cases_max: int = 99
) -> SopProcessor:
    store = MemoryStore(state)
    saved = await store.claim() or Checkpoint({}, {}, {})
    settings = ProcessorSettings(
        topics=TOPICS,
        partitions=partitions,
        policies=PolicySet((), POLICY),
        limits=Limits(),
        facts_per_case_max=99,
        cached_cases_max=cached_cases_max,
        answer_wait=0,
    )
    work = SopProcessor(partition, settings, store)
    await work.begin(saved.counts)
    return work


LATER = MIDNIGHT + DAY


async def evaluate(work: SopProcessor, now: int) -> list[Outgoing]:
    return await work.evaluate(now, {}, await work.due(now, 99))


async def save(work: SopProcessor) -> None:
    changes = packed(work)
    await work._store.save(Checkpoint({}, {}, work.counts()), changes.blobs, changes.deadlines, changes.expiries)


def records(lines: Sequence[bytes], first: int = 0) -> list[Stored]:
    return [Stored(first + number, b"k", line) for number, line in enumerate(lines)]


def actions(outgoing: Sequence[Outgoing]) -> set[str]:
    return {record.topic for record in outgoing}


async def test_a_case_brought_in_for_a_duplicate_keeps_its_deadline() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()
    state = MemoryState()
    first = await work_over(state)
    await first.apply_restored()
    await first.process([(TICKETS, records(lines))], LATER)
    assert "actions" in actions(await evaluate(first, MIDNIGHT + 11 * HOUR))
    await save(first)
    (due,) = state.deadlines.values()

    second = await work_over(state)
    await second.apply_restored()
    await second.process([(TICKETS, records(lines[:1], 4))], LATER)
    assert await evaluate(second, due - 1) == []
    assert "actions" in actions(await evaluate(second, due))


async def test_a_case_at_rest_leaves_nothing_in_memory_and_wakes_by_the_store() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()
    state = MemoryState()
    work = await work_over(state, cached_cases_max=0)
    await work.apply_restored()
    await work.process([(TICKETS, records(lines))], LATER)
    await evaluate(work, MIDNIGHT + 11 * HOUR)
    assert work.state_size().cases == 1
    await save(work)
    work.mark_saved()
    assert (work.state_size().cases, work.state_size().deadlines) == (0, 0)
    (due,) = state.deadlines.values()
    assert await evaluate(work, due - 1) == []
    assert "actions" in actions(await evaluate(work, due + STORE_LOOK_EVERY_US))


async def test_a_deadline_that_leads_to_nothing_is_gone_from_the_store_with_the_next_save() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").lines()
    state = MemoryState()
    work = await work_over(state)
    await work.apply_restored()
    await work.process([(TICKETS, records(lines))], LATER)
    await evaluate(work, MIDNIGHT + 10 * HOUR)
    await save(work)
    changed = [work.changed]
    await evaluate(work, MIDNIGHT + 10**15)
    changed.append(work.changed)
    await save(work)
    assert changed == [False, True]
    assert state.deadlines == {}


async def test_what_is_saved_is_as_it_was_when_it_was_frozen_whatever_is_packed_later() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()
    state = MemoryState()
    work = await work_over(state)
    await work.process([(JOBS, records(lines[:3]))], LATER)
    await evaluate(work, MIDNIGHT + 11 * HOUR)
    before = packed(work)
    work._cache.mark_dirty(Subjects(set(work._cases.cases), set(work._locations.tracks)))
    for key, at in before.expiries.items():
        work._retention._new[key] = at
    changes = work.freeze()
    await work.process([(JOBS, records(lines[3:], 3))], LATER)
    await evaluate(work, MIDNIGHT + 11 * HOUR)
    assert work.pack(99)
    assert changes == before
    assert packed(work).blobs != before.blobs


async def test_what_is_sent_on_again_after_a_fall_is_taken_once() -> None:
    foreign = next(f"job-{n}" for n in range(9) if partition_of(f"job-{n}", 2) == 1)
    lines = Scenario(foreign).booked("08:00").assigned("09:00").lines()
    sender = await work_over(MemoryState(), partitions=2)
    await sender.process([(JOBS, records(lines))], LATER)
    forwarded_from = await evaluate(sender, MIDNIGHT)
    assert [(each.topic, each.partition) for each in forwarded_from] == 2 * [(TOPICS.cases, 1)]
    assert sender.counts() == {"jobs-0": {"forwarded": 2}}

    state = MemoryState()
    first = await work_over(state, partition=1, partitions=2)
    arrived = [Stored(at, each.key, each.value) for at, each in enumerate([*forwarded_from, *forwarded_from])]
    await first.process([(CASES, arrived[:3])], LATER)
    await save(first)
    second = await work_over(state, partition=1, partitions=2)
    await second.apply_restored()
    await second.process([(CASES, arrived[3:])], LATER)
    assert second.counts() == {"internal.cases-1": {"applied": 2, "duplicate": 2}}


async def test_what_is_in_the_dead_letters_already_is_not_refused_again_but_counts_as_refused() -> None:
    record = records([b"{}"])[0]
    first = await work_over(MemoryState())
    await first.apply_restored()
    first.refuse(JOBS, record, "internal: KeyError")
    (letter,) = await evaluate(first, MIDNIGHT)

    second = await work_over(MemoryState())
    second.restore_output(letter.topic, Stored(0, letter.key, letter.value))
    await second.apply_restored()
    second.refuse(JOBS, record, "internal: KeyError")
    assert await evaluate(second, MIDNIGHT) == []
    assert second.counts() == first.counts() == {"jobs-0": {"dead_lettered": 1}}


async def test_a_checkpoint_that_let_go_of_what_was_decided_since_is_refused() -> None:
    first = await Owner().begin()
    await first.step(AFTER, CLOSED.lines())
    await first.pass_to(AFTER + 91 * DAY)
    without_checkpoint = await Owner().begin(first.said)
    said = await without_checkpoint.step(AFTER + 91 * DAY, [*CLOSED.lines(), *Scenario().cancelled("10:30").lines()])
    assert any(each.topic in TOPICS.outputs for each in said)
    with pytest.raises(Fatal, match=r"^case:job-1: decided after the checkpoint in which it had departed"):
        await Owner(first.state).begin(said)
