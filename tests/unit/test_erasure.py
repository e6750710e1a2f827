"""What a worker and a replay do with the tombstone of a case or partner, and what is left in the state."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
import zstandard

from agents.case.case import NO_LONGER_KEPT
from agents.sops import catalogue
from schemas.codec.limits import Limits
from schemas.policy.model import HOUR, MINUTE, PolicySet
from schemas.topics import Topics
from streams.operations.cases_of_person import cases_behind
from streams.operations.erasure import tombstones
from streams.processor.internal_messages import Forwarded, pack
from streams.replay.deduplicate import ERASED, deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.replay import Replay
from streams.runtime.ports import TP
from tests.scenario import MIDNIGHT, POLICY, Scenario, line
from tests.simulation.kafka import SimulatedKafka, SimulatedLog
from tests.unit.test_retention import Owner, dead_letters, decisions

TOPICS: Topics = catalogue.topics()
NOON = MIDNIGHT + 12 * HOUR
LINK = "https://media.example/planted.jpg"
FACTS = Scenario().booked("08:00").assigned("09:00").ticket("10:00").lines()
IMAGE = line(
    "ticket.media_added", "job-1", NOON - HOUR, "media", {"ticket_id": "t1", "added_by": "partner", "url": LINK}
)


def erased(now: int, partner: str | None = None) -> bytes:
    (found,) = tombstones(TOPICS, [] if partner else ["job-1"], partner, now)
    return found.value


def report(name: str, at: int) -> bytes:
    return line("location.reported", "p1", at, name, {"lat": 12.5, "lon": 77.5, "accuracy_m": 5.0})


def stored(owner: Owner) -> bytes:
    """Return all that the store has, decompressed, and its keys."""
    return b"".join(key.encode() + decompressed(blob) for key, blob in owner.state.blobs.items())


def decompressed(blob: bytes) -> bytes:
    try:
        return zstandard.decompress(blob)
    except zstandard.ZstdError:
        return blob


async def test_an_erased_case_departs_without_a_word_and_refuses_facts() -> None:
    owner = await Owner().begin()
    assert decisions(await owner.step(NOON, [*FACTS, IMAGE]))
    await owner.save()
    assert stored(owner).count(b"planted") > 1
    emitted = await owner.step(NOON + MINUTE, [erased(NOON)])
    assert [each for each in emitted if each.topic in TOPICS.outputs] == []
    await owner.save()
    assert b"planted" not in stored(owner)
    late = await owner.step(NOON + 2 * MINUTE, [IMAGE])
    assert [each.reason for each in dead_letters(late)] == [NO_LONGER_KEPT]
    assert dead_letters(await owner.step(NOON + 3 * MINUTE, [erased(NOON), erased(NOON + 1)])) == []


async def test_an_erased_case_is_still_erased_for_the_next_owner() -> None:
    first = await Owner().begin()
    await first.step(NOON, FACTS)
    await first.step(NOON + MINUTE, [erased(NOON)])
    await first.save()
    successor = await Owner(first.state).begin()
    assert [each.reason for each in dead_letters(await successor.step(NOON + HOUR, [IMAGE]))] == [NO_LONGER_KEPT]


async def test_a_case_can_be_erased_before_anything_of_it_arrives() -> None:
    owner = await Owner().begin()
    await owner.step(NOON, [erased(NOON)])
    letters = dead_letters(await owner.step(NOON, FACTS))
    assert {each.reason for each in letters} == {NO_LONGER_KEPT}
    assert len(letters) == len(FACTS)


async def test_an_erased_partner_has_no_reports_and_those_of_that_time_are_refused() -> None:
    owner = await Owner().begin()
    await owner.step(NOON, [report("a", NOON - HOUR)])
    await owner.save()
    before = len(stored(owner))
    await owner.step(NOON + MINUTE, [erased(NOON, "p1")])
    await owner.save()
    assert len(stored(owner)) < before
    successor = await Owner(owner.state).begin()
    emitted = await successor.step(NOON + HOUR, [report("b", NOON - MINUTE), report("c", NOON + MINUTE)])
    assert [(each.reason, each.offset) for each in dead_letters(emitted)] == [(NO_LONGER_KEPT, 0)]


def replayed(*lines: bytes) -> tuple[int, list[str], int]:
    """Return how many facts are accepted, why others are refused, and how many messages there are."""
    unique = deduplicate(enumerate(InputRecord("f", 0, at, each) for at, each in enumerate(lines)), Limits(), None, 99)
    messages = list(Replay(PolicySet((), POLICY)).run(unique.events, NOON + 40 * HOUR))
    return len(unique.events), [each.reason for each in unique.refused], len(messages)


def test_in_a_replay_the_erasure_of_a_case_takes_effect_at_its_time() -> None:
    late = line("ticket.closed", "job-1", NOON + HOUR, "late", {"ticket_id": "t1"})
    count, reasons, messages = replayed(*FACTS, erased(NOON), late)
    assert (count, reasons) == (len(FACTS) + 1, [NO_LONGER_KEPT])
    _, _, all_messages = replayed(*FACTS)
    assert 0 < messages < all_messages


def test_in_a_replay_the_erasure_of_a_partner_takes_nothing() -> None:
    assert replayed(*FACTS, erased(NOON, "p1")) == replayed(*FACTS)


def test_a_record_that_has_lost_something_is_refused() -> None:
    record = InputRecord("jobs", 0, 0, FACTS[0], is_erased=True)
    assert [each.reason for each in deduplicate([(0, record)], Limits(), None, 99).refused] == [ERASED]


def with_data_in_base64(event: bytes) -> bytes:
    found = json.loads(event)
    data = b64encode(json.dumps(found.pop("data")).encode()).decode()
    return json.dumps({**found, "data_base64": data}).encode()


def booking(case_id: str, customer_id: str) -> bytes:
    (event,) = Scenario(case_id).booked("08:00", customer_id=customer_id).lines()
    return event


PARTNER_FOUND = line(
    "ticket.partner_identified", "job-5", NOON, "found", {"ticket_id": "t", "partner_id": "p1", "name": "Zebulon"}
)


@pytest.mark.parametrize(
    ("person", "start", "cases"),
    [
        ("customer:c-1", 0, {"job-1", "job-2", "job-4"}),
        ("customer:c-1", 1, {"job-2", "job-4"}),
        ("customer:c-1", 9, {"job-4"}),
        ("customer:c-3", 0, {"job-3"}),
        ("customer:c", 0, set()),
        ("partner:p1", 0, {"job-5"}),
    ],
)
async def test_cases_that_are_not_archived_yet_are_found_in_kafka(person: str, start: int, cases: set[str]) -> None:
    kafka, jobs, messages = SimulatedKafka(), TP("jobs", 0), TP("internal.cases", 0)
    for each in (booking("job-1", "c-1"), with_data_in_base64(booking("job-2", "c-1")), booking("job-3", "c-3"), b"x"):
        kafka.append(jobs, b"k", each)
    kafka.append(jobs, b"k", None)
    for case_id, event in (("job-4", booking("job-4", "c-1")), ("job-5", with_data_in_base64(PARTNER_FOUND))):
        key = case_id.encode()
        kafka.append(messages, key, pack(Forwarded("jobs", 1, 5, 0, key, event, ())))
    assert await cases_behind(SimulatedLog(kafka), person, {jobs: start, messages: 0}) == cases


@pytest.mark.parametrize("partner", [None, "p1"])
def test_a_tombstone_names_nobody_but_its_subject(partner: str | None) -> None:
    event = json.loads(erased(NOON, partner))
    assert (event["subject"], event["data"]) == (partner or "job-1", {})
