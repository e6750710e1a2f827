"""A case's facts, sorted: which fact counts, and whose engagement it belongs to."""

from __future__ import annotations

import itertools

import pytest
from msgspec import structs

from agents.case.view import CaseView, Engagement, build_case_view
from schemas.events import AnyEvent
from tests.scenario import Scenario, instant


def view_of(case: Scenario) -> CaseView:
    return build_case_view(case.case_id, case.facts)


def engagement_of(view: CaseView, partner: str | None = "p1") -> Engagement:
    return next(each for each in view.engagements if each.partner_id == partner)


def owners(case: Scenario) -> dict[str, str | None]:
    """Return whose engagement each ticket, cancellation and closing of a case is in, by name."""
    found: dict[str, str | None] = {}
    for engagement in view_of(case).engagements:
        facts: list[AnyEvent] = [ticket.created for ticket in engagement.tickets]
        facts += [*engagement.cancellations, *engagement.closings]
        for fact in facts:
            assert fact.id not in found, "a fact has one owner"
            found[fact.id] = engagement.partner_id
    return found


def test_the_latest_booking_counts_whatever_came_first() -> None:
    history = view_of(Scenario().booked("09:00", city="Pune").booked("08:00", city="Delhi"))
    assert history.booking is not None
    assert history.booking.data.city == "Pune"


def test_of_several_creations_of_one_ticket_the_earliest_counts() -> None:
    case = Scenario()
    for at, name, opener in (("11:00", "late", "partner"), ("10:00", "early", "agent")):
        case.add(at, "ticket.created", name, ticket_id="t1", kind="out_of_scope", opened_by=opener)
    (ticket,) = view_of(case).tickets
    assert (ticket.created.id, ticket.created.data.opened_by) == ("early", "agent")


def test_a_fact_about_an_unknown_ticket_waits_for_its_creation() -> None:
    case = Scenario().assigned().validated("11:00")
    assert view_of(case).tickets == ()
    (ticket,) = view_of(case.ticket("10:00")).tickets
    assert [validation.id for validation in ticket.validations] == ["validated"]


def test_a_line_item_is_the_latest_of_its_line() -> None:
    case = Scenario().line_item("10:00", "5.00").line_item("11:00", "7.00").line_item("09:00", "1.00", line="l2")
    assert [item.data.amount.amount for item in view_of(case).line_items] == ["1.00", "7.00"]


def test_equal_times_are_ordered_by_id_then_source() -> None:
    case = Scenario().assigned().ticket("10:00").validated("11:00")
    judged = case.facts.pop()
    case.facts += [
        structs.replace(judged, id=name, source=source) for name, source in (("b", "/a"), ("a", "/z"), ("a", "/b"))
    ]
    (ticket,) = view_of(case).tickets
    assert [v.ref for v in ticket.validations] == ["/b#a", "/z#a", "/a#b"]


def test_the_order_of_arrival_leaves_no_trace() -> None:
    case = Scenario().booked().assigned().ticket("10:00").image("10:05").cancelled("12:00")
    straight = view_of(case)
    for facts in itertools.permutations(case.facts):
        case.facts = list(facts)
        assert view_of(case) == straight


@pytest.mark.parametrize(
    ("time", "partner"),
    [("08:59", "p1"), ("09:00", "p1"), ("10:59:59.999999", "p1"), ("11:00", "p2"), ("12:00", "p2")],
)
def test_a_ticket_belongs_to_the_partner_in_force_at_its_time(time: str, partner: str) -> None:
    case = Scenario().assigned("09:00", "p1").assigned("11:00", "p2").ticket(time)
    assert owners(case) == {"t1": partner}


@pytest.mark.parametrize(("time", "partner"), [("10:59", "p1"), ("11:00", "p2")])
def test_a_cancellation_belongs_to_the_partner_in_force_at_its_time(time: str, partner: str) -> None:
    case = Scenario().assigned("09:00", "p1").assigned("11:00", "p2").cancelled(time)
    assert owners(case) == {"cancelled": partner}


def test_a_named_partner_owns_the_fact_and_need_not_be_assigned() -> None:
    case = Scenario().assigned("09:00", "p1").ticket("10:00", partner_id="p9").cancelled("11:00", partner="p9")
    assert owners(case) == {"t1": "p9", "cancelled": "p9"}
    named = engagement_of(view_of(case), "p9")
    assert (named.assignments, named.partner_group, named.assignment_at(0)) == ((), None, None)


