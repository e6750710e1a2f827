"""Next steps of the out-of-scope side: when each is open, and whether it ends as done or withdrawn."""

from __future__ import annotations

import pytest

from tests.rules.table import StepRow, away, begun, dropped, here, offices, quit_job, refuted, step, struck, unseen
from tests.scenario import Scenario, instant, rfc3339

T1 = "t1"


def stuck(case: Scenario | None = None, at: str = "10:00") -> Scenario:
    """The customer withholds the start code."""
    return (case or begun()).blocked(at)


BPC = "advise_close_at_bpc"
CREATE = "ask_partner_to_create_ticket"
INFORM = "inform_partner_team_will_connect"
PARK = "park_ticket"
CALL = "call_partner"
CLOSE = "close_ticket"
IMAGES = "ask_partner_for_images"
VISIT = "ask_partner_to_visit_site"
CUSTOMER = "ask_customer_to_cancel"
UNTIL = {"until": rfc3339(instant("13:00"))}

TABLE = [
    # advise_close_at_bpc
    step("a ticket", here(group="rwm"), BPC, "open", "OOS-2"),
    step("a blocked start", stuck(begun(group="rwm")), BPC, "open", "OOS-2"),
    step("neither", begun(group="rwm").ticket("10:00", "r1", kind="rating_reversal"), BPC, "withdrawn"),
    step("another route", here(), BPC, "withdrawn"),
    step("closed at BPC", here(group="rwm").closed("11:00"), BPC, "done"),
    step("closed as completed", here(group="rwm").closed("11:00", "completed"), BPC, "withdrawn"),
    step("cancelled", dropped(here(group="rwm")), BPC, "withdrawn"),
    step("reassigned", here(group="rwm").assigned("11:00", "p2"), BPC, "withdrawn"),
    # ask_partner_to_create_ticket
    step("blocked", stuck(), CREATE, "open", "OOS-4 OOS-8"),
    step("blocked by payment", begun().blocked("10:00", "payment_refused"), CREATE, "open", "OOS-4 OOS-8"),
    step("blocked, no booking", stuck(Scenario().assigned()), CREATE, "open", "OOS-4 OOS-8"),
    step("started before", stuck(begun().started("09:30")), CREATE, "open", "OOS-4 OOS-8"),
    step("started after", stuck().started("10:30"), CREATE, "withdrawn"),
    step("blocked, started, blocked", stuck(stuck().started("10:30"), "11:00"), CREATE, "open", "OOS-4 OOS-8"),
    step("a ticket", stuck().ticket("10:30"), CREATE, "done"),
    step("another ticket", stuck().ticket("10:30", "r1", kind="rating_reversal"), CREATE, "open", "OOS-4 OOS-8"),
    step("route bpc_only", stuck(begun(group="rwm")), CREATE, "withdrawn"),
    step("closed", stuck().closed("11:00"), CREATE, "withdrawn"),
    step("reassigned", stuck().assigned("11:00", "p2"), CREATE, "withdrawn"),
    # inform_partner_team_will_connect
    step("a ticket on site", here(), INFORM, "open", "OOS-9", ticket=T1),
    step("a ticket unseen", unseen(), INFORM, "open", "OOS-9", ticket=T1),
    step("a ticket of a cancelled job", quit_job(here()), INFORM, "open", "OOS-9", ticket=T1),
    step("off site", away(), INFORM, "withdrawn", ticket=T1),
    step("route manual", here(city="Jaipur"), INFORM, "withdrawn", ticket=T1),
    step("route commercial", here(**offices()), INFORM, "withdrawn", ticket=T1),
    step("the partner was called", here().call("10:30", "unreachable"), INFORM, "done", ticket=T1),
    step(
        "the partner was called about another ticket",
        here().ticket("10:10", "r1", kind="rating_reversal").call("10:30", "will_visit", ticket="r1"),
        INFORM,
        "done",
        ticket=T1,
    ),
    step(
        "the partner was called before",
        here().ticket("10:30", "t2").call("10:15", "will_visit"),
        INFORM,
        "open",
        "OOS-9",
        ticket="t2",
    ),
    step(
        "the customer was called", here().call("10:30", "will_cancel", "customer"), INFORM, "open", "OOS-9", ticket=T1
    ),
    step("validated", refuted(here()), INFORM, "done", ticket=T1),
    step(
        "another ticket validated",
        here().ticket("10:10", "t2").validated("11:00", ticket="t2"),
        INFORM,
        "open",
        "OOS-9",
        ticket=T1,
    ),
    step("the ticket closed", here().ticket_closed("11:00"), INFORM, "withdrawn", ticket=T1),
    # park_ticket, call_partner
    step("at once", here(), PARK, "open", "OOS-9", params=UNTIL, ticket=T1),
    step("just before 3 h", unseen(), PARK, "open", "OOS-9", params=UNTIL, ticket=T1, now="13:00 -1us"),
    step("validated all the same", refuted(here()), PARK, "open", "OOS-9", params=UNTIL, ticket=T1),
    step("after 3 h", here(), PARK, "done", ticket=T1, now="13:00"),
    step("resolution confirmed", here().call("11:00", "resolution_confirmed"), PARK, "done", ticket=T1),
    step(
        "resolution confirmed by the customer",
        here().call("11:00", "resolution_confirmed", "customer"),
        PARK,
        "open",
        "OOS-9",
        params=UNTIL,
        ticket=T1,
    ),
    step(
        "resolution confirmed on another ticket",
        here().ticket("10:10", "t2").call("11:00", "resolution_confirmed", ticket="t2"),
        PARK,
        "open",
        "OOS-9",
        params=UNTIL,
        ticket=T1,
    ),
    step(
        "confirmed, then unreachable",
        here().call("11:00", "resolution_confirmed").call("11:10", "unreachable"),
        PARK,
        "done",
        ticket=T1,
    ),
    step("the ticket closed", here().ticket_closed("11:00"), PARK, "withdrawn", ticket=T1),
    step("off site", away(), PARK, "withdrawn", ticket=T1),
    step("route manual", here(city="Jaipur"), PARK, "withdrawn", ticket=T1),
    step("before 3 h", here(), CALL, "withdrawn", ticket=T1, now="13:00 -1us"),
    step("after 3 h", here(), CALL, "open", "OOS-10", ticket=T1, now="13:00"),
    step(
        "the partner was called to no end",
        here().call("12:00", "will_visit"),
        CALL,
        "open",
        "OOS-10",
        ticket=T1,
        now="20:00",
    ),
    step("confirmed", here().call("14:00", "resolution_confirmed"), CALL, "done", ticket=T1),
    step("the ticket closed", here().ticket_closed("14:00"), CALL, "withdrawn", ticket=T1),
    step("off site", away(), CALL, "withdrawn", ticket=T1, now="14:00"),
    # close_ticket
    step("confirmed", here().call("11:00", "resolution_confirmed"), CLOSE, "open", "OOS-10", ticket=T1),
    step(
        "confirmed off site, route manual",
        away(city="Jaipur").call("11:00", "resolution_confirmed"),
        CLOSE,
        "open",
        "OOS-10",
        ticket=T1,
    ),
    step("not confirmed", here().call("11:00", "will_visit"), CLOSE, "withdrawn", ticket=T1),
    step(
        "confirmed by the customer",
        here().call("11:00", "resolution_confirmed", "customer"),
        CLOSE,
        "withdrawn",
        ticket=T1,
    ),
    step("closed", here().call("11:00", "resolution_confirmed").ticket_closed("12:00"), CLOSE, "done", ticket=T1),
    # ask_partner_for_images
    step("none yet", here(), IMAGES, "open", "OOS-13", ticket=T1),
    step("unseen, no booking", Scenario().assigned().ticket("10:00"), IMAGES, "open", "OOS-13", ticket=T1),
    step("the job is cancelled", quit_job(here()), IMAGES, "open", "OOS-13", ticket=T1),
    step("validated as genuine", here().validated("11:00"), IMAGES, "open", "OOS-13", ticket=T1),
    step("not genuine", refuted(here()), IMAGES, "withdrawn", ticket=T1),
    step("off site", away(), IMAGES, "withdrawn", ticket=T1),
    step("off site, willing to visit", away().call("10:30", "will_visit"), IMAGES, "open", "OOS-13", ticket=T1),
    step(
        "off site, refused in the end",
        away().call("10:30", "will_visit").call("10:40", "refuses_visit"),
        IMAGES,
        "withdrawn",
        ticket=T1,
    ),
    step(
        "off site, willing, then unreachable",
        away().call("10:30", "will_visit").call("10:40", "unreachable"),
        IMAGES,
        "open",
        "OOS-13",
        ticket=T1,
    ),
    step("start code refused", here(reason="otp_refused"), IMAGES, "withdrawn", ticket=T1),
    step("commercial appliance", here(appliance_use="commercial"), IMAGES, "withdrawn", ticket=T1),
    step("an image", here().image("10:05", by="agent"), IMAGES, "done", ticket=T1),
    step(
        "an image on another ticket",
        here().ticket("10:10", "t2").image("10:20", ticket="t2"),
        IMAGES,
        "done",
        ticket=T1,
    ),
    step("the ticket closed", here().ticket_closed("11:00"), IMAGES, "withdrawn", ticket=T1),
    # ask_partner_to_visit_site
    step("off site", away(), VISIT, "open", "OOS-15 OOS-19", ticket=T1),
    step("off site, route manual", away(city="Jaipur"), VISIT, "open", "OOS-15 OOS-19", ticket=T1),
    step("off site, route commercial", away(**offices()), VISIT, "withdrawn", ticket=T1),
    step("unseen", unseen(), VISIT, "withdrawn", ticket=T1),
    step("unreachable", away().call("10:30", "unreachable"), VISIT, "open", "OOS-15 OOS-19", ticket=T1),
    step(
        "the customer speaks of a visit",
        away().call("10:30", "will_visit", "customer"),
        VISIT,
        "open",
        "OOS-15 OOS-19",
        ticket=T1,
    ),
    step("willing", away().call("10:30", "will_visit"), VISIT, "done", ticket=T1),
    step("refused", away().call("10:30", "refuses_visit"), VISIT, "done", ticket=T1),
    step(
        "an answer on another ticket, before this one",
        away().call("10:05", "refuses_visit").ticket("10:10", "t2"),
        VISIT,
        "done",
        ticket="t2",
    ),
    step("on site by now", away().report("10:20").image("10:20"), VISIT, "done", ticket=T1),
    step("cancelled", dropped(away()), VISIT, "withdrawn", ticket=T1),
    step("the ticket closed", away().ticket_closed("11:00"), VISIT, "withdrawn", ticket=T1),
]


