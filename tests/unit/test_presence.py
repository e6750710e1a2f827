"""Presence between the agents: what a case asks about its partners, and which answers it counts."""

from __future__ import annotations

import msgspec
import pytest

from agents.case.presence import EngagementPresence, PresenceAt, PresenceFact, engagement_presence
from agents.case.view import CaseView, build_case_view
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, presence_rules
from agents.sops.evaluate import case_presence_queries
from schemas.events import Site
from tests.scenario import POLICY, SITE, Scenario, destination

RULES = presence_rules(POLICY)


def cancelled(site: tuple[float, float] = SITE) -> CaseView:
    """A job with a cancellation of the partner at 12:00."""
    return build_case_view("job-1", Scenario().booked(site=site).assigned().partner_cancelled().facts)


def fix(name: str, query: PresenceQuery) -> LocationFix:
    return LocationFix(f"/s#{name}", query.time, None, Site(*destination(100)))


def presence_at(view: CaseView, answer: PresenceAnswer) -> PresenceAt:
    """Return where p1 was at the cancellation, by one answer."""
    (engagement,) = view.engagements
    (cancellation,) = engagement.cancellations
    facts = [PresenceFact(cancellation, asks_stay=True)]
    found: EngagementPresence = engagement_presence(view, engagement, facts, {answer.query.key: answer}, RULES)
    return found.at(cancellation)


def test_a_case_asks_about_presence_facts_and_all_cancellations_and_at_these_about_a_stay() -> None:
    case = Scenario().booked().assigned().ticket().image("10:10").image("10:20", by="customer")
    case.rating_ticket().partner_cancelled("12:00").customer_cancelled("13:00")
    queries = case_presence_queries(build_case_view("job-1", case.facts), POLICY)
    assert [(query.fact, query.stay, query.partner_id) for query in queries] == [
        ("/s#t1", False, "p1"),
        ("/s#image", False, "p1"),
        ("/s#cancelled", True, "p1"),
        ("/s#cancelled2", True, "p1"),
    ]


def test_a_case_asks_nothing_about_nobody() -> None:
    view = build_case_view("job-1", Scenario().booked().ticket().cancelled().facts)
    assert list(case_presence_queries(view, POLICY)) == []


def test_an_answer_without_a_valid_report_leaves_presence_unknown() -> None:
    (query,) = case_presence_queries(cancelled(), POLICY)
    assert presence_at(cancelled(), PresenceAnswer(query, None, None, None)).state == "unknown"


def test_an_answer_for_another_time_window_does_not_count() -> None:
    (query,) = case_presence_queries(cancelled(), POLICY)
    other = msgspec.structs.replace(query, rules=msgspec.structs.replace(RULES, before=1))
    found = presence_at(cancelled(), PresenceAnswer(other, fix("near", query), None, None))
    assert (found.state, found.fix) == ("unknown", None)


@pytest.mark.parametrize(("site", "stays"), [(SITE, True), (destination(1.0), False)])
def test_an_answer_for_another_site_counts_but_for_the_stay(site: tuple[float, float], *, stays: bool) -> None:
    (query,) = case_presence_queries(cancelled(), POLICY)
    found = presence_at(cancelled(site), PresenceAnswer(query, fix("near", query), None, fix("stay", query)))
    assert found.state == "on_site"
    assert found.answer
    assert (found.answer.stay is not None) == stays


@pytest.mark.parametrize(("site", "state"), [(SITE, "on_site"), (destination(1.0), "unknown")])
def test_an_answer_of_version_0_1_holds_the_distance_from_its_own_site(site: tuple[float, float], state: str) -> None:
    (query,) = case_presence_queries(cancelled(), POLICY)
    packed = msgspec.msgpack.encode([msgspec.to_builtins(query), ["/s#near", query.time, 100.0], None, None])
    assert presence_at(cancelled(site), msgspec.msgpack.decode(packed, type=PresenceAnswer)).state == state
