"""The evidence of out-of-scope decisions: one function per selector of the tables (domain, "Decisions").

A selector whose fact is not there returns nothing, so that "if there is one" needs no condition in a table.
"""

from __future__ import annotations

from agents.presence.presence import presence_evidence
from agents.sop.out_of_scope.assessment import NOTHING_TO_PHOTOGRAPH, Assessment, commercial_tickets
from agents.verdict import Citable

Evidence = tuple[Citable, ...]


def claim(a: Assessment) -> Evidence:
    """Return the claim's ticket, if there is one."""
    return (a.claim.created,) if a.claim else ()


def verdict(a: Assessment) -> Evidence:
    """Return the latest validation, if there is one."""
    return (a.verdict,) if a.verdict else ()


def images(a: Assessment) -> Evidence:
    """Return the first images that make the proof, or the booking where it alone made them needless (OOS-6, OOS-13)."""
    if a.images_needed:
        return a.images[: a.policy.proof.min_images]
    reason = a.claim.created.data.reason if a.claim else None
    if reason in NOTHING_TO_PHOTOGRAPH or a.view.booking is None:
        return ()
    return (a.view.booking,)


def on_site(a: Assessment) -> Evidence:
    """Return what shows the earliest moment at which the partner was on site."""
    return presence_evidence(a.engagement, a.view, a.presence, "on_site")


def off_site(a: Assessment) -> Evidence:
    """Return what shows the earliest moment at which the partner was off site."""
    return presence_evidence(a.engagement, a.view, a.presence, "off_site")


def mark(a: Assessment) -> Evidence:
    """Return the earliest cancellation marked against the partner, if any is."""
    return tuple(c for c in a.engagement.cancellations if c.data.marked_against == "partner")[:1]


def partners(a: Assessment) -> Evidence:
    """Return the partner's earliest own cancellation, if there is one."""
    return tuple(c for c in a.engagement.cancellations if c.data.by == "partner")[:1]


def end(a: Assessment) -> Evidence:
    """Return the earliest cancellation of any kind, if there is one."""
    return a.engagement.cancellations[:1]


def route(a: Assessment) -> Evidence:
    """Return what made the route: the booking, and the assignment or the ticket that made it special."""
    booking = a.view.booking
    if booking is None:
        return ()
    if a.route == "bpc_only":
        return (booking, *a.engagement.assignments[-1:])
    if a.route == "commercial" and booking.data.premises != "commercial":
        return (booking, *(t.created for t in commercial_tickets(a.engagement)[:1]))
    return (booking,)
