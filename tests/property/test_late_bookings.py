"""A booking that comes or is corrected after the reports are gone leads to the same decisions as one in time."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from schemas.events import LOCATION_REPORT, AnyEvent
from schemas.policy.model import PolicySet
from tests.current_state import CurrentState, current_state
from tests.scenario import POLICY, Scenario, destination, instant

POLICIES = PolicySet((), POLICY)
NOW = instant("10:00 +30d")

METRES = st.sampled_from([0.0, 300.0, 499.0, 501.0, 2_000.0])
REPORTS = st.lists(
    st.tuples(
        st.sampled_from(["09:50", "10:00", "10:04:30", "10:21", "10:40", "11:20"]),
        METRES,
        st.sampled_from([0.0, 10.0, 201.0]),
        st.booleans(),
    ),
    max_size=8,
)
BOOKINGS = st.lists(st.tuples(st.sampled_from(["08:00", "10:30", "+4d"]), METRES), min_size=1, max_size=3)
ASSIGNED = st.lists(st.sampled_from(["p1", "p2"]), max_size=2)


def arrived(events: Iterable[AnyEvent]) -> CurrentState:
    """Return the current state after events in an order of arrival, each with everything that follows from it."""
    cases, locations = CaseAgent(POLICIES, facts_max=99), LocationAgent(POLICIES)
    emitted = []
    for each in events:
        is_report = each.type == LOCATION_REPORT
        assert (locations.receive(each) if is_report else cases.receive(each)) == "applied"
        partners = {each.subject} if is_report else set()
        for query in () if is_report else cases.new_presence_queries(each.subject):
            locations.query(query)
            partners.add(query.partner_id)
        for partner_id in sorted(partners):
            for answer in locations.new_answers(partner_id, {}):
                cases.apply_answer(answer)
        emitted += cases.decide("job-1", NOW).messages
    return current_state(emitted)


def claimed(reports: Iterable[tuple[str, float, float, bool]], cancelled_by: str) -> Scenario:
    """A claim by p1 with reports and everything a decision needs except a booking."""
    case = Scenario().assigned("08:30").ticket("10:00").image("10:20").validated("11:00")
    case.cancelled("10:35", cancelled_by, marked="partner")
    for at, metres, accuracy, mocked in reports:
        case.report(at, metres, accuracy=accuracy, mocked=mocked)
    return case


@settings(max_examples=200, deadline=None)
@given(st.data(), REPORTS, BOOKINGS, ASSIGNED, st.sampled_from(["customer", "partner"]))
def test_bookings_and_assignments_beyond_the_retention_decide_as_if_in_time(
    data: st.DataObject,
    reports: list[tuple[str, float, float, bool]],
    bookings: list[tuple[str, float]],
    assigned: list[str],
    cancelled_by: str,
) -> None:
    case = claimed(reports, cancelled_by)
    in_time = case.events()
    for at, metres in bookings:
        case.booked(at, site=destination(metres))
    for partner in assigned:  # perhaps another partner's for a while, p1's again in the end
        case.assigned("08:40", partner)
    case.assigned("08:50").report("10:00 +5d").report("10:00 +5d", partner="p2")
    beyond = case.reports[-2:]
    later = [each for each in case.facts if each not in in_time]
    found = arrived([*data.draw(st.permutations(in_time)), *beyond, *data.draw(st.permutations(later))])
    assert found == arrived([*later, *in_time, *beyond])
