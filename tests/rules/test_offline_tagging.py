"""Tagging of the offline side: which tickets qualify, the type, which proof counts, and when not tagged is final."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.table import OFFLINE, Decision, Row, decision, no_decision, row
from tests.scenario import Scenario

LINK = "https://media.example/proof/1.jpg"
UNTAGGED = no_decision("tagging", subject_of=OFFLINE)


def complaint(case_id: str = "job-1", **ticket: Any) -> Scenario:
    """A booking and a customer's ticket o1 about an offline service at 10:00."""
    case = Scenario(case_id).booked() if case_id == "job-1" else Scenario(case_id)
    return case.complaint(**ticket)


def proven(**proof: Any) -> Scenario:
    """A complaint, p1 identified at 11:00, a proof at 12:00 that passes every check, but for what is given."""
    return complaint().identified().proof(**proof)


def tagged(kind: str, evidence: str, **more: Any) -> Decision:
    """State a tag; reported indirectly it cites DIS-1."""
    fields: dict[str, Any] = {
        "service_date": "2026-11-20",
        "proof_given": True,
        "proof_url": LINK,
        "reporting": "direct",
    } | more
    clauses = "DIS-2 DIS-9" if fields["reporting"] == "direct" else "DIS-1 DIS-2 DIS-9"
    outcome = f"offline_service/{kind}"
    return decision("tagging", outcome, "final", clauses, evidence, subject_of=OFFLINE, **fields)


def not_tagged(
    reasons: str, clauses: str, evidence: str = "o1 proof identified", *, status: str = "provisional", **more: Any
) -> Decision:
    """State what is not tagged; p1 is the partner if anybody was identified."""
    fields: dict[str, Any] = {"partner": "p1" if "identified" in evidence else None, "reporting": "direct"} | more
    outcome = "offline_service/not_tagged"
    return decision("tagging", outcome, status, clauses, evidence, reasons=reasons, subject_of=OFFLINE, **fields)


SUSPECTED: dict[str, Any] = {"kind": "poor_service", "offline_suspected": True}
PARTIAL = tagged("partial", "o1 proof identified booked")

