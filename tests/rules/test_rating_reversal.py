"""Rating reversal: every row of its table, which comes first, and whose decision it is."""

from __future__ import annotations

import pytest

from tests.rules.table import Decision, Row, decision, job, no_decision, off_site, offices, on_site, row, unseen
from tests.scenario import Scenario

PRESENCE = "t1 report booked assigned"
"""What shows presence at the creation of t1."""
PROVEN = "r1 closed t1 validated image"


def awaiting(reason: str, clauses: str, evidence: str, partner: str | None = "p1") -> Decision:
    return decision(
        "rating_reversal",
        "awaiting_verification",
        "provisional",
        clauses,
        evidence,
        reasons=reason,
        partner=partner,
    )


def denied(reason: str, evidence: str) -> Decision:
    return decision("rating_reversal", "denied", "final", "OOS-3", evidence, reasons=reason)


def granted(evidence: str = PROVEN) -> Decision:
    return decision("rating_reversal", "granted", "final", "OOS-3", evidence)


TABLE = [
    row("no rating ticket", on_site().genuine().closed(), no_decision("rating_reversal")),
    # not closed
    row(
        "neither closed nor cancelled",
        on_site().genuine().rating_ticket(),
        awaiting("job_not_closed", "OOS-3", "r1"),
    ),
    row(
        "without anything else",
        Scenario().rating_ticket(),
        awaiting("job_not_closed", "OOS-3", "r1", None),
    ),
    row(
        "the earliest rating ticket is cited",
        job().rating_ticket().rating_ticket("13:30", "r2"),
        awaiting("job_not_closed", "OOS-3", "r2"),
    ),
    # not closed at BPC
    row(
        "closed as completed",
        on_site().genuine().closed("13:00", "completed").rating_ticket(),
        denied("not_closed_at_bpc", "r1 closed"),
    ),
    row(
        "cancelled only",
        on_site().genuine().customer_cancelled().rating_ticket(),
        denied("not_closed_at_bpc", "r1 cancelled"),
    ),
    row(
        "cancelled twice: the earliest end is cited",
        job().customer_cancelled().customer_cancelled("11:00").rating_ticket(),
        denied("not_closed_at_bpc", "r1 cancelled2"),
    ),
    row(
        "the latest closing counts",
        on_site().genuine().closed("12:00", "bpc").closed("13:00", "completed").rating_ticket(),
        denied("not_closed_at_bpc", "r1 closed2"),
    ),
    row(
        "closed as completed and cancelled: the closing is cited",
        job().closed("11:00", "completed").customer_cancelled().rating_ticket(),
        denied("not_closed_at_bpc", "r1 closed"),
    ),
    row(
        "not closed at BPC before no ticket",
        job().closed("13:00", "completed").rating_ticket(),
        denied("not_closed_at_bpc", "r1 closed"),
    ),
    # no ticket
    row("no out-of-scope ticket", job().closed().rating_ticket(), denied("no_oos_ticket", "r1 closed")),
    row(
        "out-of-scope ticket of the customer only, genuine",
        on_site(by="customer").genuine().closed().rating_ticket(),
        denied("no_oos_ticket", "r1 closed"),
    ),
    row(
        "out-of-scope ticket of an agent only, not genuine",
        on_site(by="agent").not_genuine().closed().rating_ticket(),
        denied("no_oos_ticket", "r1 closed"),
    ),
    # not genuine, pending
    row(
        "not genuine", on_site().not_genuine().closed().rating_ticket(), denied("not_genuine", "r1 closed t1 validated")
    ),
    row(
        "not genuine before off site",
        off_site().not_genuine().closed().rating_ticket(),
        denied("not_genuine", "r1 closed t1 validated"),
    ),
    row(
        "pending",
        on_site().closed().rating_ticket(),
        awaiting("awaiting_validation", "OOS-3 OOS-21", "r1 closed t1"),
    ),
    row(
        "pending with a verdict, before off site",
        off_site().validated().closed().rating_ticket(),
        awaiting("awaiting_validation", "OOS-3 OOS-21", "r1 closed t1 validated"),
    ),
    # off site
    row(
        "off site",
        off_site().genuine().closed().rating_ticket(),
        awaiting("presence_conflict", "OOS-3 OOS-7", f"r1 closed validated image {PRESENCE}"),
    ),
    row(
        "off site at an image only",
        job().ticket().report("10:30", 2000).image("10:30").validated().closed().rating_ticket(),
        awaiting("presence_conflict", "OOS-3 OOS-7", f"{PROVEN} report booked assigned"),
    ),
    row(
        "off site on the commercial route",
        off_site(**offices()).genuine().closed().rating_ticket(),
        granted(),
    ),
    # granted
    row("on site", on_site().genuine().closed().rating_ticket(), granted()),
    row("presence unknown", unseen().genuine().closed().rating_ticket(), granted()),
    row(
        "no booking",
        Scenario().assigned().ticket().genuine().closed().rating_ticket(),
        granted(),
    ),
    row(
        "start code refused",
        on_site(reason="otp_refused").validated().closed().rating_ticket(),
        granted("r1 closed t1 validated"),
    ),
    row(
        "commercial appliance",
        on_site(appliance_use="commercial").validated().closed().rating_ticket(),
        granted("r1 closed t1 validated booked"),
    ),
    row(
        "opened by the customer",
        on_site().genuine().closed().rating_ticket(by="customer"),
        granted(),
    ),
    row(
        "closed at BPC and cancelled",
        on_site().genuine().closed().customer_cancelled().rating_ticket(),
        granted(),
    ),
    row(
        "closed at BPC after being closed as completed",
        on_site().genuine().closed("12:00", "completed").closed().rating_ticket(),
        granted("r1 closed2 t1 validated image"),
    ),
    row(
        "closed after the ticket",
        on_site().genuine().rating_ticket().closed("15:00"),
        granted(),
    ),
    row(
        "verdict after the ticket",
        on_site().image().closed().rating_ticket().validated("16:00"),
        granted(),
    ),
    # whose it is
    row(
        "asked after a reassignment: of the partner who closed",
        on_site().genuine().closed("12:00").assigned("13:00", "p2").rating_ticket(),
        granted(),
    ),
    row(
        "asked after a reassignment: not of the one in force",
        on_site().genuine().closed("12:00").assigned("13:00", "p2").rating_ticket(),
        no_decision("rating_reversal", partner="p2"),
    ),
    row(
        "asked before any closing: of the partner in force",
        on_site().genuine().assigned("13:00", "p2").rating_ticket().closed("15:00"),
        awaiting("job_not_closed", "OOS-3", "r1", "p2"),
    ),
    row(
        "a ticket that names a partner is that partner's",
        on_site().genuine().closed("12:00").ticket("14:00", "r1", kind="rating_reversal", partner_id="p3"),
        awaiting("job_not_closed", "OOS-3", "r1", "p3"),
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_rating_reversal(row: Row) -> None:
    assert row.found() == row.stated()
