"""What the facts of one engagement amount to (domain, "Reading the facts"): claim, genuineness, route."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from agents.case.view import CaseView, Engagement, Ticket
from agents.cities import is_among
from agents.presence.presence import Presence
from schemas.events import Event, MediaAdded, TicketValidated
from schemas.policy.model import Policy

Genuineness = Literal["none", "not_genuine", "genuine", "pending"]
Route = Literal["unknown", "bpc_only", "commercial", "ticketed", "manual"]

NOTHING_TO_PHOTOGRAPH: Final = ("otp_refused", "payment_refused")
"""Reasons of a claim that no image could show."""
CLAIMING_REASONS: Final = ("out_of_scope", "pro_cannot_deliver", "cant_deliver")
"""Reasons with which a partner who cancels claims that the work cannot be delivered."""


class Assessment(Struct, frozen=True, kw_only=True):
    """What the facts of one engagement amount to, before any decision."""

    view: CaseView
    engagement: Engagement
    presence: Presence
    policy: Policy
    route: Route
    claim: Ticket | None
    """The ticket that the latest validation names, else the earliest out-of-scope one (None: there is none)."""
    verdict: Event[TicketValidated] | None
    """The latest validation of any out-of-scope ticket of the engagement."""
    images: tuple[Event[MediaAdded], ...]
    """The distinct images on the out-of-scope tickets, each at its first appearance, in fact order."""
    images_needed: bool
    genuineness: Genuineness

    @property
    def images_enough(self) -> bool:
        """Tell whether as many distinct images are there as a proof takes (OOS-13)."""
        return len(self.images) >= self.policy.proof.min_images

    @property
    def marked(self) -> bool:
        """Tell whether some cancellation of the engagement is marked against the partner (OOS-18)."""
        return any(c.data.marked_against == "partner" for c in self.engagement.cancellations)

    @property
    def partner_cancelled(self) -> bool:
        """Tell whether the partner cancelled, whatever the reason."""
        return any(c.data.by == "partner" for c in self.engagement.cancellations)

    @property
    def concerned(self) -> bool:
        """Tell whether out of scope is claimed at all: by a ticket, or by the reason of the partner's cancellation."""
        return self.claim is not None or any(
            c.data.by == "partner" and c.data.reason in CLAIMING_REASONS for c in self.engagement.cancellations
        )

    @property
    def commercial_appliance(self) -> bool:
        """Tell whether the booking itself shows an appliance that is out of scope (OOS-6)."""
        return _commercial_appliance(self.view)


def assess(view: CaseView, engagement: Engagement, presence: Presence, policy: Policy) -> Assessment:
    """Return what the facts of an engagement amount to; `presence` is that of its own partner."""
    claim, verdict = _claim(engagement)
    images = _distinct_images(engagement)
    visible = claim is None or claim.created.data.reason not in NOTHING_TO_PHOTOGRAPH
    needed = visible and not _commercial_appliance(view)
    proven = len(images) >= policy.proof.min_images or not needed
    return Assessment(
        view=view,
        engagement=engagement,
        presence=presence,
        policy=policy,
        route=_route(view, engagement, policy),
        claim=claim,
        verdict=verdict,
        images=images,
        images_needed=needed,
        genuineness=_genuineness(claim, verdict, proven=proven),
    )


def _commercial_appliance(view: CaseView) -> bool:
    return view.booking is not None and view.booking.data.appliance_use == "commercial"


def _claim(engagement: Engagement) -> tuple[Ticket | None, Event[TicketValidated] | None]:
    """Return the claim and the verdict on it; validations count whichever of the engagement's tickets they are on."""
    tickets = engagement.oos_tickets
    judged = [(validation, ticket) for ticket in tickets for validation in ticket.validations]
    if judged:
        verdict, claim = max(judged, key=lambda pair: pair[0].order)
        return claim, verdict
    return (tickets[0] if tickets else None), None


def _distinct_images(engagement: Engagement) -> tuple[Event[MediaAdded], ...]:
    """Return the images that differ (OOS-13): told apart by their digest, else by their link, whoever added them."""
    media = sorted((m for t in engagement.oos_tickets for m in t.media), key=lambda m: m.order)
    first: dict[tuple[str, str], Event[MediaAdded]] = {}
    for image in media:
        key = ("sha256", image.data.sha256.lower()) if image.data.sha256 else ("url", image.data.url)
        first.setdefault(key, image)
    return tuple(first.values())


def _genuineness(claim: Ticket | None, verdict: Event[TicketValidated] | None, *, proven: bool) -> Genuineness:
    """OOS-1, OOS-13, OOS-21: whether it is established that no partner of the category can deliver the work."""
    if claim is None:
        return "none"
    if verdict is None:
        return "pending"
    if verdict.data.verdict == "not_genuine":
        return "not_genuine"
    return "genuine" if proven else "pending"


def _route(view: CaseView, engagement: Engagement, policy: Policy) -> Route:
    """OOS-2, OOS-7 to OOS-12: by which way of the SOP the engagement goes, first match."""
    if view.booking is None:
        return "unknown"
    booking = view.booking.data
    if engagement.partner_group in policy.bpc_only.groups and is_among(booking.city, policy.bpc_only.cities, policy):
        return "bpc_only"
    live = is_among(booking.city, policy.ticket_flow.live_cities, policy)
    excluded = booking.category in policy.ticket_flow.excluded_commercial_categories
    commercial = booking.premises == "commercial" or bool(commercial_tickets(engagement))
    if commercial and (not live or excluded):
        return "commercial"
    return "ticketed" if live else "manual"


def commercial_tickets(engagement: Engagement) -> tuple[Ticket, ...]:
    """Return the out-of-scope tickets that name commercial premises as their reason, earliest first."""
    return tuple(t for t in engagement.oos_tickets if t.created.data.reason == "commercial_premises")
