"""A departed case is reopened from an archive: its late facts are decided like any others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agents.case.case import NO_LONGER_KEPT, NOT_ITS_LAST, Case
from agents.case_state import pack_case
from schemas.errors import UsageError
from schemas.policy.model import DAY
from streams.operations.reopening import former_case
from streams.processor.decoder import RecordDecoder
from streams.processor.internal_messages import Reopened, pack, reopened
from streams.runtime.ports import TP, Outgoing, Stored
from tests.scenario import LIMITS, Scenario
from tests.unit.test_retention import AFTER, LATEST, RULES, TOPICS, Owner, dead_letters, decisions, departed

JOB = b"job-1"
CLAIMED = Scenario().booked("08:00").assigned("08:30").ticket("09:00").cancelled("10:00", reason="cant_deliver")
SETTLED = CLAIMED.copy().image("09:01").not_genuine("09:02").ticket_closed("09:03")
LATE = SETTLED.copy().image("09:01:30").image("09:01:40").genuine().lines()[-1]
DECODER = RecordDecoder(TOPICS, LIMITS)


async def a_departed_case() -> tuple[Owner, int]:
    owner = await Owner().begin()
    return owner, await departed(owner, SETTLED)


def archived(owner: Owner) -> list[tuple[TP, Stored]]:
    """Return what an owner read and emitted, as an archive has it."""
    emitted = [each for each in owner.emitted if each.topic in TOPICS.outputs]
    outputs = [(TP(each.topic, 0), Stored(at, each.key, each.value)) for at, each in enumerate(emitted)]
    return [*owner.read, *outputs]


def former(owner: Owner) -> Case:
    return former_case("job-1", archived(owner), TOPICS, DECODER)


def reopening(case: Case) -> tuple[str, bytes, bytes]:
    return TOPICS.cases, JOB, pack(reopened(case))


def of_outputs(emitted: Sequence[Outgoing]) -> list[Outgoing]:
    return [each for each in emitted if each.topic in TOPICS.outputs]


async def test_a_reopened_case_is_as_it_was_and_emits_nothing() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, SETTLED.lines())
    before = owner.processor._cases.case("job-1")
    facts, answers, emitted = dict(before.facts), set(before.answers), before.emitted
    assert answers
    assert emitted.decisions
    await owner.pass_to(LATEST + RULES.case)
    assert owner.processor.state_size().departed_cases == 1

    assert of_outputs(await owner.take(LATEST + RULES.case, reopening(former(owner)))) == []
    case = owner.processor._cases.case("job-1")
    assert (case.facts, set(case.answers)) == (facts, answers)
    assert (case.emitted.decisions, case.emitted.actions, case.emitted.alerts) == (
        emitted.decisions,
        emitted.actions,
        emitted.alerts,
    )
    assert (owner.processor.state_size().cases, owner.processor.state_size().departed_cases) == (1, 0)


async def test_a_late_fact_corrects_the_decisions_of_a_reopened_case() -> None:
    owner, now = await a_departed_case()
    refused = await owner.step(now, [LATE])
    assert [each.reason for each in dead_letters(refused)] == [NO_LONGER_KEPT]
    last = {each.decision_key: each for each in decisions(owner.emitted)}

    await owner.take(now, reopening(former(owner)))
    corrected = decisions(await owner.step(now, [LATE]))
    assert corrected
    for each in corrected:
        old = last[each.decision_key]
        assert (each.supersedes, each.revision) == (old.decision_id, old.revision + 1)
        assert each.previous

    never_departed = await Owner().begin()
    await never_departed.step(AFTER, SETTLED.lines())
    at_once = decisions(await never_departed.step(now, [LATE]))
    assert [each.body for each in corrected] == [each.body for each in at_once]


@pytest.mark.parametrize("facts_first", [False, True])
async def test_facts_and_reopening_may_be_read_in_any_order(*, facts_first: bool) -> None:
    owner, now = await a_departed_case()
    records = [reopening(former(owner)), ("jobs", JOB, LATE), ("jobs", JOB, SETTLED.lines()[0])]
    emitted = await owner.take(now, *(reversed(records) if facts_first else records))
    assert dead_letters(emitted) == []
    assert decisions(emitted)
    assert owner.processor.counts()["jobs-0"] == {"applied": len(SETTLED.lines()) + 1, "duplicate": 1}


async def test_a_fact_that_no_reopening_follows_is_refused_with_the_next_evaluation() -> None:
    owner, now = await a_departed_case()
    assert [each.reason for each in dead_letters(await owner.take(now, ("jobs", JOB, LATE)))] == [NO_LONGER_KEPT]
    assert dead_letters(await owner.take(now, reopening(former(owner)))) == []


async def test_a_case_is_not_reopened_with_other_decisions_than_its_last() -> None:
    owner, now = await a_departed_case()
    case = former(owner)
    case.emitted.decisions.popitem()
    emitted = await owner.take(now, reopening(case))
    assert [each.reason for each in dead_letters(emitted)] == [NOT_ITS_LAST]
    assert owner.processor.state_size().departed_cases == 1


async def test_what_another_version_kept_is_refused() -> None:
    owner, now = await a_departed_case()
    emitted = await owner.take(now, (TOPICS.cases, JOB, pack(Reopened(b"other"))))
    (letter,) = dead_letters(emitted)
    assert letter.reason.startswith("value: not a case as this version keeps it")


async def test_a_case_that_is_kept_takes_only_what_it_lacks() -> None:
    owner, now = await a_departed_case()
    again = reopening(former(owner))
    await owner.take(now, again)
    assert decisions(await owner.step(now, [LATE]))
    before = pack_case(owner.processor._cases.case("job-1"))
    assert of_outputs(await owner.take(now, again)) == []
    assert pack_case(owner.processor._cases.case("job-1")) == before
    assert owner.processor.state_size().departed_cases == 0


async def test_a_case_whose_remains_have_expired_is_reopened_too() -> None:
    owner, now = await a_departed_case()
    case = former(owner)
    now += RULES.memory + DAY
    await owner.pass_to(now)
    assert owner.processor.state_size().departed_cases == 0
    assert of_outputs(await owner.take(now, reopening(case))) == []
    assert all(each.revision > 1 for each in decisions(await owner.step(now, [LATE])))


async def test_a_reopened_case_departs_again_and_may_be_reopened_again() -> None:
    owner, now = await a_departed_case()
    await owner.take(now, reopening(former(owner)))
    await owner.step(now, SETTLED.copy().line_item("10:30", "1.00").lines()[-1:])
    await owner.pass_to(now + DAY)
    assert owner.processor.state_size().departed_cases == 1
    await owner.take(now + DAY, reopening(former(owner)))
    assert owner.processor.state_size().departed_cases == 0


@pytest.mark.parametrize("facts_first", [False, True])
async def test_the_next_owner_goes_on_from_a_checkpoint_in_which_the_case_had_departed(*, facts_first: bool) -> None:
    owner, now = await a_departed_case()
    records = [reopening(former(owner)), ("jobs", JOB, LATE)]
    emitted = [*(await owner.take(now, records[0])), *(await owner.take(now, records[1]))]
    assert decisions(emitted)

    successor = await Owner(owner.state).begin(emitted)
    again = await successor.take(now, *(reversed(records) if facts_first else records))
    assert of_outputs(again) == []
    case, was = successor.processor._cases.case("job-1"), owner.processor._cases.case("job-1")
    assert case.facts == was.facts
    assert case.emitted.decisions == was.emitted.decisions


async def test_a_former_case_is_without_what_was_refused() -> None:
    owner = await Owner().begin()
    other = Scenario().booked("08:01").lines()[0]
    await owner.step(AFTER, [*SETTLED.lines(), other])
    assert len(dead_letters(owner.emitted)) == 1
    assert former(owner).facts == owner.processor._cases.case("job-1").facts


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([], "there is no fact about it"),
        ([(TP("decisions.paf", 0), Stored(0, JOB, b"{}"))], "there is no fact about it"),
        ([(TP("jobs", 0), Stored(0, JOB, Scenario().add("10:00", "case.erased", "e").lines()[0]))], "it was erased"),
    ],
)
def test_an_archive_without_the_case_says_so(records: list[tuple[TP, Stored]], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        former_case("job-1", records, TOPICS, DECODER)
