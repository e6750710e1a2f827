"""When partners' tracks depart, and what is remembered of them (surfaces.md, "Retention")."""

from __future__ import annotations

from schemas.policy.model import DAY
from streams.processor.internal_messages import AnswerMessage, QueryMessage, unpack
from streams.processor.retention import LOOK_EVERY_US
from tests.scenario import POLICY, Scenario, instant
from tests.unit.test_retention import AFTER, CANCELLED, LATEST, PARTNER, RULES, TOPICS, Owner, unpack_internal

REPORTED = Scenario().report("09:55", 10.0)
TRACK_KEPT = POLICY.presence.retention


async def test_a_track_departs_one_retention_after_its_latest_report() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, REPORTED.lines())
    latest = instant("09:55")
    await owner.pass_to(latest + TRACK_KEPT - 1)
    assert owner.processor.state_size().partners == 1
    await owner.pass_to(latest + TRACK_KEPT + LOOK_EVERY_US)
    assert (owner.processor.state_size().partners, owner.processor.state_size().partners_departed) == (0, 1)
    assert owner.state.blobs.keys() == {"retention"}
    assert owner.state.expiries == {}


async def test_a_track_stays_for_one_retention_after_its_latest_query() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, [*REPORTED.lines(), *CANCELLED.lines()])
    await owner.pass_to(LATEST + TRACK_KEPT - 1)
    assert owner.processor.state_size().partners == 1
    await owner.pass_to(LATEST + TRACK_KEPT + LOOK_EVERY_US)
    assert owner.processor.state_size().partners == 0


async def test_a_query_about_the_time_of_a_departed_track_is_too_late_and_replaces_no_answer() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, [*REPORTED.lines(), *CANCELLED.lines()])
    query = next(message for each in owner.emitted if isinstance(message := unpack_internal(each), QueryMessage))
    now = LATEST + TRACK_KEPT + DAY
    await owner.pass_to(now)
    assert owner.processor.state_size().partners == 0
    (again,) = await owner.apply_answer(now, query)
    answer = unpack(again.value)
    assert isinstance(answer, AnswerMessage)
    assert (answer.answer.closest, answer.answer.too_late) == (None, True)
    assert owner.processor.state_size().queries_too_late == 1
    await owner.apply_answer(now, answer)
    (known,) = owner.processor._cases.cases["job-1"].answers.values()
    assert known.closest is not None


async def test_reports_that_arrive_together_with_an_old_query_count_in_full() -> None:
    """As after a week without a worker: no track of that partner has departed."""
    owner = await Owner().begin()
    now = LATEST + 7 * DAY
    await owner.step(now, CANCELLED.lines())
    await owner.step(now, Scenario().report("09:45", 10.0).lines())
    (known,) = owner.processor._cases.cases["job-1"].answers.values()
    assert known.closest is not None


async def test_a_report_after_the_track_has_departed_begins_another() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, REPORTED.lines())
    now = AFTER + 30 * DAY
    await owner.pass_to(now)
    await owner.step(now, Scenario().report("12:00").lines())
    await owner.save()
    assert PARTNER in owner.state.blobs
    assert owner.state.expiries[PARTNER] == now + RULES.quiet


async def test_no_alert_is_emitted_again_when_reports_of_a_departed_track_come_again() -> None:
    owner = await Owner().begin()
    travel = Scenario().report("09:00").report("09:05", 100_000.0).lines()
    alerts = [each for each in await owner.step(AFTER, travel) if each.topic == TOPICS.alerts]
    assert len(alerts) == 1
    now = AFTER + 30 * DAY
    await owner.pass_to(now)
    assert (owner.processor.state_size().partners_departed, PARTNER in owner.state.blobs) == (1, True)
    successor = await Owner(owner.state).begin()
    assert [each for each in await successor.step(now, travel) if each.topic == TOPICS.alerts] == []
    await successor.pass_to(now + DAY)
    await successor.pass_to(now + RULES.memory + DAY)
    assert successor.state.blobs.keys() == {"retention"}
    assert successor.state.expiries == {}
    assert successor.processor.state_size().partners_departed == 2
