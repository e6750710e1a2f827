"""Actions per out-of-scope ticket: when each is open, and whether it ends as done or withdrawn."""

from __future__ import annotations

import pytest

from tests.rules.table import Row, action, job, off_site, offices, on_site, row, unseen
from tests.scenario import Scenario

INFORM = action("inform_partner_team_will_connect", "OOS-9", ticket="t1")
PARK = action("park_ticket", "OOS-9", ticket="t1", until="13:00")
CALL = action("call_partner", "OOS-10", ticket="t1", due="13:00")
CLOSE = action("close_ticket", "OOS-10", ticket="t1")
IMAGES = action("ask_partner_for_images", "OOS-13", ticket="t1")
VISIT = action("ask_partner_to_visit_site", "OOS-15 OOS-19", ticket="t1")

TABLE = [
    # inform_partner_team_will_connect
    row("a ticket on site", on_site(), INFORM.citing("t1 booked").at("10:00")),
    row("a ticket unseen", unseen(), INFORM.open),
    row("a ticket of a cancelled job", on_site().partner_cancelled(), INFORM.open),
    row("off site", off_site(), INFORM.never),
    row("route manual", on_site(city="Jaipur"), INFORM.never),
    row("route commercial", on_site(**offices()), INFORM.never),
    row("the partner was called", on_site().partner_said("unreachable", "10:30"), INFORM.done),
    row(
        "the partner was called about another ticket",
        on_site().rating_ticket("10:10").partner_said("will_visit", "10:30", "r1"),
        INFORM.done,
    ),
    row(
        "the partner was called before",
        on_site().ticket("10:30", "t2").partner_said("will_visit", "10:15"),
        INFORM.about(ticket_id="t2").open,
    ),
    row("the customer was called", on_site().customer_said("will_cancel", "10:30"), INFORM.open),
    row("validated", on_site().not_genuine(), INFORM.done),
    row("another ticket validated", on_site().ticket("10:10", "t2").validated(ticket="t2"), INFORM.open),
    row("the ticket closed", on_site().ticket_closed("11:00"), INFORM.withdrawn),
    # park_ticket, call_partner
    row("at once", on_site(), PARK.citing("t1 booked").at("10:00")),
    row("just before 3 h", unseen(), PARK.open, now="13:00 -1us"),
    row("validated all the same", on_site().not_genuine(), PARK.open),
    row("after 3 h", on_site(), PARK.done.at("13:00"), now="14:00"),
    row("resolution confirmed", on_site().partner_said("resolution_confirmed"), PARK.done),
    row("resolution confirmed by the customer", on_site().customer_said("resolution_confirmed"), PARK.open),
    row(
        "resolution confirmed on another ticket",
        on_site().ticket("10:10", "t2").partner_said("resolution_confirmed", "11:00", "t2"),
        PARK.open,
    ),
    row(
        "confirmed, then unreachable",
        on_site().partner_said("resolution_confirmed").partner_said("unreachable", "11:10"),
        PARK.done,
    ),
    row("the ticket closed before 3 h", on_site().ticket_closed("11:00"), PARK.withdrawn, CALL.never, now="14:00"),
    row("the ticket closed at 3 h", on_site().ticket_closed("13:00"), PARK.done, CALL.never),
    row("the ticket closed after 3 h", on_site().ticket_closed("13:30"), PARK.done, CALL.withdrawn),
    row("the job cancelled", on_site().customer_cancelled(), PARK.done, CALL.open, now="14:00"),
    row("off site", off_site(), PARK.never),
    row("route manual", on_site(city="Jaipur"), PARK.never),
    row("route manual since", on_site().booked("12:30", city="Jaipur"), PARK.withdrawn, now="14:00"),
    row("before 3 h", on_site(), CALL.never, now="13:00 -1us"),
    row("after 3 h", on_site(), CALL.citing("t1 booked").at("13:00"), now="14:00"),
    row("the partner was called to no end", on_site().partner_said("will_visit", "12:00"), CALL.open, now="20:00"),
    row("confirmed", on_site().partner_said("resolution_confirmed", "14:00"), CALL.done),
    row("the ticket closed", on_site().ticket_closed("14:00"), CALL.withdrawn),
    row("off site", off_site(), CALL.never, now="14:00"),
    # close_ticket
    row("confirmed", on_site().partner_said("resolution_confirmed"), CLOSE.citing("t1 call").at("11:00")),
    row("confirmed off site, route manual", off_site(city="Jaipur").partner_said("resolution_confirmed"), CLOSE.open),
    row("not confirmed", on_site().partner_said("will_visit"), CLOSE.never),
    row("confirmed by the customer", on_site().customer_said("resolution_confirmed"), CLOSE.never),
    row("closed", on_site().partner_said("resolution_confirmed").ticket_closed("12:00"), CLOSE.done.at("12:00")),
    row(
        "confirmed twice: the first is cited",
        job().partner_said("resolution_confirmed").partner_said("resolution_confirmed", "11:10").ticket(),
        CLOSE.citing("t1 call"),
    ),
    # ask_partner_for_images
    row("none yet", on_site(), IMAGES.citing("t1")),
    row("unseen, no booking", Scenario().assigned().ticket(), IMAGES.open),
    row("the job is cancelled", on_site().partner_cancelled(), IMAGES.open),
    row("validated as genuine", job().validated("09:30").ticket(), IMAGES.citing("t1 validated")),
    row("not genuine", on_site().not_genuine(), IMAGES.withdrawn),
    row("off site", off_site(), IMAGES.never),
    row("off site, willing to visit", off_site().partner_said("will_visit", "10:30"), IMAGES.open),
    row(
        "off site, refused in the end",
        off_site().partner_said("will_visit", "10:30").partner_said("refuses_visit", "10:40"),
        IMAGES.withdrawn,
    ),
    row(
        "off site, willing, then unreachable",
        off_site().partner_said("will_visit", "10:30").partner_said("unreachable", "10:40"),
        IMAGES.open,
    ),
    row("start code refused", on_site(reason="otp_refused"), IMAGES.never),
    row("commercial appliance", on_site(appliance_use="commercial"), IMAGES.never),
    row("an image", on_site().image(by="agent"), IMAGES.done),
    row("an image on another ticket", on_site().ticket("10:10", "t2").image("10:20", ticket="t2"), IMAGES.done),
    row("the ticket closed", on_site().ticket_closed("11:00"), IMAGES.withdrawn),
    # ask_partner_to_visit_site
    row("off site", off_site(), VISIT.citing("t1 report booked assigned")),
    row(
        "each ticket by itself",
        off_site().ticket("10:30", "t2"),
        VISIT.open,
        VISIT.about(ticket_id="t2").citing("t2 t1 report booked assigned"),
    ),
    row("off site, route manual", off_site(city="Jaipur"), VISIT.open),
    row("off site, route commercial", off_site(**offices()), VISIT.never),
    row("unseen", unseen(), VISIT.never),
    row("unreachable", off_site().partner_said("unreachable", "10:30"), VISIT.open),
    row("the customer speaks of a visit", off_site().customer_said("will_visit", "10:30"), VISIT.open),
    row("willing", off_site().partner_said("will_visit", "10:30"), VISIT.done),
    row("refused", off_site().partner_said("refuses_visit", "10:30"), VISIT.done),
    row(
        "an answer on another ticket, before this one",
        off_site().partner_said("refuses_visit", "10:05").ticket("10:10", "t2"),
        VISIT.about(ticket_id="t2").never,
    ),
    row("on site by now", off_site().report("10:20").image("10:20"), VISIT.done),
    row("cancelled", off_site().customer_cancelled(), VISIT.withdrawn),
    row("the ticket closed", off_site().ticket_closed("11:00"), VISIT.withdrawn),
]


@pytest.mark.parametrize("row", TABLE)
def test_ticket_actions(row: Row) -> None:
    assert row.found() == row.stated()
