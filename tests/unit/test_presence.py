"""Where the partner was: the moments that matter, what a reading says of one, and the evidence for it."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import msgspec
import pytest

from agents.case.view import CaseView, Engagement, build_case_view
from agents.presence.presence import PresenceAnswers, engagement_presence
from agents.presence.queries import LocationFix, PresenceAnswer, presence_rules
from agents.sops.evaluate import case_presence_queries
from agents.sops.out_of_scope.presence import Presence, presence, presence_evidence, presence_moments
from schemas.events import Site
from schemas.policy.model import Policy
from tests.scenario import POLICY, SITE, SOURCE, Scenario, destination, names

RULES = presence_rules(POLICY)
HERE, AWAY = 100.0, 2000.0


def view_of(case: Scenario) -> CaseView:
    return build_case_view(case.case_id, case.facts)


def engagement_of(view: CaseView) -> Engagement:
    """Return the engagement of p1."""
    return next(each for each in view.engagements if each.partner_id == "p1")


def place_at(metres: float) -> Site:
    """Return a place this far from the site."""
    return Site(*destination(metres))


def readings_of(view: CaseView, seen: Mapping[str, float], policy: Policy = POLICY) -> PresenceAnswers:
    """Answer every query: `seen` has metres from the site by the name of a fact, the report is called `near-…`."""
    answers: dict[tuple[str, str], PresenceAnswer] = {}
    for query in case_presence_queries(view, policy):
        name = query.fact.removeprefix(f"{SOURCE}#")
        fix = LocationFix(f"{SOURCE}#near-{name}", query.time, None, place_at(seen[name])) if name in seen else None
        answers[query.key] = PresenceAnswer(query, fix, None, None)
    return answers


def presence_of(view: CaseView, answers: PresenceAnswers, policy: Policy = POLICY) -> Presence:
    """Return the presence of p1."""
    engagement = engagement_of(view)
    moments = presence_moments(engagement)
    return presence(engagement, engagement_presence(view, engagement, moments, answers, presence_rules(policy)))


def whereabouts(case: Scenario, seen: dict[str, float], policy: Policy = POLICY) -> Presence:
    """Return the presence of p1, seen at these distances."""
    history = view_of(case)
    answers = readings_of(history, seen, policy)
    return presence_of(history, answers, policy)


def claimed() -> Scenario:
    return Scenario().booked().assigned().ticket("10:00").image("10:10").cancelled("12:00")


def test_tickets_the_partners_images_and_the_partners_cancellations_matter() -> None:
    case = claimed().image("10:20", by="customer").cancelled("13:00", "customer").ticket("14:00", "t2", by="agent")
    case.ticket("14:00", "r1", kind="rating_reversal").image("14:30", "r1")
    found = whereabouts(case, {})
    assert [at.fact.id for at in found.deciding] == ["t1", "image", "cancelled", "t2"]
    assert [at.fact.id for at in found.cancellations] == ["cancelled", "cancelled2"]


def test_every_cancellation_is_asked_about_and_only_there_a_stay() -> None:
    case = claimed().cancelled("13:00", "customer")
    asked = case_presence_queries(view_of(case), POLICY)
    assert [(m.fact.removeprefix(f"{SOURCE}#"), m.stay) for m in asked] == [
        ("t1", False),
        ("image", False),
        ("cancelled", True),
        ("cancelled2", True),
    ]
    assert {m.partner_id for m in asked} == {"p1"}


def test_nobody_is_not_asked() -> None:
    assert case_presence_queries(view_of(Scenario().booked().ticket("10:00").cancelled("12:00")), POLICY) == []


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({}, "unknown"),
        ({"t1": HERE}, "on_site"),
        ({"t1": AWAY}, "off_site"),
        ({"t1": AWAY, "image": HERE}, "on_site"),
        ({"t1": AWAY, "cancelled": HERE}, "on_site"),
        ({"image": AWAY}, "off_site"),
        ({"t1": 499.999}, "on_site"),
        ({"t1": 500.001}, "off_site"),
    ],
)
def test_once_on_site_is_on_site(seen: dict[str, float], state: str) -> None:
    assert whereabouts(claimed(), seen).state == state


def test_the_customers_cancellation_says_nothing_of_the_engagement() -> None:
    case = Scenario().booked().assigned().cancelled("12:00", "customer")
    found = whereabouts(case, {"cancelled": HERE})
    assert (found.state, [at.state for at in found.cancellations]) == ("unknown", ["on_site"])


def test_without_a_booking_presence_is_unknown() -> None:
    case = Scenario().assigned().ticket("10:00")
    assert whereabouts(case, {"t1": HERE}).state == "unknown"


def test_the_radius_is_policy() -> None:
    near = msgspec.structs.replace(POLICY, presence=msgspec.structs.replace(POLICY.presence, radius_m=50.0))
    assert whereabouts(claimed(), {"t1": HERE}, near).state == "off_site"


def told_before(case: Scenario, seen: dict[str, float], after: Scenario) -> Presence:
    """Return the presence of p1 in a case that was told all it knows before it became what it is."""
    history = view_of(after)
    return presence_of(history, readings_of(view_of(case), seen))


@pytest.mark.parametrize(
    ("before", "metres", "state"),
    [
        (claimed(), 0.0, "on_site"),
        (claimed(), 399.0, "on_site"),
        (claimed(), 401.0, "off_site"),
        (Scenario().assigned().ticket("10:00").image("10:10").cancelled("12:00"), 0.0, "on_site"),
        (Scenario().assigned().ticket("10:00").image("10:10").cancelled("12:00"), 401.0, "off_site"),
    ],
    ids=["same", "near", "far", "first booking", "first booking far"],
)
@pytest.mark.parametrize("name", ["t1", "image", "cancelled"])
def test_a_booking_that_comes_later_measures_anew(before: Scenario, metres: float, state: str, name: str) -> None:
    after = copy.deepcopy(before).booked("08:30", site=destination(-metres))
    found = told_before(before, {name: HERE}, after)
    assert (found.state, found.deciding[0].state) == (state, state if name == "t1" else "unknown")


def test_a_stay_is_one_at_the_site_that_was_asked_about() -> None:
    before = claimed()
    asked = {m.fact: m for m in case_presence_queries(view_of(before), POLICY)}[f"{SOURCE}#cancelled"]
    near = LocationFix(f"{SOURCE}#near", asked.time, None, place_at(HERE))
    told = {
        asked.key: PresenceAnswer(asked, near, None, LocationFix(f"{SOURCE}#stay", asked.time, None, place_at(HERE)))
    }
    for site, stays in ((SITE, True), (destination(1.0), False)):
        history = view_of(claimed().booked("08:30", site=site))
        (at,) = presence_of(history, told).cancellations
        assert at.state == "on_site"
        assert at.answer
        assert (at.answer.stay is not None) is stays


def test_a_reading_of_another_window_does_not_count() -> None:
    policy = msgspec.structs.replace(POLICY, presence=msgspec.structs.replace(POLICY.presence, before=1))
    history = view_of(claimed())
    answers = readings_of(history, {"t1": HERE}, policy)
    found = presence_of(history, answers)
    assert (found.state, found.deciding[0].fix) == ("unknown", None)


@pytest.mark.parametrize(("site", "state"), [(SITE, "on_site"), (destination(1.0), "unknown")])
def test_a_reading_of_version_0_1_tells_the_distance_from_its_own_site(site: tuple[float, float], state: str) -> None:
    (query, *_) = case_presence_queries(view_of(claimed()), POLICY)
    asked = msgspec.structs.replace(query, site=Site(*SITE))
    packed = msgspec.msgpack.encode([msgspec.to_builtins(asked), ["/s#near", query.time, 100.0], None, None])
    kept = msgspec.msgpack.decode(packed, type=PresenceAnswer)
    history = view_of(claimed().booked("08:30", site=site))
    assert presence_of(history, {query.key: kept}).state == state


def test_an_answer_without_a_valid_report_is_unknown() -> None:
    history = view_of(claimed())
    (query, *_) = case_presence_queries(history, POLICY)
    found = presence_of(history, {query.key: PresenceAnswer(query, None, None, None)})
    assert found.state == "unknown"


@pytest.mark.parametrize(
    ("state", "evidence"),
    [
        ("on_site", ("assigned", "booked", "image", "near-image")),
        ("off_site", ("assigned", "booked", "near-t1", "t1")),
        ("unknown", ("assigned", "booked", "cancelled")),
    ],
)
def test_evidence_is_the_earliest_moment_with_its_report_the_booking_and_the_assignment(
    state: str, evidence: tuple[str, ...]
) -> None:
    history = view_of(claimed())
    found = whereabouts(claimed(), {"t1": AWAY, "image": HERE})
    facts = presence_evidence(history, engagement_of(history), found, state)  # type: ignore[arg-type]
    assert names(tuple(fact.ref for fact in facts)) == evidence


def test_evidence_has_the_assignment_at_the_moment() -> None:
    case = claimed().assigned("10:05")
    history, found = view_of(case), whereabouts(case, {"t1": AWAY, "image": HERE})
    on = presence_evidence(history, engagement_of(history), found, "on_site")
    off = presence_evidence(history, engagement_of(history), found, "off_site")
    assert f"{SOURCE}#assigned2" in {fact.ref for fact in on}
    assert f"{SOURCE}#assigned" in {fact.ref for fact in off}


def test_a_state_that_was_never_seen_has_no_evidence() -> None:
    history = view_of(claimed())
    found = whereabouts(claimed(), {"t1": HERE, "image": HERE, "cancelled": HERE})
    assert presence_evidence(history, engagement_of(history), found, "off_site") == ()
