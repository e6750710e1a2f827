"""The facts that the offline-service SOP establishes about a case (domain.md, "Offline service")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeVar

from msgspec import Struct

from agents.case.view import CaseView, Ticket
from agents.sops.contract import CaseContext
from agents.sops.offline_service.checks import Check, Examined, ServiceType, failed_checks
from schemas.events import (
    AnyEvent,
    Event,
    EventData,
    LineItemAdded,
    PartnerIdentified,
    PaymentProofAdded,
)
from schemas.policy.model import Policy

T = TypeVar("T", bound=EventData)
Reporting = Literal["direct", "indirect"]


class Assessment(Struct, frozen=True):
    """The facts about an offline service in a case, with the proof that counts and the checks that it fails."""

    view: CaseView
    policy: Policy
    tickets: tuple[Ticket, ...]
    """The tickets that qualify, at least one, earliest first."""
    reporting: Reporting
    service_type: ServiceType
    proof: Event[PaymentProofAdded] | None
    """The latest that passes every check, else the latest."""
    identification: Event[PartnerIdentified] | None
    failed: tuple[Check, ...]
    refund_request: AnyEvent | None
    """The earliest: the creation of a ticket that asks for a refund, or a later request."""

    @property
    def partner_id(self) -> str | None:
        """The partner that was identified."""
        return self.identification.data.partner_id if self.identification else None

    @property
    def is_proven(self) -> bool:
        """Every check passes."""
        return not self.failed

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the failed checks, in table order."""
        return tuple(check.reason for check in self.failed)

    @property
    def is_indirect(self) -> bool:
        """The customer complained of something else at first (DIS-1)."""
        return self.reporting == "indirect"

    @property
    def is_paid_in_cash(self) -> bool:
        """Nothing can prove a cash payment (DIS-3)."""
        return "cash_payment" in self.reasons

    @property
    def all_tickets_are_closed(self) -> bool:
        """No qualifying ticket is open, so nothing more will come."""
        return not any(ticket.is_open for ticket in self.tickets)

    @property
    def may_get_a_booking(self) -> bool:
        """The type rests on a booking that is not known yet."""
        return "booking_missing" in self.reasons

    @property
    def line_items(self) -> tuple[Event[LineItemAdded], ...]:
        """The extras on the booking."""
        return self.view.line_items

    @property
    def has_two_currencies(self) -> bool:
        """An extra is in another currency than the proof, so it cannot be deducted."""
        proven = self.proof.data.amount.currency if self.proof else None
        return any(item.data.amount.currency != proven for item in self.line_items)


def qualifies(ticket: Ticket) -> bool:
    """Return whether a ticket is about an offline service: by its kind, or by a proof or a suspicion of one (DIS-1)."""
    if ticket.kind == "offline_service":
        return True
    return ticket.kind == "poor_service" and (bool(ticket.proofs) or ticket.created.data.offline_suspected)


def assess(case: CaseContext) -> Iterator[Assessment]:
    """Yield the facts about the offline service of a case; nothing where no ticket qualifies."""
    view = case.view
    tickets = tuple(ticket for ticket in view.tickets if qualifies(ticket))
    if not tickets:
        return
    proofs = _in_order(proof for ticket in tickets for proof in ticket.proofs)
    identifications = _in_order(each for ticket in tickets for each in ticket.identifications)
    identification = identifications[-1] if identifications else None
    service_type = _service_type(view, tickets)
    latest_first: list[Event[PaymentProofAdded] | None] = [*reversed(proofs)] or [None]
    examined = [Examined(view, case.policy, service_type, proof, identification) for proof in latest_first]
    checked = [(each.proof, failed_checks(each)) for each in examined]
    proof, failed = next((pair for pair in checked if not pair[1]), checked[0])
    yield Assessment(
        view=view,
        policy=case.policy,
        tickets=tickets,
        reporting="direct" if tickets[0].kind == "offline_service" else "indirect",
        service_type=service_type,
        proof=proof,
        identification=identification,
        failed=failed,
        refund_request=_earliest_request(tickets),
    )


def _service_type(view: CaseView, tickets: tuple[Ticket, ...]) -> ServiceType:
    """DIS-2: never booked; cancelled and not closed after that; else extras on a booking."""
    if any(ticket.id == view.case_id for ticket in tickets):
        return "no_booking"
    if view.cancellations:
        cancelled = view.cancellations[-1].order
        if not any(closing.order > cancelled for closing in view.closings):
            return "cancelled_then_served"
    return "partial"


def _in_order(facts: Iterable[Event[T]]) -> list[Event[T]]:
    return sorted(facts, key=lambda fact: fact.order)


def _earliest_request(tickets: tuple[Ticket, ...]) -> AnyEvent | None:
    requests: list[AnyEvent] = [ticket.created for ticket in tickets if ticket.created.data.refund_requested]
    requests += [request for ticket in tickets for request in ticket.refund_requests]
    return min(requests, key=lambda fact: fact.order, default=None)
