"""What a processor keeps over eviction, checkpoints and restarts: deadlines, forwarded records, dead letters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import structs

from agents.sops import catalogue
from agents.sops.cross_case_alerts import CROSS_CASE_ALERTS
from schemas.errors import Fatal
from schemas.outputs import AlertMessage
from schemas.policy.model import DAY, HOUR, SECOND, PolicySet, Presence
from streams.memory.store import MemoryState
from streams.policies.source import FixedPolicies
from streams.processor.decoder import partition_of
from streams.processor.processor import STORE_LOOK_EVERY_US, SopProcessor
from streams.processor.stored_names import KEYS
from streams.processor.subject import Subjects
from streams.runtime.ports import TP, Outgoing, Stored
from tests.processors import owner_of, packed, save
from tests.scenario import MIDNIGHT, POLICY, Scenario
from tests.unit.test_retention import AFTER, CLOSED, Owner

JOBS, TICKETS, CASES = TP("jobs", 0), TP("tickets", 0), TP("internal.cases", 1)
TOPICS = catalogue.topics()


LATER = MIDNIGHT + DAY


async def evaluate(processor: SopProcessor, now: int) -> list[Outgoing]:
    return await processor.evaluate(now, {}, await processor.due(now, 99))


def records(lines: Sequence[bytes], first: int = 0) -> list[Stored]:
    return [Stored(first + number, b"k", line) for number, line in enumerate(lines)]


def actions(outgoing: Sequence[Outgoing]) -> set[str]:
    return {record.topic for record in outgoing}


async def test_a_case_loaded_for_a_duplicate_keeps_its_deadline() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()
    state = MemoryState()
    first = await owner_of(state)
    await first.apply_restored()
    await first.process([(TICKETS, records(lines))], LATER)
    assert "actions" in actions(await evaluate(first, MIDNIGHT + 11 * HOUR))
    await save(first)
    (due,) = state.deadlines.values()

    second = await owner_of(state)
    await second.apply_restored()
    await second.process([(TICKETS, records(lines[:1], 4))], LATER)
    assert await evaluate(second, due - 1) == []
    assert "actions" in actions(await evaluate(second, due))


async def test_an_evicted_case_is_due_by_the_store() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()
    state = MemoryState()
    processor = await owner_of(state, cached_cases_max=0)
    await processor.apply_restored()
    await processor.process([(TICKETS, records(lines))], LATER)
    await evaluate(processor, MIDNIGHT + 11 * HOUR)
    assert processor.state_size().cases == 1
    await save(processor)
    processor.mark_saved()
    assert (processor.state_size().cases, processor.state_size().deadlines) == (0, 0)
    (due,) = state.deadlines.values()
    assert await evaluate(processor, due - 1) == []
    assert "actions" in actions(await evaluate(processor, due + STORE_LOOK_EVERY_US))


async def test_a_deadline_that_has_passed_leaves_the_store_with_the_next_save() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").lines()
    state = MemoryState()
    processor = await owner_of(state)
    await processor.apply_restored()
    await processor.process([(TICKETS, records(lines))], LATER)
    await evaluate(processor, MIDNIGHT + 10 * HOUR)
    await save(processor)
    changed = [processor.changed]
    await evaluate(processor, MIDNIGHT + 10**15)
    changed.append(processor.changed)
    await save(processor)
    assert changed == [False, True]
    assert state.deadlines == {}


async def test_a_checkpoint_has_the_state_at_the_time_of_the_freeze() -> None:
    lines = Scenario().booked("08:00").assigned("09:00").ticket("10:00").image("10:01").lines()
    state = MemoryState()
    processor = await owner_of(state)
    await processor.process([(JOBS, records(lines[:3]))], LATER)
    await evaluate(processor, MIDNIGHT + 11 * HOUR)
    before = packed(processor)
    processor._cache.mark_dirty(Subjects(set(processor._cases.cases), set(processor._locations.tracks)))
    for key, at in before.expiries.items():
        processor._retention._new[key] = at
    changes = processor.freeze()
    await processor.process([(JOBS, records(lines[3:], 3))], LATER)
    await evaluate(processor, MIDNIGHT + 11 * HOUR)
    assert processor.pack(99)
    assert changes.blobs == {key: blob for key, blob in before.blobs.items() if key not in KEYS}
    assert (changes.deadlines, changes.expiries) == (before.deadlines, before.expiries)
    assert packed(processor).blobs != before.blobs


async def test_a_record_forwarded_again_after_a_crash_is_applied_once() -> None:
    foreign = next(f"job-{n}" for n in range(9) if partition_of(f"job-{n}", 2) == 1)
    lines = Scenario(foreign).booked("08:00").assigned("09:00").lines()
    sender = await owner_of(MemoryState(), partitions=2)
    await sender.process([(JOBS, records(lines))], LATER)
    forwarded_from = await evaluate(sender, MIDNIGHT)
    assert [(each.topic, each.partition) for each in forwarded_from] == 2 * [(TOPICS.cases, 1)]
    assert sender.counts() == {"jobs-0": {"forwarded": 2}}

    state = MemoryState()
    first = await owner_of(state, partition=1, partitions=2)
    arrived = [Stored(at, each.key, each.value) for at, each in enumerate([*forwarded_from, *forwarded_from])]
    await first.process([(CASES, arrived[:3])], LATER)
    await save(first)
    second = await owner_of(state, partition=1, partitions=2)
    await second.apply_restored()
    await second.process([(CASES, arrived[3:])], LATER)
    assert second.counts() == {"internal.cases-1": {"applied": 2, "duplicate": 2}}


async def test_a_record_with_a_dead_letter_is_not_refused_again_but_counted() -> None:
    record = records([b"{}"])[0]
    first = await owner_of(MemoryState())
    await first.apply_restored()
    first.refuse(JOBS, record, "internal: KeyError")
    (letter,) = await evaluate(first, MIDNIGHT)

    second = await owner_of(MemoryState())
    second.restore_output(letter.topic, Stored(0, letter.key, letter.value))
    await second.apply_restored()
    second.refuse(JOBS, record, "internal: KeyError")
    assert await evaluate(second, MIDNIGHT) == []
    assert second.counts() == first.counts() == {"jobs-0": {"dead_lettered": 1}}


async def test_a_departed_case_with_later_decisions_stops_the_worker() -> None:
    first = await Owner().begin()
    await first.step(AFTER, CLOSED.lines())
    await first.pass_to(AFTER + 91 * DAY)
    without_checkpoint = await Owner().begin(first.emitted)
    emitted = await without_checkpoint.step(AFTER + 91 * DAY, [*CLOSED.lines(), *Scenario().cancelled("10:30").lines()])
    assert any(each.topic in TOPICS.outputs for each in emitted)
    owner = await Owner(first.state).begin(emitted)
    with pytest.raises(Fatal, match=r"^case:job-1: decided after the checkpoint in which it had departed"):
        await owner.step(AFTER + 91 * DAY)


async def test_a_case_waits_as_long_as_its_policy_says_for_a_presence_answer() -> None:
    policies = FixedPolicies(PolicySet((), structs.replace(POLICY, presence=Presence(reading_wait=3 * SECOND))))
    processor = await owner_of(MemoryState(), policies=policies)
    await processor.process([(TICKETS, records(Scenario().booked().assigned().ticket().lines()))], LATER)
    asked = await evaluate(processor, LATER)
    assert {each.topic for each in asked} == {TOPICS.partners, TOPICS.watches}
    assert await evaluate(processor, LATER + 3 * SECOND - 1) == []
    assert "decisions.tagging" in {each.topic for each in await evaluate(processor, LATER + 3 * SECOND)}


def alerts(emitted: Sequence[Outgoing]) -> list[tuple[str, str]]:
    """Return the names and states of the alerts over several cases."""
    messages = [catalogue.decode_message(each.value) for each in emitted if each.topic == TOPICS.alerts]
    names = {kind.name for kind in CROSS_CASE_ALERTS}
    return [
        (each.body.name, each.body.state)
        for each in messages
        if isinstance(each, AlertMessage) and each.body.name in names
    ]


REUSED = [
    line
    for case_id in ("job-1", "job-2")
    for line in Scenario(case_id).ticket(f"10:0{case_id[-1]}").image("10:05").lines()
]


async def test_the_next_owner_neither_loses_nor_repeats_an_alert_over_cases() -> None:
    first = await Owner().begin()
    await first.step(AFTER, REUSED[:3])
    await first.save()
    emitted = await first.step(AFTER, REUSED[3:])
    assert alerts(emitted) == [("media_reused", "firing")]
    successor = await Owner(first.state).begin(emitted)
    assert alerts(await successor.step(AFTER, REUSED[3:])) == []
    forgetful = await Owner(first.state).begin()
    assert alerts(await forgetful.step(AFTER, REUSED[3:])) == [("media_reused", "firing")]


async def test_a_watch_leaves_the_state_once_all_in_it_is_forgotten() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, REUSED)
    await owner.save()
    watched = {key for key in owner.state.blobs if key.startswith("watch:")}
    assert len(watched) == 1
    assert alerts(await owner.pass_to(AFTER + 800 * DAY)) == [("media_reused", "resolved")]
    assert not watched & owner.state.blobs.keys()
