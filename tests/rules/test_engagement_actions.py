"""Actions per engagement: when each is open, and whether it ends as done or withdrawn."""

from __future__ import annotations

import pytest

from tests.rules.table import Row, action, job, off_site, offices, on_site, row, unseen
from tests.scenario import Scenario

BPC = action("advise_close_at_bpc", "OOS-2")
CREATE = action("ask_partner_to_create_ticket", "OOS-4 OOS-8")
WARN = action("warn_cancellation_counts", "OOS-14")
GUIDE = action("guide_partner_cant_deliver", "OOS-14")
COMMERCIAL_GUIDE = action("guide_partner_cant_deliver", "OOS-12")
SERVE = action("guide_partner_to_serve", "OOS-11")
ASK_SERVE = action("ask_partner_to_serve", "OOS-12")
CUSTOMER = action("ask_customer_to_cancel", "OOS-12 OOS-16", reason="incorrect_service_booked")
COMMERCIAL_CUSTOMER = action("ask_customer_to_cancel", "OOS-12 OOS-16", reason="commercial_premises")
PARTNER = action("ask_partner_to_cancel", "OOS-17", reason="pro_cannot_deliver")
VERIFY = action("verify_presence", "OOS-7")
FOLLOW = action("follow_genuine_paf", "OOS-18")
RATING = action("file_rating_reversal", "OOS-3")