@pytest.mark.parametrize("row", TABLE)
def test_a_step_follows_the_table(row: StepRow) -> None:
    outcome = row.case.verdict(row.now)
    assert outcome.state(row.code, row.partner, row.ticket) == row.state
    if row.state == "open":
        found = outcome.step(row.code, row.partner, row.ticket)
        assert found is not None
        assert tuple(sorted(found.clauses)) == row.clauses
        assert dict(found.params) == row.params


def test_the_call_is_due_when_the_parking_ends() -> None:
    found = here().verdict("14:00").step(CALL, ticket=T1)
    assert found is not None
    assert found.due_at == instant("13:00")


def test_parking_ends_at_the_next_deadline() -> None:
    assert here().verdict("12:59").verdict.next_deadline == instant("13:00")


def test_each_ticket_is_parked_by_itself() -> None:
    outcome = here().ticket("11:00", "t2").verdict("13:30")
    assert (outcome.state(CALL, ticket="t1"), outcome.state(PARK, ticket="t2")) == ("open", "open")


def test_each_partner_has_steps_of_their_own() -> None:
    outcome = struck(here().assigned("13:00", "p2").report("14:00", partner="p2").ticket("14:00", "t2")).verdict(
        "14:00"
    )
    assert (outcome.state(IMAGES, "p1", "t1"), outcome.state(IMAGES, "p2", "t2")) == ("open", "open")
    assert outcome.step(IMAGES, "p1", "t2") is None


def test_a_new_partner_has_an_open_job_although_the_last_one_cancelled() -> None:
    case = quit_job(here()).assigned("13:00", "p2").report("14:00", 3000, partner="p2").ticket("14:00", "t2")
    outcome = case.verdict()
    assert (outcome.state(VISIT, "p2", "t2"), outcome.state(VISIT, "p1", "t1")) == ("open", "done")


def test_nobody_assigned_leaves_steps_of_nobody() -> None:
    outcome = Scenario().booked().ticket("10:00").image("10:05").verdict()
    assert outcome.state(CUSTOMER, None) == "open"