TABLE = [
    # which tickets qualify, and how the case was reported
    row("no ticket", Scenario().booked(), UNTAGGED),
    row("poor service, nothing more", complaint(kind="poor_service"), UNTAGGED),
    row("poor service, not suspected", complaint(kind="poor_service", offline_suspected=False).identified(), UNTAGGED),
    row("a proof on an out-of-scope ticket", Scenario().booked().ticket("10:00", "o1").proof(), UNTAGGED),
    row("a proof and an identification without their ticket", Scenario().booked().identified().proof(), UNTAGGED),
    row(
        "an out-of-scope ticket under suspicion, with a proof",
        Scenario().booked().ticket("10:00", "o1", offline_suspected=True).proof(),
        UNTAGGED,
    ),
    row(
        "a rating ticket under suspicion, with a proof",
        Scenario().booked().rating_ticket("10:00", "o1", offline_suspected=True).proof(),
        UNTAGGED,
    ),
    row(
        "poor service, suspected",
        complaint(**SUSPECTED),
        not_tagged("proof_missing partner_not_identified", "DIS-1 DIS-3 DIS-4", "o1", reporting="indirect"),
    ),
    row(
        "poor service with a proof",
        complaint(kind="poor_service").identified().proof(),
        tagged("partial", "o1 proof identified booked", reporting="indirect"),
    ),
    row(
        "poor service, no booking",
        complaint("o1", **SUSPECTED).identified().proof(),
        tagged("no_booking", "o1 proof identified", reporting="indirect"),
    ),
    row(
        "poor service, cancelled then served",
        complaint(**SUSPECTED).identified().proof().customer_cancelled("09:00"),
        tagged("cancelled_then_served", "o1 proof identified booked cancelled", reporting="indirect"),
    ),
    row(
        "poor service, cash",
        complaint(**SUSPECTED).identified().proof(method="cash"),
        not_tagged("cash_payment", "DIS-1 DIS-3", status="final", reporting="indirect"),
    ),
    row(
        "poor service, closed",
        complaint(**SUSPECTED).identified().ticket_closed("13:00", "o1"),
        not_tagged("proof_missing", "DIS-1 DIS-3", "o1 identified done", status="final", reporting="indirect"),
    ),
    row(
        "the earliest qualifying ticket says how it was reported",
        complaint().complaint("09:30", "o2", **SUSPECTED).identified().proof(),
        tagged("partial", "o2 proof identified booked", reporting="indirect"),
    ),
    row(
        "an earlier ticket that does not qualify says nothing",
        complaint().ticket("09:30", "o2", kind="poor_service").identified().proof(),
        PARTIAL,
    ),
    row(
        "proof and identification on other qualifying tickets",
        complaint().complaint("10:30", "o2").identified(ticket="o2").proof(),
        PARTIAL,
    ),
    row(
        "proof and identification on tickets that do not qualify",
        complaint().ticket("10:30", "t1").identified(ticket="t1").proof(ticket="t1"),
        not_tagged("proof_missing partner_not_identified", "DIS-3 DIS-4", "o1"),
    ),
    row(
        "a proof waits for its ticket",
        complaint().identified().proof(ticket="o9"),
        not_tagged("proof_missing", "DIS-3", "o1 identified"),
    ),
    row(
        "an identification on another qualifying ticket is the latest",
        proven().complaint("10:30", "o2").identified("12:30", "p2", ticket="o2"),
        not_tagged("partner_mismatch", "DIS-4 DIS-8", "o1 proof identified2", partner="p2"),
    ),
    row(
        "the link goes out as it came",
        proven(proof_url=f" {LINK} "),
        tagged("partial", "o1 proof identified booked", proof_url=f" {LINK} "),
    ),
    # the type
    row("partial", proven(), PARTIAL),
    row(
        "no booking",
        complaint("o1").identified().proof(),
        tagged("no_booking", "o1 proof identified"),
    ),
    row(
        "no booking: the id of any qualifying ticket is the case's",
        complaint("o2").complaint("10:30", "o2").identified().proof(),
        tagged("no_booking", "o1 proof identified"),
    ),
    row(
        "no booking: one that comes is not cited",
        complaint("o1").booked().identified().proof(),
        tagged("no_booking", "o1 proof identified"),
    ),
    row(
        "the case has the id of a ticket that does not qualify",
        complaint("t9").booked().ticket("09:30", "t9", kind="poor_service").identified().proof(),
        PARTIAL,
    ),
    row(
        "no booking before cancelled",
        complaint("o1").identified().proof().customer_cancelled("09:00"),
        tagged("no_booking", "o1 proof identified"),
    ),
    row(
        "cancelled, then served",
        proven().customer_cancelled("09:00"),
        tagged("cancelled_then_served", "o1 proof identified booked cancelled"),
    ),
    row(
        "cancelled twice, then served: the latest cancellation is cited",
        proven().customer_cancelled("13:00").customer_cancelled("09:00"),
        tagged("cancelled_then_served", "o1 proof identified booked cancelled"),
    ),
    row(
        "closed, then cancelled",
        proven().closed("09:00", "completed").customer_cancelled("09:30"),
        tagged("cancelled_then_served", "o1 proof identified booked cancelled"),
    ),
    row("closed, not cancelled", proven().closed("09:00"), PARTIAL),
    row("cancelled, then closed", proven().customer_cancelled("09:00").closed("09:30", "completed"), PARTIAL),
    row(
        "closed between two cancellations",
        proven().customer_cancelled("09:00").closed("09:30").customer_cancelled("09:40"),
        tagged("cancelled_then_served", "o1 proof identified booked cancelled2"),
    ),
    # which proof, which identification
    row(
        "the latest proof that passes counts",
        proven().proof("13:00", legible=False),
        PARTIAL,
    ),
    row(
        "of two that pass the latest counts",
        proven().proof("13:00", proof_url="https://media.example/proof/2.jpg"),
        tagged("partial", "o1 proof2 identified booked", proof_url="https://media.example/proof/2.jpg"),
    ),
    row(
        "of two that fail the latest counts",
        proven(method="cash").proof("13:00", legible=False),
        not_tagged("proof_illegible", "DIS-5 DIS-8", "o1 proof2 identified"),
    ),
    row(
        "the latest identification counts",
        proven().identified("13:00", "p2"),
        not_tagged("partner_mismatch", "DIS-4 DIS-8", "o1 proof identified2", partner="p2"),
    ),
    row(
        "the earlier identification does not",
        complaint().identified(partner="p2").proof().identified("13:00"),
        tagged("partial", "o1 proof identified2 booked"),
    ),
    row(
        "the latest of three that passes",
        proven().proof("12:30", proof_url=f"{LINK}?2").proof("13:00", method="cash"),
        tagged("partial", "o1 proof2 identified booked", proof_url=f"{LINK}?2"),
    ),
    row(
        "the latest proof in time, not in arrival",
        complaint().identified().proof("12:30", legible=False).proof(method="cash"),
        not_tagged("proof_illegible", "DIS-5 DIS-8", "o1 proof identified"),
    ),
    # when not tagged is final
    row("open", proven(legible=False), not_tagged("proof_illegible", "DIS-5 DIS-8")),
    row(
        "ticket closed: final by the closing",
        proven(legible=False).ticket_closed("13:00", "o1").ticket_closed("14:00", "o1"),
        not_tagged("proof_illegible", "DIS-5 DIS-8", "o1 proof identified done", status="final"),
    ),
    row(
        "one of two tickets open",
        proven(legible=False).complaint("12:30", "o2").ticket_closed("13:00", "o1"),
        not_tagged("proof_illegible", "DIS-5 DIS-8"),
    ),
    row(
        "both tickets closed",
        proven(legible=False).complaint("12:30", "o2").ticket_closed("13:00", "o1").ticket_closed("13:30", "o2"),
        not_tagged("proof_illegible", "DIS-5 DIS-8", "o1 proof identified done done2", status="final"),
    ),
    row(
        "a ticket that does not qualify may stay open",
        proven(legible=False).ticket("12:30", "t1").ticket_closed("13:00", "o1"),
        not_tagged("proof_illegible", "DIS-5 DIS-8", "o1 proof identified done", status="final"),
    ),
    row(
        "cash makes it final without the closing",
        proven(method="cash").ticket_closed("13:00", "o1"),
        not_tagged("cash_payment", "DIS-3", status="final"),
    ),
    row(
        "no booking known: not final in spite of cash",
        Scenario().complaint().identified().proof(method="cash"),
        not_tagged("booking_missing cash_payment", "DIS-2 DIS-3"),
    ),
    row(
        "no booking known: not final in spite of the closing",
        Scenario().complaint().ticket_closed("11:00", "o1"),
        not_tagged("booking_missing partner_not_identified proof_missing", "DIS-2 DIS-3 DIS-4", "o1"),
    ),
    row("closed and everything passes", proven().ticket_closed("13:00", "o1"), PARTIAL),
]


@pytest.mark.parametrize("row", TABLE)
def test_offline_tagging(row: Row) -> None:
    assert row.found() == row.stated()
