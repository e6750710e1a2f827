"""A case: the set of its facts, which presence answer counts, and packing."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest
from msgspec import structs

from agents.case.case import Case
from agents.case_agent import CaseAgent
from agents.case_state import pack_case, unpack_case
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, presence_rules
from schemas.events import Site
from schemas.policy.model import PolicySet
from tests.scenario import MIDNIGHT, POLICY, Scenario

QUERY = PresenceQuery("job-1", "p1", "/s#t1", MIDNIGHT, None, presence_rules(POLICY), stay=False)
ELSEWHERE = structs.replace(QUERY, site=Site(1.0, 2.0))
FIX = LocationFix("/s#r", MIDNIGHT, None, Site(28.6139, 77.2090))


def answer(at: int = 0, *, found: bool = True, too_late: bool = False, query: PresenceQuery = QUERY) -> PresenceAnswer:
    """Return an answer made at an input position."""
    return PresenceAnswer(query, FIX if found else None, None, None, {"locations-0": at, "partners-0": 1}, too_late)


def answered(*answers: PresenceAnswer) -> Case:
    case = Case("job-1")
    for each in answers:
        case.apply_answer(each)
    return case


def test_a_fact_is_applied_once() -> None:
    booked, assigned = Scenario().booked().assigned().facts
    case = Case("job-1")
    assert [case.add_fact(each, 9) for each in (booked, assigned, booked)] == ["applied", "applied", "duplicate"]


def test_the_first_of_two_facts_with_one_identity_is_kept() -> None:
    first, second = (Scenario().booked(at).facts[0] for at in ("08:00", "08:01"))
    case = Case("job-1")
    assert [case.add_fact(each, 9) for each in (first, second, first)] == ["applied", "conflict", "duplicate"]
    assert list(case.facts.values()) == [first]


def test_a_full_case_still_recognises_duplicates() -> None:
    booked, assigned, ticket = Scenario().booked().assigned().ticket("10:00").facts
    case = Case("job-1")
    results = [case.add_fact(each, 2) for each in (booked, assigned, ticket, booked)]
    assert results == ["applied", "applied", "full", "duplicate"]


def test_the_view_follows_the_facts() -> None:
    booked, assigned = Scenario().booked().assigned().facts
    case = Case("job-1")
    case.add_fact(booked, 9)
    assert len(case.view.facts) == 1
    case.add_fact(assigned, 9)
    assert len(case.view.facts) == 2


def test_the_answer_made_last_counts_in_any_order_of_arrival() -> None:
    answers = [answer(1), answer(2, found=False), answer(3)]
    for order in permutations(answers):
        assert answered(*order).answers[QUERY.key] == answers[2]


def test_an_answer_that_is_too_late_never_replaces_one_made_in_time() -> None:
    in_time, late = answer(1), answer(9, found=False, too_late=True)
    for order in permutations([in_time, late]):
        assert answered(*order).answers[QUERY.key] == in_time


@pytest.mark.parametrize("positions", [(9,), (9, 2), (9, 3, 2)])
def test_answers_that_are_too_late_for_another_site_never_replace_one_made_in_time(positions: tuple[int, ...]) -> None:
    late = [answer(at, found=False, too_late=True, query=ELSEWHERE) for at in positions]
    assert answered(answer(1), *late).answers[QUERY.key] == answer(1)


def test_an_answer_in_time_for_another_site_counts() -> None:
    case = answered(answer(1))
    assert case.apply_answer(answer(2, query=ELSEWHERE))
    assert case.answers[QUERY.key] == answer(2, query=ELSEWHERE)


def test_an_answer_that_is_too_late_replaces_one_for_another_window() -> None:
    late = answer(9, found=False, too_late=True, query=structs.replace(QUERY, time=MIDNIGHT + 1))
    case = answered(answer(1))
    assert case.apply_answer(late)
    assert case.answers[QUERY.key] == late


def test_only_an_answer_with_other_content_is_a_change() -> None:
    case = Case("job-1")
    assert case.apply_answer(answer(1))
    assert not case.apply_answer(answer(2))
    assert case.apply_answer(answer(3, found=False))
    assert not case.apply_answer(answer(2))


def test_a_case_awaits_an_answer_for_the_current_window() -> None:
    case = Case("job-1")
    assert not case.awaits_answer()
    case.queries = {QUERY.key: QUERY}
    assert case.awaits_answer()
    case.apply_answer(answer(1, query=structs.replace(QUERY, time=MIDNIGHT + 1)))
    assert case.awaits_answer()
    case.apply_answer(answer(2))
    assert not case.awaits_answer()


def test_a_case_does_not_await_the_stay_at_another_site() -> None:
    case = answered(answer(1))
    case.queries = {QUERY.key: structs.replace(ELSEWHERE, stay=True)}
    assert not case.awaits_answer()


def test_a_query_that_comes_back_when_the_reports_are_gone_still_has_its_answer() -> None:
    """One assignment moves a ticket to another partner, a later one moves it back."""
    agent = CaseAgent(PolicySet((), POLICY), facts_max=99)
    case = agent.case("job-1")
    first, other, back = Scenario().assigned().assigned("09:10", "p2").assigned("09:20").facts
    for fact in (*Scenario().booked().ticket("10:00").facts, first):
        agent.receive(fact)
    (query,) = agent.new_presence_queries("job-1")
    agent.apply_answer(answer(1, query=query))
    agent.receive(other)
    (query_of_other,) = agent.new_presence_queries("job-1")
    agent.apply_answer(answer(2, found=False, query=query_of_other))
    agent.receive(back)
    assert agent.new_presence_queries("job-1") == (query,)
    agent.apply_answer(answer(3, found=False, too_late=True, query=query))
    assert list(case.answers.values()) == [answer(1, query=query)]


def test_an_unpacked_case_equals_the_packed_one() -> None:
    agent = CaseAgent(PolicySet((), POLICY), facts_max=99)
    for fact in Scenario().booked().assigned().ticket("10:00").cancelled("11:00").facts:
        agent.receive(fact)
    for query in agent.new_presence_queries("job-1"):
        agent.apply_answer(answer(1, query=query))
    assert agent.decide("job-1", MIDNIGHT + 10**12, "jobs-0:3").messages
    packed = pack_case(agent.case("job-1"))
    again = unpack_case(packed)
    assert pack_case(again) == packed
    agent.cases["job-1"] = again
    assert agent.new_presence_queries("job-1") == ()
    assert agent.decide("job-1", MIDNIGHT + 10**12).messages == []


def test_other_bytes_cannot_be_unpacked() -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack_case(b"\x90")
