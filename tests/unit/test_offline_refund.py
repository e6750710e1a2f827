"""Refund of an offline service: full, partial, refused or waiting, row by row of the table."""

import pytest
from msgspec import UNSET, structs

from schemas.events import EventData, Money, RefundRequested
from schemas.outputs import DecisionBody
from schemas.policy.model import MINUTE
from tests.unit.offline_case import (
    BOOKED,
    CANCELLED,
    IDENTIFIED,
    PROOF,
    REFUND,
    SECOND_TICKET,
    TICKET,
    TICKET_CLOSED,
    assessed,
    decided,
    extra,
    proof,
    refs,
)

GOOD = (BOOKED, CANCELLED, TICKET, IDENTIFIED, PROOF)
POOR = structs.replace(TICKET, kind="poor_service")
CASH = proof({"method": "cash"})


def test_no_refund_is_decided_unless_asked_for() -> None:
    assert "refund" not in decided(*GOOD)


@pytest.mark.parametrize(
    ("data", "case_id", "outcome", "amount", "evidence"),
    [
        ((TICKET, IDENTIFIED, PROOF, REFUND, REFUND), "T-1", "eligible_full", "1499.00", (0, 1, 2, 3)),
        ((*GOOD, extra("l", "9"), REFUND), "job-1", "eligible_full", "1499.00", (0, 1, 2, 3, 4, 6)),
        ((BOOKED, TICKET, IDENTIFIED, PROOF, REFUND), "job-1", "eligible_partial", "1499.00", (0, 1, 2, 3, 4)),
        (
            (BOOKED, TICKET, IDENTIFIED, PROOF, REFUND, extra("a", "99"), extra("b", "1.125"), extra("a", "100")),
            "job-1",
            "eligible_partial",
            "1397.875",
            (0, 1, 2, 3, 4, 6, 7),
        ),
        (
            (BOOKED, TICKET, IDENTIFIED, PROOF, REFUND, extra("a", "1500")),
            "job-1",
            "eligible_partial",
            "0.00",
            (0, 1, 2, 3, 4, 5),
        ),
    ],
)
def test_eligible(
    data: tuple[EventData, ...], case_id: str, outcome: str, amount: str, evidence: tuple[int, ...]
) -> None:
    assert decided(*data, case_id=case_id)["refund"] == DecisionBody(
        kind="refund",
        subject_of="offline_service",
        case_id=case_id,
        partner_id="p-1",
        status="final",
        outcome=outcome,
        clauses=("DIS-10",),
        evidence=refs(*evidence),
        policy="default@h",
        effective_at=max(evidence) * MINUTE,
        proven_amount=Money(amount=amount, currency="INR"),
    )


@pytest.mark.parametrize(
    ("data", "outcome", "status", "reasons", "evidence"),
    [
        (
            (BOOKED, TICKET, IDENTIFIED, PROOF, REFUND, extra("a", "1"), extra("b", "1", "USD")),
            "awaiting_proof",
            "provisional",
            ("currency_mismatch",),
            (0, 1, 2, 3, 4, 5, 6),
        ),
        ((BOOKED, TICKET, IDENTIFIED, CASH, REFUND), "refused", "final", ("cash_payment",), (1, 2, 3, 4)),
        (
            (BOOKED, TICKET, IDENTIFIED, REFUND, TICKET_CLOSED),
            "refused",
            "final",
            ("proof_missing",),
            (1, 2, 3, 4),
        ),
        ((BOOKED, TICKET, IDENTIFIED, REFUND), "awaiting_proof", "provisional", ("proof_missing",), (1, 2, 3)),
        (
            (TICKET, IDENTIFIED, PROOF, REFUND, TICKET_CLOSED),
            "awaiting_proof",
            "provisional",
            ("booking_missing",),
            (0, 1, 2, 3),
        ),
    ],
)
def test_not_eligible(
    data: tuple[EventData, ...], outcome: str, status: str, reasons: tuple[str, ...], evidence: tuple[int, ...]
) -> None:
    body = decided(*data)["refund"]
    assert (body.outcome, body.status, body.reasons) == (outcome, status, reasons)
    assert (body.clauses, body.evidence, body.proven_amount) == (("DIS-10",), refs(*evidence), UNSET)
    assert body.apology is (True if outcome == "refused" else UNSET)


def test_another_currency_matters_for_partial_only() -> None:
    assert decided(*GOOD, extra("a", "1", "USD"), REFUND)["refund"].outcome == "eligible_full"


@pytest.mark.parametrize(
    ("data", "earliest"),
    [
        ((BOOKED, structs.replace(TICKET, refund_requested=True), REFUND), "s#1"),
        ((BOOKED, TICKET, SECOND_TICKET, RefundRequested(ticket_id="T-2"), REFUND), "s#3"),
        ((BOOKED, REFUND, structs.replace(TICKET, refund_requested=True)), "s#1"),
        ((BOOKED, TICKET, structs.replace(TICKET, refund_requested=True), REFUND), "s#3"),
        ((BOOKED, structs.replace(POOR, refund_requested=True), SECOND_TICKET), None),
    ],
)
def test_the_earliest_request_on_a_qualifying_ticket_counts(data: tuple[EventData, ...], earliest: str | None) -> None:
    request = assessed(*data).refund_request
    assert (request.ref if request else None) == earliest
