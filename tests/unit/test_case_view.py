"""The view of a case: which fact counts, and whose engagement it is in (see also tests/rules/test_engagements.py)."""

from __future__ import annotations

import itertools

import pytest
from msgspec import structs

from agents.case.view import CaseView, Engagement, build_case_view
from tests.scenario import Scenario, instant


def view_of(case: Scenario) -> CaseView:
    return build_case_view(case.case_id, case.facts)


def engagement_of(view: CaseView, partner: str | None = "p1") -> Engagement:
    return next(each for each in view.engagements if each.partner_id == partner)


def ticket_owners(case: Scenario) -> dict[str, str | None]:
    """Return the partner whose engagement each ticket is in, by ticket id."""
    owned = [(ticket.id, each.partner_id) for each in view_of(case).engagements for ticket in each.tickets]
    assert len(dict(owned)) == len(owned), "a ticket is in one engagement"
    return dict(owned)


def test_the_latest_booking_counts_in_any_order_of_arrival() -> None:
    view = view_of(Scenario().booked("09:00", city="Pune").booked("08:00", city="Delhi"))
    assert view.booking is not None
    assert view.booking.data.city == "Pune"


def test_the_earliest_creation_of_a_ticket_counts() -> None:
    case = Scenario()
    for at, name, opener in (("11:00", "late", "partner"), ("10:00", "early", "agent")):
        case.add(at, "ticket.created", name, ticket_id="t1", kind="out_of_scope", opened_by=opener)
    (ticket,) = view_of(case).tickets
    assert (ticket.created.id, ticket.created.data.opened_by) == ("early", "agent")


def test_the_latest_line_item_of_each_line_counts() -> None:
    case = Scenario().line_item("10:00", "5.00").line_item("11:00", "7.00").line_item("09:00", "1.00", line="l2")
    assert [item.data.amount.amount for item in view_of(case).line_items] == ["1.00", "7.00"]


def test_facts_at_the_same_time_are_ordered_by_id_then_source() -> None:
    *facts, validated = Scenario().assigned().ticket("10:00").validated("11:00").facts
    facts += [
        structs.replace(validated, id=name, source=source) for name, source in (("b", "/a"), ("a", "/z"), ("a", "/b"))
    ]
    (ticket,) = build_case_view("job-1", facts).tickets
    assert [v.ref for v in ticket.validations] == ["/b#a", "/z#a", "/a#b"]


def test_the_order_of_arrival_has_no_effect() -> None:
    case = Scenario().booked().assigned().ticket("10:00").image("10:05").cancelled("12:00")
    for facts in itertools.permutations(case.facts):
        assert build_case_view("job-1", facts) == view_of(case)


def test_engagements_are_sorted_by_partner_and_nobody_has_none_once_somebody_is_assigned() -> None:
    partners = [e.partner_id for e in view_of(Scenario().assigned("09:00", "p2").assigned("10:00", "p1")).engagements]
    assert partners == ["p1", "p2"]


@pytest.mark.parametrize(
    ("time", "partner"),
    [
        ("11:59", "p2"),  # before the closing: the partner in force
        ("12:00", "p1"),  # at the same time, and the id `rated` comes after `closed`
        ("13:00", "p1"),
    ],
)
def test_a_rating_ticket_belongs_to_the_partner_who_closed_the_job_before_it(time: str, partner: str) -> None:
    case = Scenario().assigned("09:00", "p1").assigned("11:00", "p2").closed("12:00", partner="p1")
    assert ticket_owners(case.ticket(time, "rated", kind="rating_reversal")) == {"rated": partner}


def test_a_rating_ticket_belongs_to_the_partner_of_the_latest_of_several_closings() -> None:
    case = Scenario().assigned("09:00", "p1").closed("10:00", partner="p1").closed("11:00", partner="p2")
    assert ticket_owners(case.ticket("12:00", "r1", kind="rating_reversal")) == {"r1": "p2"}


def test_an_offline_ticket_belongs_to_an_engagement_only_if_it_names_the_partner() -> None:
    case = Scenario().assigned()
    case.ticket("10:00", "o1", kind="offline_service", by="customer")
    case.ticket("10:00", "o2", kind="poor_service", by="customer", partner_id="p1")
    assert ticket_owners(case) == {"o2": "p1"}
    assert engagement_of(view_of(case)).oos_tickets == ()


@pytest.mark.parametrize(("time", "name"), [("08:00", "assigned"), ("10:59", "assigned"), ("11:00", "assigned3")])
def test_the_assignment_at_an_instant_is_the_partners_own(time: str, name: str) -> None:
    case = Scenario().assigned("09:00", "p1").assigned("10:00", "p2").assigned("11:00", "p1", group="rwm")
    found = engagement_of(view_of(case), "p1").assignment_at(instant(time))
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
        Scenario().assigned("09:00", "p1").cancelled("09:30").assigned("10:00", "p2"), "p2", True, id="other cancelled"
    ),
    pytest.param(Scenario().ticket("10:00"), None, True, id="nobody assigned"),
    pytest.param(Scenario().started("10:00", "p1"), "p1", False, id="named only"),
]


@pytest.mark.parametrize(("case", "partner", "expected"), JOB_OPEN)
def test_the_job_is_open_for_the_current_partner_until_it_is_closed_or_cancelled(
    case: Scenario, partner: str | None, expected: bool
) -> None:
    assert engagement_of(view_of(case), partner).job_open is expected
