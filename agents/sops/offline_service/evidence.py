"""Selectors of the evidence that offline-service decisions cite (domain.md, "Offline service").

A selector whose fact is absent returns nothing.
"""

from __future__ import annotations

from agents.case.evaluation import Evidence
from agents.sops.offline_service.assessment import Assessment

Cited = tuple[Evidence, ...]


def ticket(a: Assessment) -> Cited:
    """Return the earliest qualifying ticket."""
    return (a.tickets[0].created,)


def proof(a: Assessment) -> Cited:
    """Return the proof that counts."""
    return (a.proof,) if a.proof else ()


def identification(a: Assessment) -> Cited:
    """Return the latest identification of the partner."""
    return (a.identification,) if a.identification else ()


def booking(a: Assessment) -> Cited:
    """Return the booking."""
    return (a.view.booking,) if a.view.booking else ()


def cancellation(a: Assessment) -> Cited:
    """Return the latest cancellation."""
    return a.view.cancellations[-1:]


def ticket_closings(a: Assessment) -> Cited:
    """Return the earliest closing of each qualifying ticket."""
    return tuple(ticket.closings[0] for ticket in a.tickets if ticket.closings)


def line_items(a: Assessment) -> Cited:
    """Return the extras on the booking."""
    return a.line_items


def refund_request(a: Assessment) -> Cited:
    """Return the earliest request for a refund."""
    return (a.refund_request,) if a.refund_request else ()