def test_without_any_assignment_facts_are_nobodys() -> None:
    case = Scenario().booked().ticket("10:00").cancelled("11:00")
    assert owners(case) == {"t1": None, "cancelled": None}


def test_a_case_with_assignments_has_no_engagement_of_nobody() -> None:
    partners = [e.partner_id for e in view_of(Scenario().assigned("09:00", "p2").assigned("10:00", "p1")).engagements]
    assert partners == ["p1", "p2"]


@pytest.mark.parametrize(
    ("time", "partner"),
    [
        ("11:59", "p2"),  # before the closing: the one in force
        ("12:00", "p1"),  # same instant, and `rated` comes after `closed`
        ("13:00", "p1"),
    ],
)
def test_a_rating_ticket_belongs_to_whoever_closed_before_it(time: str, partner: str) -> None:
    case = Scenario().assigned("09:00", "p1").assigned("11:00", "p2").closed("12:00", partner="p1")
    assert owners(case.ticket(time, "rated", kind="rating_reversal"))["rated"] == partner


def test_a_rating_ticket_belongs_to_the_latest_of_several_closings() -> None:
    case = Scenario().assigned("09:00", "p1").closed("10:00", partner="p1").closed("11:00", partner="p2")
    assert owners(case.ticket("12:00", "r1", kind="rating_reversal"))["r1"] == "p2"


def test_an_offline_ticket_is_in_an_engagement_only_if_it_names_the_partner() -> None:
    case = Scenario().assigned()
    case.ticket("10:00", "o1", kind="offline_service", by="customer")
    case.ticket("10:00", "o2", kind="poor_service", by="customer", partner_id="p1")
    assert owners(case) == {"o2": "p1"}
    assert engagement_of(view_of(case)).oos_tickets == ()


def test_what_is_added_to_a_ticket_goes_with_it() -> None:
    case = Scenario().assigned("09:00", "p1").ticket("10:00").assigned("11:00", "p2").image("12:00").validated("13:00")
    (ticket,) = engagement_of(view_of(case), "p1").tickets
    assert (len(ticket.media), len(ticket.validations)) == (1, 1)


def test_a_late_assignment_moves_a_fact() -> None:
    case = Scenario().assigned("09:00", "p1").ticket("10:00")
    assert owners(case) == {"t1": "p1"}
    assert owners(case.assigned("09:30", "p2")) == {"t1": "p2"}


@pytest.mark.parametrize(("time", "name"), [("08:00", "assigned"), ("10:59", "assigned"), ("11:00", "assigned3")])
def test_the_assignment_at_a_moment_is_that_partners_own(time: str, name: str) -> None:
    case = Scenario().assigned("09:00", "p1").assigned("10:00", "p2").assigned("11:00", "p1", group="rwm")
    engagement = engagement_of(view_of(case), "p1")
    found = engagement.assignment_at(instant(time))
    assert found is not None
    assert found.id == name


def test_the_group_is_that_of_the_partners_latest_assignment() -> None:
    case = Scenario().assigned("09:00", "p1", "rwm").assigned("11:00", "p1", "gold").assigned("12:00", "p2", "rwm")
    assert engagement_of(view_of(case), "p1").partner_group == "gold"


JOB_OPEN = [
    pytest.param(Scenario().assigned(), "p1", True, id="assigned"),
    pytest.param(Scenario().assigned().closed("10:00"), "p1", False, id="closed"),
    pytest.param(Scenario().assigned().cancelled("10:00"), "p1", False, id="cancelled"),
    pytest.param(Scenario().assigned().assigned("10:00", "p2"), "p1", False, id="reassigned"),
    pytest.param(
        Scenario().assigned("09:00", "p1").cancelled("09:30").assigned("10:00", "p2"), "p2", True, id="other's end"
    ),
    pytest.param(Scenario().ticket("10:00"), None, True, id="nobody assigned"),
    pytest.param(Scenario().started("10:00", "p1"), "p1", False, id="named only"),
]


@pytest.mark.parametrize(("case", "partner", "expected"), JOB_OPEN)
def test_the_job_is_open_for_the_current_partner_until_it_ended(
    case: Scenario, partner: str | None, expected: bool
) -> None:
    assert engagement_of(view_of(case), partner).job_open is expected
