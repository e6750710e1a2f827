"""When partners' tracks leave the state, and what remains of them (page 4.9)."""

from __future__ import annotations

from schemas.policy.model import DAY
from streams.processor.internal_messages import AnswerMessage, QueryMessage, unpack
from streams.processor.retention import LOOK_EVERY_US
from tests.scenario import POLICY, Scenario, instant
from tests.unit.test_retention import AFTER, CANCELLED, LATEST, PARTNER, RULES, TOPICS, Owner, unpack_internal

REPORTED = Scenario().report("09:55", 10.0)
TRACK_KEPT = POLICY.presence.retention


async def test_a_track_leaves_when_its_latest_report_is_as_old_as_reports_are_kept() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, REPORTED.lines())
    latest = instant("09:55")
    await owner.pass_to(latest + TRACK_KEPT - 1)
    assert owner.work.state_size().partners == 1
    await owner.pass_to(latest + TRACK_KEPT + LOOK_EVERY_US)
    assert (owner.work.state_size().partners, owner.work.state_size().partners_departed) == (0, 1)
    assert owner.state.blobs.keys() == {"retention"}
    assert owner.state.expiries == {}


async def test_a_track_stays_for_as_long_as_a_moment_that_was_asked_about_could_need_a_report() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, [*REPORTED.lines(), *CANCELLED.lines()])
    await owner.pass_to(LATEST + TRACK_KEPT - 1)
    assert owner.work.state_size().partners == 1
    await owner.pass_to(LATEST + TRACK_KEPT + LOOK_EVERY_US)
    assert owner.work.state_size().partners == 0


async def test_after_a_track_has_left_a_question_about_its_time_is_too_late_and_takes_nothing_back() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, [*REPORTED.lines(), *CANCELLED.lines()])
    question = next(message for each in owner.said if isinstance(message := unpack_internal(each), QueryMessage))
    now = LATEST + TRACK_KEPT + DAY
    await owner.pass_to(now)
    assert owner.work.state_size().partners == 0
    (again,) = await owner.apply_answer(now, question)
    answer = unpack(again.value)
    assert isinstance(answer, AnswerMessage)
    assert (answer.answer.closest, answer.answer.too_late) == (None, True)
    assert owner.work.state_size().queries_too_late == 1
    await owner.apply_answer(now, answer)
    (known,) = owner.work._cases.cases["job-1"].answers.values()
    assert known.closest is not None


async def test_reports_that_come_with_an_old_question_count_in_full() -> None:
    """As after a week in which no worker ran: nothing of that partner was ever here."""
    owner = await Owner().begin()
    now = LATEST + 7 * DAY
    await owner.step(now, CANCELLED.lines())
    await owner.step(now, Scenario().report("09:45", 10.0).lines())
    (known,) = owner.work._cases.cases["job-1"].answers.values()
    assert known.closest is not None


async def test_a_report_that_comes_when_the_track_has_left_begins_another() -> None:
    owner = await Owner().begin()
    await owner.step(AFTER, REPORTED.lines())
    now = AFTER + 30 * DAY
    await owner.pass_to(now)
    await owner.step(now, Scenario().report("12:00").lines())
    await owner.save()
    assert PARTNER in owner.state.blobs
    assert owner.state.expiries[PARTNER] == now + RULES.quiet


async def test_no_alert_is_sent_again_when_reports_of_a_track_that_has_left_come_again() -> None:
    owner = await Owner().begin()
    travelled = Scenario().report("09:00").report("09:05", 100_000.0).lines()
    alerts = [each for each in await owner.step(AFTER, travelled) if each.topic == TOPICS.alerts]
    assert len(alerts) == 1
    now = AFTER + 30 * DAY
    await owner.pass_to(now)
    assert (owner.work.state_size().partners_departed, PARTNER in owner.state.blobs) == (1, True)
    successor = await Owner(owner.state).begin()
    assert [each for each in await successor.step(now, travelled) if each.topic == TOPICS.alerts] == []
    await successor.pass_to(now + DAY)
    await successor.pass_to(now + RULES.memory + DAY)
    assert successor.state.blobs.keys() == {"retention"}
    assert successor.state.expiries == {}
    assert successor.work.state_size().partners_departed == 2
