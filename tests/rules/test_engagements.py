"""Whose a fact is: the partner in force, a partner who is named, nobody, and what a late assignment moves."""

from __future__ import annotations

import itertools

import pytest

from agents.case.view import build_case_view
from tests.rules.table import begun, dropped, proven, quit_job
from tests.scenario import Outcome, Scenario, instant

OOS = "partner_led_cancellation/out_of_scope"


def decided(outcome: Outcome) -> set[tuple[str, str | None]]:
    """Return kind and partner of every decision."""
    return {(body.kind, body.partner_id) for body in outcome.verdict.decisions}


def two() -> Scenario:
    """The job goes from p1 to p2 at 12:00."""
    return begun().assigned("12:00", "p2")


OWNERS = [
    ("before any assignment: of the earliest", two().ticket("08:30"), "p1"),
    ("at the first assignment", two().ticket("09:00"), "p1"),
    ("before the second", two().ticket("12:00 -1us"), "p1"),
    ("at the second", two().ticket("12:00"), "p2"),
    ("after the second", two().ticket("13:00"), "p2"),
    ("nobody assigned", Scenario().booked().ticket("10:00"), None),
    ("the ticket names another", two().ticket("13:00", partner_id="p1"), "p1"),
    ("the ticket names somebody never assigned", two().ticket("13:00", partner_id="p9"), "p9"),
    ("nobody assigned, a partner named", Scenario().booked().ticket("10:00", partner_id="p9"), "p9"),
    ("assigned back", two().assigned("14:00", "p1").ticket("15:00"), "p1"),
    ("between", two().assigned("14:00", "p1").ticket("13:00"), "p2"),
    (
        "of two assignments at one time the greater id is in force",
        Scenario().booked().assigned("09:00", "p1").assigned("09:00", "p2").ticket("10:00"),
        "p2",
    ),
]


@pytest.mark.parametrize(("case", "owner"), [o[1:] for o in OWNERS], ids=[o[0] for o in OWNERS])
def test_a_ticket_is_of_the_partner_named_or_in_force(case: Scenario, owner: str | None) -> None:
    assert decided(case.verdict()) == {("tagging", owner)}


CANCELLED = [
    ("in force", two().cancelled("11:00"), "p1"),
    ("in force later", two().cancelled("13:00"), "p2"),
    ("named", two().cancelled("13:00", partner="p1"), "p1"),
    ("named, never assigned", two().cancelled("13:00", partner="p9"), "p9"),
    ("nobody assigned", Scenario().booked().cancelled("13:00"), None),
]


@pytest.mark.parametrize(("case", "owner"), [c[1:] for c in CANCELLED], ids=[c[0] for c in CANCELLED])
def test_a_cancellation_is_of_the_partner_named_or_in_force(case: Scenario, owner: str | None) -> None:
    assert decided(case.verdict()) == {("tagging", owner), ("paf", owner)}


def test_what_is_added_to_a_ticket_goes_with_it() -> None:
    outcome = two().ticket("10:00").image("13:00").validated("14:00").verdict()
    ruling = outcome.ruling("tagging", "p1")
    assert ruling is not None
    assert (ruling.outcome, ruling.status) == (OOS, "final")
    assert decided(outcome) == {("tagging", "p1")}


def test_each_partner_is_decided_on_by_their_own_facts() -> None:
    case = two().ticket("10:00").validated("11:00", "not_genuine").cancelled("11:30", "customer", marked="partner")
    case.report("13:00", partner="p2").ticket("13:00", "t2").image("13:05", "t2").validated("14:00", ticket="t2")
    outcome = dropped(case, "15:00").verdict()
    rulings = {partner: outcome.ruling("paf", partner) for partner in ("p1", "p2")}
    assert {partner: r and (r.outcome, r.reasons) for partner, r in rulings.items()} == {
        "p1": ("upheld", ("not_genuine",)),
        "p2": ("waived", ()),
    }


def test_a_late_assignment_moves_facts_to_another_partner() -> None:
    case = quit_job(proven(begun().ticket("10:00")))
    before = decided(case.verdict())
    after = decided(case.assigned("09:30", "p2").verdict("12:00"))
    assert before == {("tagging", "p1"), ("paf", "p1")}
    assert after == {("tagging", "p2"), ("paf", "p2")}


def test_a_first_assignment_moves_the_facts_of_nobody() -> None:
    case = Scenario().booked().ticket("10:00")
    assert decided(case.verdict()) == {("tagging", None)}
    assert decided(case.assigned("14:00").verdict()) == {("tagging", "p1")}


def test_a_claim_of_one_partner_is_none_of_another() -> None:
    outcome = two().ticket("10:00").cancelled("13:00", reason="cant_deliver").verdict()
    first, second = outcome.ruling("tagging", "p1"), outcome.ruling("tagging", "p2")
    assert first is not None
    assert second is not None
    assert (first.evidence, second.evidence) == (("t1",), ("cancelled",))


def test_the_group_is_that_of_the_partner_and_not_of_the_one_before() -> None:
    case = begun(group="rwm").assigned("12:00", "p2").cancelled("13:00")
    ruling = case.verdict().ruling("paf", "p2")
    assert ruling is not None
    assert ruling.reasons == ("no_claim",)


def test_a_fact_about_an_unknown_ticket_waits_for_it() -> None:
    case = begun().image("10:05").validated("11:00")
    assert decided(case.verdict()) == set()
    ruling = case.ticket("10:00").verdict("11:00").ruling("tagging")
    assert ruling is not None
    assert ruling.status == "final"


def test_a_rating_and_its_stars_decide_nothing() -> None:
    case = begun().add("13:00", "job.rated", "rated", stars=1)
    assert not case.verdict().verdict.decisions


def test_facts_are_in_order_of_time_id_and_source() -> None:
    facts = begun().ticket("09:00", "a").ticket("09:00", "b").facts
    orders = {tuple(fact.id for fact in build_case_view("job-1", each).facts) for each in itertools.permutations(facts)}
    assert orders == {("booked", "a", "assigned", "b")}


def test_the_policy_is_that_of_the_earliest_fact() -> None:
    history = build_case_view("job-1", begun().report("07:00").facts)
    assert history.begins_at == instant("08:00")
