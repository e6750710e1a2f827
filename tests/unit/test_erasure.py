"""What a worker and a replay do with the tombstone of a case or partner, and what is left in the state."""

from __future__ import annotations

import json

import pytest
import zstandard

from agents.case.case import NO_LONGER_KEPT
from agents.sops import catalogue
from schemas.codec.limits import Limits
from schemas.policy.model import HOUR, MINUTE, PolicySet
from schemas.topics import Topics
from streams.operations.erasure import tombstones
from streams.replay.deduplicate import ERASED, deduplicate
from streams.replay.input_record import InputRecord
from streams.replay.replay import Replay
from tests.scenario import MIDNIGHT, POLICY, Scenario, line
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


@pytest.mark.parametrize("partner", [None, "p1"])
def test_a_tombstone_names_nobody_but_its_subject(partner: str | None) -> None:
    event = json.loads(erased(NOON, partner))
    assert (event["subject"], event["data"]) == (partner or "job-1", {})
