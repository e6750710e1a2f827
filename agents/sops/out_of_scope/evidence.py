"""Selectors of the evidence that out-of-scope decisions cite (domain.md, "Decisions").

A selector whose fact is absent returns nothing, so that a table needs no "if there is one".
"""

from __future__ import annotations

from agents.case.evaluation import Evidence
from agents.sops.out_of_scope.assessment import NOTHING_TO_PHOTOGRAPH, Assessment, commercial_tickets
from agents.sops.out_of_scope.policy import Proof
from agents.sops.out_of_scope.presence import presence_evidence

Cited = tuple[Evidence, ...]


def claim(a: Assessment) -> Cited:
    """Return the ticket of the claim."""
    return (a.claim.created,) if a.claim else ()


def verdict(a: Assessment) -> Cited:
    """Return the latest validation."""
    return (a.verdict,) if a.verdict else ()


def images(a: Assessment) -> Cited:
    """Return the images that prove the claim, or the booking if that is why none is needed (OOS-6, OOS-13)."""
    if a.images_needed:
        return a.images[: a.policy[Proof].min_images]
    reason = a.claim.created.data.reason if a.claim else None
    if reason in NOTHING_TO_PHOTOGRAPH or a.view.booking is None:
        return ()
    return (a.view.booking,)


def on_site(a: Assessment) -> Cited:
    """Return what shows the earliest fact at which the partner was on site."""
    return presence_evidence(a.view, a.engagement, a.presence, "on_site")


def off_site(a: Assessment) -> Cited:
    """Return what shows the earliest fact at which the partner was off site."""
    return presence_evidence(a.view, a.engagement, a.presence, "off_site")


def mark(a: Assessment) -> Cited:
    """Return the earliest cancellation marked against the partner."""
    return a.marked_cancellations[:1]


def partners(a: Assessment) -> Cited:
    """Return the partner's earliest own cancellation."""
    return a.own_cancellations[:1]


def end(a: Assessment) -> Cited:
    """Return the earliest cancellation by anyone."""
    return a.engagement.cancellations[:1]


def closing(a: Assessment) -> Cited:
    """Return the latest closing."""
    return a.engagement.closings[-1:]


def rating_ticket(a: Assessment) -> Cited:
    """Return the earliest ticket that asks for a rating reversal."""
    return tuple(ticket.created for ticket in a.engagement.rating_tickets[:1])


def route(a: Assessment) -> Cited:
    """Return what the route rests on: the booking, and the assignment or ticket behind an exceptional route."""
    booking = a.view.booking
    if booking is None:
        return ()
    if a.is_bpc_only:
        return (booking, *a.engagement.assignments[-1:])
    if a.is_commercial and booking.data.premises != "commercial":
        return (booking, *(t.created for t in commercial_tickets(a.engagement)[:1]))
    return (booking,)
