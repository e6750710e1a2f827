"""A case as a set of facts, with what it was told and what was said of it."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest
from msgspec import structs

from agents.case.case import Case, pack_case, unpack_case
from agents.case_agent import CaseAgent
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, presence_rules
from schemas.events import Site
from schemas.policy.model import PolicySet
from tests.scenario import MIDNIGHT, POLICY, Scenario

MOMENT = PresenceQuery("job-1", "p1", "/s#t1", MIDNIGHT, None, presence_rules(POLICY), stay=False)
SEEN = LocationFix("/s#r", MIDNIGHT, None, Site(28.6139, 77.2090))


def answer(at: int = 0, *, seen: bool = True, too_late: bool = False, query: PresenceQuery = MOMENT) -> PresenceAnswer:
    return PresenceAnswer(query, SEEN if seen else None, None, None, {"locations-0": at, "partners-0": 1}, too_late)


def test_a_fact_is_new_once() -> None:
    booked, assigned = Scenario().booked().assigned().facts
    case = Case("job-1")
    assert [case.add_fact(each, 9) for each in (booked, assigned, booked)] == ["applied", "applied", "duplicate"]


def test_the_first_of_two_facts_with_one_identity_stays() -> None:
    first, second = (Scenario().booked(at).facts[0] for at in ("08:00", "08:01"))
    case = Case("job-1")
    assert [case.add_fact(each, 9) for each in (first, second, first)] == ["applied", "conflict", "duplicate"]
    assert list(case.facts.values()) == [first]


def test_a_full_case_takes_what_it_knows_and_nothing_new() -> None:
    booked, assigned, ticket = Scenario().booked().assigned().ticket("10:00").facts
    case = Case("job-1")
    assert [case.add_fact(each, 2) for each in (booked, assigned, ticket, booked)] == [
        "applied",
        "applied",
        "full",
        "duplicate",
    ]


def test_the_history_follows_the_facts() -> None:
    booked, assigned = Scenario().booked().assigned().facts
    case = Case("job-1")
    case.add_fact(booked, 9)
    assert len(case.view.facts) == 1
    case.add_fact(assigned, 9)
    assert len(case.view.facts) == 2


def test_the_reading_made_last_counts_in_whatever_order_they_come() -> None:
    made = [answer(1), answer(2, seen=False), answer(3)]
    for order in permutations(made):
        case = Case("job-1")
        for each in order:
            case.apply_answer(each)
        assert case.answers[MOMENT.key] == made[2]


def test_a_reading_made_when_the_reports_were_gone_replaces_none_made_in_time() -> None:
    in_time, late = answer(1), answer(9, seen=False, too_late=True)
    for order in permutations([in_time, late]):
        case = Case("job-1")
        for each in order:
            case.apply_answer(each)
        assert case.answers[MOMENT.key] == in_time


@pytest.mark.parametrize("again", [(), (2,), (3, 2)])
def test_a_late_reading_for_another_site_replaces_none_made_in_time(again: tuple[int, ...]) -> None:
    case = Case("job-1")
    case.apply_answer(answer(1))
    elsewhere = structs.replace(MOMENT, site=Site(1.0, 2.0))
    for at in (9, *again):
        case.apply_answer(answer(at, seen=False, too_late=True, query=elsewhere))
    assert case.answers[MOMENT.key] == answer(1)


def test_a_reading_in_time_for_another_site_counts() -> None:
    case = Case("job-1")
    case.apply_answer(answer(1))
    elsewhere = answer(2, query=structs.replace(MOMENT, site=Site(1.0, 2.0)))
    assert case.apply_answer(elsewhere)
    assert case.answers[MOMENT.key] == elsewhere


def test_a_late_reading_of_a_changed_moment_replaces_that_of_the_old_one() -> None:
    changed = structs.replace(MOMENT, time=MIDNIGHT + 1)
    late = answer(9, seen=False, too_late=True, query=changed)
    case = Case("job-1")
    case.apply_answer(answer(1))
    assert case.apply_answer(late)
    assert case.answers[MOMENT.key] == late


def test_only_a_reading_that_says_something_else_is_news() -> None:
    case = Case("job-1")
    assert case.apply_answer(answer(1))
    assert not case.apply_answer(answer(2))
    assert case.apply_answer(answer(3, seen=False))
    assert not case.apply_answer(answer(2))


def test_a_reading_is_awaited_until_the_moment_as_it_stands_is_answered() -> None:
    case = Case("job-1")
    assert not case.awaits_answer()
    case.queries = {MOMENT.key: MOMENT}
    assert case.awaits_answer()
    case.apply_answer(answer(1, query=structs.replace(MOMENT, time=MIDNIGHT + 1)))
    assert case.awaits_answer()
    case.apply_answer(answer(2))
    assert not case.awaits_answer()


def test_nobody_waits_for_a_stay_at_another_site() -> None:
    case = Case("job-1")
    case.queries = {MOMENT.key: structs.replace(MOMENT, site=Site(1.0, 2.0), stay=True)}
    case.apply_answer(answer(1))
    assert not case.awaits_answer()


def test_a_moment_that_comes_back_when_the_reports_are_gone_has_its_reading() -> None:
    """An assignment moves a ticket to another partner, a later one back to the first."""
    agent = CaseAgent(PolicySet((), POLICY), facts_max=99)
    case = agent.case("job-1")
    first, other, back = (f for f in Scenario().assigned().assigned("09:10", "p2").assigned("09:20").facts)
    for fact in (*Scenario().booked().ticket("10:00").facts, first):
        agent.receive(fact)
    (asked,) = agent.new_presence_queries("job-1")
    agent.apply_answer(answer(1, query=asked))
    agent.receive(other)
    (of_other,) = agent.new_presence_queries("job-1")
    agent.apply_answer(answer(2, seen=False, query=of_other))
    agent.receive(back)
    assert agent.new_presence_queries("job-1") == (asked,)
    agent.apply_answer(answer(3, seen=False, too_late=True, query=asked))
    assert list(case.answers.values()) == [answer(1, query=asked)]


def test_a_packed_case_is_the_same_case() -> None:
    agent = CaseAgent(PolicySet((), POLICY), facts_max=99)
    for fact in Scenario().booked().assigned().ticket("10:00").cancelled("11:00").facts:
        agent.receive(fact)
    asked = agent.new_presence_queries("job-1")
    for query in asked:
        agent.apply_answer(answer(1, query=query))
    assert agent.decide("job-1", MIDNIGHT + 10**12, "jobs-0:3").messages
    packed = pack_case(agent.case("job-1"))
    again = unpack_case(packed)
    assert pack_case(again) == packed
    agent.cases["job-1"] = again
    assert agent.new_presence_queries("job-1") == ()
    assert agent.decide("job-1", MIDNIGHT + 10**12).messages == []


def test_what_is_no_case_cannot_be_unpacked() -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack_case(b"\x90")
