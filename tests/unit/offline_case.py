"""Facts of an offline service, good ones by default, for the tests of its rules."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from agents.case.view import CaseView, build_case_view
from agents.sop.offline_service import OfflineAssessment, assess, decisions
from schemas.events import (
    AnyEvent,
    CancellationRecorded,
    Event,
    EventData,
    JobBooked,
    JobClosed,
    LineItemAdded,
    Money,
    PartnerIdentified,
    PaymentProofAdded,
    RefundRequested,
    Site,
    TicketClosed,
    TicketCreated,
)
from schemas.outputs import DecisionBody
from schemas.policy.model import MINUTE, Policy

POLICY: Final = Policy(hash="h")
BOOKED: Final = JobBooked(
    customer_id="c-1",
    category="ac",
    city="Pune",
    site=Site(lat=18.52, lon=73.85),
    premises="residential",
    scheduled_for="2026-11-21T10:00:00Z",
)
CANCELLED: Final = CancellationRecorded(by="customer", reason="other", marked_against="none")
CLOSED: Final = JobClosed(partner_id="p-1", closure="completed")
TICKET: Final = TicketCreated(ticket_id="T-1", kind="offline_service", opened_by="customer")
SECOND_TICKET: Final = TicketCreated(ticket_id="T-2", kind="offline_service", opened_by="customer")
IDENTIFIED: Final = PartnerIdentified(ticket_id="T-1", partner_id="p-1", name="Ravi Kumar", phone="+91 98765 43210")
PROOF: Final = PaymentProofAdded(
    ticket_id="T-1",
    claimed_partner_id="p-1",
    method="upi",
    proof_url="https://cdn.example/images/42",
    legible=True,
    amount=Money(amount="1499", currency="INR"),
    paid_on="2026-11-21",
    service_date="2026-11-21",
    payee_name="Ravi Kumar",
    payee_phone="9876543210",
)
REFUND: Final = RefundRequested(ticket_id="T-1")
TICKET_CLOSED: Final = TicketClosed(ticket_id="T-1")


def extra(line_id: str, amount: str, currency: str = "INR") -> LineItemAdded:
    """Return a line item."""
    return LineItemAdded(line_id=line_id, amount=Money(amount=amount, currency=currency))


def facts(*data: EventData) -> tuple[AnyEvent, ...]:
    """Return facts a minute apart, called `s#0`, `s#1`, … in the order given."""
    return tuple(
        Event(source="s", id=str(n), type="-", subject="job-1", time=n * MINUTE, data=each, content=b"")
        for n, each in enumerate(data)
    )


def history(*data: EventData, case_id: str = "job-1") -> CaseView:
    """Return the history of facts a minute apart."""
    return build_case_view(case_id, facts(*data))


def assessed(*data: EventData, case_id: str = "job-1", policy: Policy = POLICY) -> OfflineAssessment:
    """Return the assessment of facts a minute apart, of which some ticket qualifies."""
    found = assess(history(*data, case_id=case_id), policy)
    assert found is not None
    return found


def decided(*data: EventData, case_id: str = "job-1") -> dict[str, DecisionBody]:
    """Return the decisions of facts a minute apart, by kind."""
    return {body.kind: body for body in decisions(assessed(*data, case_id=case_id))}


def proof(changes: dict[str, object]) -> PaymentProofAdded:
    """Return the good proof with some fields changed."""
    return replace(PROOF, **changes)


def identified(changes: dict[str, object]) -> PartnerIdentified:
    """Return the good identification with some fields changed."""
    return replace(IDENTIFIED, **changes)


def refs(*numbers: int) -> tuple[str, ...]:
    """Return the refs of facts by their places, sorted as evidence is."""
    return tuple(sorted(f"s#{n}" for n in numbers))
