"""A replay decides once per instant, facts before deadlines, up to the end of the clock."""

from __future__ import annotations

import pytest

from schemas.outputs import ActionMessage, DecisionMessage, OutputMessage
from schemas.policy.model import PolicySet
from streams.replay.replay import Replay
from tests.scenario import POLICY, Scenario, instant


def replayed(scenario: Scenario, until: str | None = None) -> list[OutputMessage]:
    end = instant(until) if until else None
    return list(Replay(PolicySet((), POLICY)).run(scenario.events(), end))


def parked() -> Scenario:
    """Return a case whose ticket is parked from 10:00 to 13:00, since it is not validated."""
    return Scenario().booked("08:00").assigned("09:00").report("10:00").ticket("10:00").image("10:00")


def codes(messages: list[OutputMessage], state: str = "open") -> set[str]:
    return {each.body.code for each in messages if isinstance(each, ActionMessage) and each.body.state == state}


def test_no_events_give_no_messages() -> None:
    assert replayed(Scenario()) == []


def test_the_clock_ends_with_the_last_event_by_default() -> None:
    assert "call_partner" not in codes(replayed(parked()))
    assert "call_partner" in codes(replayed(parked(), "14:00"))


@pytest.mark.parametrize(("until", "passed"), [("13:00 -1us", False), ("13:00", True)])
def test_a_deadline_due_at_the_end_has_passed(until: str, passed: bool) -> None:
    assert ("call_partner" in codes(replayed(parked(), until))) is passed


def test_an_event_after_the_end_is_ignored() -> None:
    later = parked().cancelled("12:00")
    assert replayed(later, "12:00 -1us") == replayed(parked(), "12:00 -1us")
    assert replayed(later, "12:00") != replayed(parked(), "12:00")


def test_facts_of_one_instant_are_decided_together() -> None:
    messages = replayed(Scenario().booked("10:00").assigned("10:00").report("10:00").ticket("10:00").image("10:00"))
    revisions = [each for each in messages if isinstance(each, DecisionMessage)]
    assert revisions
    assert {each.revision for each in revisions} == {1}


def test_a_fact_at_the_instant_of_a_deadline_is_known_when_the_deadline_passes() -> None:
    messages = replayed(parked().ticket_closed("13:00"), "13:00")
    assert "call_partner" not in codes(messages)


def test_messages_name_no_input_positions() -> None:
    assert {message.inputs for message in replayed(parked(), "20:00")} == {None}


def test_cases_do_not_affect_each_other() -> None:
    one, two = parked(), Scenario("job-2").booked("08:30").assigned("09:00", "p2").cancelled("11:00")
    both = Replay(PolicySet((), POLICY))
    messages = list(both.run([*one.events(), *two.events()], instant("20:00")))
    alone = [*replayed(one, "20:00"), *replayed(two, "20:00")]
    assert len(messages) == len(alone)
    assert all(each in alone for each in messages)
