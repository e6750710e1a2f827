"""Rating reversal: every row of its table, their precedence, and whose the ticket is."""

from __future__ import annotations

import pytest

from tests.rules.table import Row, away, begun, dropped, here, proven, refuted, row, unseen
from tests.scenario import Ruled, Scenario, ruled

WAITING = "awaiting_verification"
OFF = "t1 report booked assigned"


def asked(case: Scenario, at: str = "14:00", ticket: str = "r1", by: str = "partner") -> Scenario:
    """A rating-reversal ticket."""
    return case.ticket(at, ticket, kind="rating_reversal", by=by)


def denied(reason: str, evidence: str, at: str = "14:00") -> Ruled:
    return ruled("denied", "final", "OOS-3", evidence, at, reason)


def granted(evidence: str, at: str = "14:00") -> Ruled:
    return ruled("granted", "final", "OOS-3", evidence, at)


TABLE = [
    row("no rating ticket", proven(here()).closed("13:00"), None),
    # not closed
    row(
        "neither closed nor cancelled",
        asked(proven(here())),
        ruled(WAITING, "provisional", "OOS-3", "r1", "14:00", "job_not_closed"),
    ),
    row(
        "without anything else",
        asked(Scenario()),
        ruled(WAITING, "provisional", "OOS-3", "r1", "14:00", "job_not_closed"),
        partner=None,
    ),
    row(
        "the earliest rating ticket is cited",
        asked(asked(begun()), "13:30", "r2"),
        ruled(WAITING, "provisional", "OOS-3", "r2", "13:30", "job_not_closed"),
        now="14:00",
    ),
    # not closed at BPC
    row(
        "closed as completed",
        asked(proven(here()).closed("13:00", "completed")),
        denied("not_closed_at_bpc", "r1 closed"),
    ),
    row("cancelled only", asked(dropped(proven(here()))), denied("not_closed_at_bpc", "r1 cancelled")),
    row(
        "cancelled twice: the earliest end is cited",
        asked(dropped(dropped(begun(), "12:00"), "11:00")),
        denied("not_closed_at_bpc", "r1 cancelled2"),
    ),
    row(
        "the latest closing counts",
        asked(proven(here()).closed("12:00", "bpc").closed("13:00", "completed")),
        denied("not_closed_at_bpc", "r1 closed2"),
    ),
    row(
        "closed as completed and cancelled: the closing is cited",
        asked(dropped(begun().closed("11:00", "completed"))),
        denied("not_closed_at_bpc", "r1 closed"),
    ),
    row(
        "not closed at BPC before no ticket",
        asked(begun().closed("13:00", "completed")),
        denied("not_closed_at_bpc", "r1 closed"),
    ),
    # no ticket
    row("no out-of-scope ticket", asked(begun().closed("13:00")), denied("no_oos_ticket", "r1 closed")),
    row(
        "out-of-scope ticket of the customer only, genuine",
        asked(proven(here(by="customer")).closed("13:00")),
        denied("no_oos_ticket", "r1 closed"),
    ),
    row(
        "out-of-scope ticket of an agent only, not genuine",
        asked(refuted(here(by="agent")).closed("13:00")),
        denied("no_oos_ticket", "r1 closed"),
    ),
    # not genuine, pending
    row("not genuine", asked(refuted(here()).closed("13:00")), denied("not_genuine", "r1 closed t1 validated")),
    row(
        "not genuine before off site",
        asked(refuted(away()).closed("13:00")),
        denied("not_genuine", "r1 closed t1 validated"),
    ),
    row(
        "pending",
        asked(here().closed("13:00")),
        ruled(WAITING, "provisional", "OOS-3 OOS-21", "r1 closed t1", "14:00", "awaiting_validation"),
    ),
    row(
        "pending with a verdict, before off site",
        asked(away().validated("11:00").closed("13:00")),
        ruled(WAITING, "provisional", "OOS-3 OOS-21", "r1 closed t1 validated", "14:00", "awaiting_validation"),
    ),
    # off site
    row(
        "off site",
        asked(proven(away()).closed("13:00")),
        ruled(WAITING, "provisional", "OOS-3 OOS-7", f"r1 closed validated image {OFF}", "14:00", "presence_conflict"),
    ),
    row(
        "off site on the commercial route",
        asked(proven(away(city="Jaipur", premises="commercial")).closed("13:00")),
        granted("r1 closed t1 validated image"),
    ),
    # granted
    row("on site", asked(proven(here()).closed("13:00")), granted("r1 closed t1 validated image")),
    row("presence unknown", asked(proven(unseen()).closed("13:00")), granted("r1 closed t1 validated image")),
    row(
        "no booking",
        asked(proven(Scenario().assigned().ticket("10:00")).closed("13:00")),
        granted("r1 closed t1 validated image"),
    ),
    row(
        "start code refused",
        asked(here(reason="otp_refused").validated("11:00").closed("13:00")),
        granted("r1 closed t1 validated"),
    ),
    row(
        "commercial appliance",
        asked(here(appliance_use="commercial").validated("11:00").closed("13:00")),
        granted("r1 closed t1 validated booked"),
    ),
    row(
        "opened by the customer",
        asked(proven(here()).closed("13:00"), by="customer"),
        granted("r1 closed t1 validated image"),
    ),
    row(
        "closed at BPC and cancelled",
        asked(dropped(proven(here()).closed("13:00"))),
        granted("r1 closed t1 validated image"),
    ),
    row(
        "closed at BPC after being closed as completed",
        asked(proven(here()).closed("12:00", "completed").closed("13:00")),
        granted("r1 closed2 t1 validated image"),
    ),
    row(
        "closed after the ticket",
        asked(proven(here())).closed("15:00"),
        granted("r1 closed t1 validated image", "15:00"),
    ),
    row(
        "verdict after the ticket",
        asked(here().image("10:05").closed("13:00")).validated("16:00"),
        granted("r1 closed t1 validated image", "16:00"),
    ),
    # whose it is
    row(
        "asked after a reassignment: of the partner who closed",
        asked(proven(here()).closed("12:00").assigned("13:00", "p2")),
        granted("r1 closed t1 validated image"),
    ),
    row(
        "asked after a reassignment: not of the one in force",
        asked(proven(here()).closed("12:00").assigned("13:00", "p2")),
        None,
        partner="p2",
    ),
    row(
        "asked before any closing: of the partner in force",
        asked(proven(here()).assigned("13:00", "p2")).closed("15:00"),
        ruled(WAITING, "provisional", "OOS-3", "r1", "14:00", "job_not_closed"),
        partner="p2",
    ),
    row(
        "a ticket that names a partner is that partner's",
        proven(here()).closed("12:00").ticket("14:00", "r1", kind="rating_reversal", partner_id="p3"),
        ruled(WAITING, "provisional", "OOS-3", "r1", "14:00", "job_not_closed"),
        partner="p3",
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_rating_reversal_follows_the_table(row: Row) -> None:
    assert row.outcome().ruling("rating_reversal", row.partner) == row.expected