TABLE = [
    # advise_close_at_bpc
    row("a ticket", on_site(group="rwm"), BPC.citing("booked assigned t1")),
    row("a blocked start", job(group="rwm").blocked(), BPC.citing("booked assigned blocked")),
    row(
        "of several blocked starts the earliest is cited",
        Scenario().assigned(group="rwm").blocked().blocked("10:30").booked("11:00"),
        BPC.citing("booked assigned blocked"),
    ),
    row("neither", job(group="rwm").rating_ticket("10:00"), BPC.never),
    row("another route", on_site(), BPC.never),
    row("closed at BPC", on_site(group="rwm").closed("11:00"), BPC.done),
    row("closed as completed", on_site(group="rwm").closed("11:00", "completed"), BPC.withdrawn),
    row("cancelled", on_site(group="rwm").customer_cancelled(), BPC.withdrawn),
    row("reassigned", on_site(group="rwm").assigned("11:00", "p2"), BPC.withdrawn),
    # ask_partner_to_create_ticket
    row("blocked", job().blocked(), CREATE.citing("blocked")),
    row("blocked by payment", job().blocked("10:00", "payment_refused"), CREATE.open),
    row("blocked, no booking", Scenario().assigned().blocked(), CREATE.open),
    row("started before", job().started("09:30").blocked(), CREATE.open),
    row("started before and after", job().started("09:30").blocked().started("10:30"), CREATE.withdrawn),
    row("started after", job().blocked().started("10:30"), CREATE.withdrawn),
    row("blocked, started, blocked", job().blocked().started("10:30").blocked("11:00"), CREATE.citing("blocked2")),
    row("a ticket", job().blocked().ticket("10:30"), CREATE.done),
    row("another ticket", job().blocked().rating_ticket("10:30"), CREATE.open),
    row("route bpc_only", job(group="rwm").blocked(), CREATE.never),
    row("closed", job().blocked().closed("11:00"), CREATE.withdrawn),
    row("reassigned", job().blocked().assigned("11:00", "p2"), CREATE.withdrawn),
    # warn_cancellation_counts
    row("refused, off site", off_site().partner_said("refuses_visit", "10:30"), WARN.citing("call")),
    row("refused, unseen", unseen().partner_said("refuses_visit", "10:30"), WARN.open),
    row(
        "refused on an offline ticket that names the partner",
        job()
        .ticket("10:00", "o1", kind="offline_service", partner_id="p1")
        .partner_said("refuses_visit", "10:30", "o1"),
        WARN.open,
    ),
    *(
        row(
            f"refused on a ticket of kind {kind} that names nobody",
            job().complaint(kind=kind).partner_said("refuses_visit", "10:30", "o1"),
            WARN.never,
        )
        for kind in ("offline_service", "poor_service")
    ),
    row("refused, on site", on_site().partner_said("refuses_visit", "10:30"), WARN.never),
    row("refused, route commercial", off_site(**offices()).partner_said("refuses_visit", "10:30"), WARN.never),
    row(
        "willing in the end",
        off_site().partner_said("refuses_visit", "10:30").partner_said("will_visit", "10:40"),
        WARN.withdrawn,
    ),
    row(
        "refused before willing, whatever came in first",
        off_site().partner_said("refuses_visit", "10:40").partner_said("will_visit", "10:30"),
        WARN.open,
    ),
    row("the partner cancelled", off_site().partner_said("refuses_visit", "10:30").partner_cancelled(), WARN.done),
    row(
        "the customer cancelled", off_site().partner_said("refuses_visit", "10:30").customer_cancelled(), WARN.withdrawn
    ),
    # guide_partner_cant_deliver
    row("refused, off site", off_site().partner_said("refuses_visit", "10:30"), GUIDE.citing("call")),
    row(
        "commercial, customer and partner refused",
        on_site(**offices()).customer_said("refuses_cancel").partner_said("refuses_serve", "11:30"),
        COMMERCIAL_GUIDE.citing("booked call call2"),
    ),
    row(
        "commercial, the customer was not asked",
        on_site(**offices()).partner_said("refuses_serve", "11:30"),
        GUIDE.never,
    ),
    row("commercial, the partner was not asked", on_site(**offices()).customer_said("refuses_cancel"), GUIDE.never),
    row(
        "commercial, willing to cancel in the end",
        on_site(**offices())
        .customer_said("refuses_cancel")
        .partner_said("refuses_serve", "11:30")
        .customer_said("will_cancel", "11:40"),
        GUIDE.withdrawn,
    ),
    row(
        "another route, customer and partner refused",
        on_site().customer_said("refuses_cancel").partner_said("refuses_serve", "11:30"),
        GUIDE.never,
    ),
    row("the partner cancelled", off_site().partner_said("refuses_visit", "10:30").partner_cancelled(), GUIDE.done),
    row("reassigned", off_site().partner_said("refuses_visit", "10:30").assigned("11:00", "p2"), GUIDE.withdrawn),
    # guide_partner_to_serve
    row("willing", on_site(**offices()).partner_said("will_serve", "10:30"), SERVE.citing("booked call")),
    row("willing, another route", on_site().partner_said("will_serve", "10:30"), SERVE.never),
    row(
        "refused in the end",
        on_site(**offices()).partner_said("will_serve", "10:30").partner_said("refuses_serve", "10:40"),
        SERVE.withdrawn,
    ),
    row("closed", on_site(**offices()).partner_said("will_serve", "10:30").closed("12:00", "completed"), SERVE.done),
    row("cancelled", on_site(**offices()).partner_said("will_serve", "10:30").customer_cancelled(), SERVE.withdrawn),
    # ask_partner_to_serve
    row("the customer refused", on_site(**offices()).customer_said("refuses_cancel"), ASK_SERVE.citing("booked call")),
    row(
        "answered before",
        on_site(**offices()).partner_said("refuses_serve", "10:30").customer_said("refuses_cancel"),
        ASK_SERVE.open,
    ),
    row(
        "answered since: willing",
        on_site(**offices()).customer_said("refuses_cancel").partner_said("will_serve", "11:30"),
        ASK_SERVE.done,
    ),
    row(
        "answered since: refused",
        on_site(**offices()).customer_said("refuses_cancel").partner_said("refuses_serve", "11:30"),
        ASK_SERVE.done,
    ),
    row(
        "unreachable since",
        on_site(**offices()).customer_said("refuses_cancel").partner_said("unreachable", "11:30"),
        ASK_SERVE.open,
    ),
    row("the customer is willing", on_site(**offices()).customer_said("will_cancel"), ASK_SERVE.never),
    row(
        "the customer is willing in the end",
        on_site(**offices())
        .customer_said("refuses_cancel")
        .customer_said("will_cancel", "11:10")
        .partner_said("will_serve", "11:20"),
        ASK_SERVE.withdrawn,
    ),
    row("closed", on_site(**offices()).customer_said("refuses_cancel").closed(), ASK_SERVE.withdrawn),
    row("another route", on_site().customer_said("refuses_cancel"), ASK_SERVE.never),
    # ask_customer_to_cancel
    row("images there", on_site().image(), CUSTOMER.citing("booked t1 image")),
    row("images there, route manual, unseen", unseen(city="Jaipur").image(), CUSTOMER.open),
    row("no image needed", on_site(reason="otp_refused"), CUSTOMER.citing("booked t1")),
    row("images missing", on_site(), CUSTOMER.never),
    row("off site", off_site().image(), CUSTOMER.never),
    row("not genuine", on_site().image().not_genuine(), CUSTOMER.withdrawn),
    row("no ticket", job(**offices()), CUSTOMER.never),
    row("route bpc_only", on_site(group="rwm").image(), CUSTOMER.never),
    row("no booking", Scenario().assigned().ticket().image(), CUSTOMER.never),
    row("commercial, no image, off site", off_site(**offices()), COMMERCIAL_CUSTOMER.citing("booked t1")),
    row(
        "commercial, not willing to serve",
        on_site(**offices()).partner_said("refuses_serve", "10:30"),
        COMMERCIAL_CUSTOMER.open,
    ),
    row(
        "commercial, willing to serve",
        on_site(**offices()).image().partner_said("will_serve", "10:30"),
        CUSTOMER.withdrawn,
    ),
    row("unreachable", on_site().image().customer_said("unreachable", "10:30"), CUSTOMER.open),
    row("willing", on_site().image().customer_said("will_cancel", "10:30"), CUSTOMER.done),
    row("refused", on_site().image().customer_said("refuses_cancel"), CUSTOMER.done),
    row("the partner speaks of cancelling", on_site().image().partner_said("will_cancel", "10:30"), CUSTOMER.open),
    row("the customer cancelled", on_site().image().customer_cancelled(), CUSTOMER.done),
    row("the partner cancelled", on_site().image().partner_cancelled(), CUSTOMER.withdrawn),
    # ask_partner_to_cancel
    row("the customer refused", on_site().customer_said("refuses_cancel"), PARTNER.citing("booked call")),
    row("route manual, off site", off_site(city="Jaipur").customer_said("refuses_cancel"), PARTNER.open),
    row(
        "willing in the end",
        on_site().customer_said("refuses_cancel").customer_said("will_cancel", "11:30"),
        PARTNER.withdrawn,
    ),
    row("not genuine", on_site().customer_said("refuses_cancel", "10:30").not_genuine(), PARTNER.withdrawn),
    row("route commercial", on_site(**offices()).customer_said("refuses_cancel"), PARTNER.never),
    row("route bpc_only", on_site(group="rwm").customer_said("refuses_cancel"), PARTNER.never),
    row("the partner cancelled", on_site().customer_said("refuses_cancel").partner_cancelled(), PARTNER.done),
    row("the customer cancelled", on_site().customer_said("refuses_cancel").customer_cancelled(), PARTNER.withdrawn),
    # after the decisions
    row(
        "conflict",
        off_site().genuine().partner_cancelled(),
        VERIFY.citing("t1 validated image cancelled report booked assigned"),
    ),
    row("unknown", unseen().genuine().customer_cancelled(), VERIFY.open),
    row("awaiting validation", on_site().partner_cancelled(), VERIFY.never),
    row("settled by a late report", unseen().genuine().partner_cancelled().report("10:00"), VERIFY.done),
    row(
        "settled by a report after the cancellation",
        unseen().genuine().partner_cancelled().report("12:04"),
        VERIFY.done.at("12:04"),
    ),
    row("no cancellation", off_site().genuine(), VERIFY.never),
    row("no longer decided on", unseen().genuine().partner_cancelled().assigned("09:30", "p2"), VERIFY.withdrawn),
    row(
        "reversal",
        on_site().genuine().partner_cancelled(),
        FOLLOW.citing("t1 validated image cancelled report booked assigned"),
    ),
    row("reversal on the commercial route", on_site(**offices()).genuine().partner_cancelled(), FOLLOW.open),
    row("waived", on_site().genuine().customer_cancelled(), FOLLOW.never),
    row("not genuine after all", on_site().genuine().partner_cancelled().not_genuine("13:00"), FOLLOW.withdrawn),
    row("granted", on_site().genuine().closed().rating_ticket(), RATING.citing("r1 closed t1 validated image")),
    row("denied", on_site().not_genuine().closed().rating_ticket(), RATING.never),
    row("denied after all", on_site().genuine().closed().rating_ticket().not_genuine("15:00"), RATING.withdrawn),
]


@pytest.mark.parametrize("row", TABLE)
def test_engagement_actions(row: Row) -> None:
    assert row.found() == row.stated()
