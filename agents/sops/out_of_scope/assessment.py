"""The facts that the out-of-scope SOP establishes about an engagement: claim, genuineness, route, presence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from agents.case.cities import is_among
from agents.case.view import CaseView, Engagement, Ticket
from agents.sops.contract import CaseContext
from agents.sops.out_of_scope.policy import BpcOnly, Proof, TicketFlow
from agents.sops.out_of_scope.presence import Presence, presence
from schemas.events import CancellationRecorded, Event, MediaAdded, TicketValidated
from schemas.policy.model import Policy

Genuineness = Literal["none", "not_genuine", "genuine", "pending"]
Route = Literal["unknown", "bpc_only", "commercial", "ticketed", "manual"]

NOTHING_TO_PHOTOGRAPH: Final = ("otp_refused", "payment_refused")
"""Reasons of a claim that no image could show."""
CLAIMING_REASONS: Final = ("out_of_scope", "pro_cannot_deliver", "cant_deliver")
"""Reasons with which a partner who cancels claims that the work cannot be delivered."""


class Assessment(Struct, frozen=True, kw_only=True):
    """The facts about one engagement, before any decision (domain.md, "Reading the facts")."""

    view: CaseView
    engagement: Engagement
    presence: Presence
    policy: Policy
    route: Route
    claim: Ticket | None
    """The ticket that the latest validation names, else the earliest out-of-scope ticket."""
    verdict: Event[TicketValidated] | None
    """The latest validation of any out-of-scope ticket of the engagement."""
    images: tuple[Event[MediaAdded], ...]
    """The distinct images on the out-of-scope tickets, each at its first appearance, in fact order."""
    images_needed: bool
    images_enough: bool
    """At least as many distinct images were added as the policy requires (OOS-13)."""
    genuineness: Genuineness

    @property
    def partner_id(self) -> str | None:
        """The partner of the engagement; None where the facts name nobody."""
        return self.engagement.partner_id

    # the claim

    @property
    def is_claimed(self) -> bool:
        """Out of scope is claimed: by a ticket, or by the reason with which the partner cancelled."""
        return self.claim is not None or any(c.data.reason in CLAIMING_REASONS for c in self.own_cancellations)

    @property
    def is_genuine(self) -> bool:
        """The claim was validated as genuine and is proven as far as it needs to be (OOS-1, OOS-13, OOS-21)."""
        return self.genuineness == "genuine"

    @property
    def is_not_genuine(self) -> bool:
        """The latest validation refused the claim."""
        return self.genuineness == "not_genuine"

    @property
    def is_pending(self) -> bool:
        """The claim is not validated yet, or lacks the images that it needs."""
        return self.genuineness == "pending"

    @property
    def may_be_genuine(self) -> bool:
        """The claim is genuine or still pending."""
        return self.is_genuine or self.is_pending

    @property
    def has_no_ticket(self) -> bool:
        """The engagement has no out-of-scope ticket."""
        return self.genuineness == "none"

    @property
    def partner_opened_a_ticket(self) -> bool:
        """The partner opened an out-of-scope ticket."""
        return any(ticket.created.data.opened_by == "partner" for ticket in self.engagement.oos_tickets)

    @property
    def lacks_images(self) -> bool:
        """The claim needs images that are not there."""
        return self.images_needed and not self.images_enough

    @property
    def is_commercial_appliance(self) -> bool:
        """The booking itself shows an appliance that is out of scope (OOS-6)."""
        return _is_commercial_appliance(self.view)

    # how the engagement ended

    @property
    def own_cancellations(self) -> tuple[Event[CancellationRecorded], ...]:
        """The cancellations by the partner, in fact order."""
        cancellations = self.engagement.cancellations
        return tuple(c for c in cancellations if c.data.by == "partner") if cancellations else ()

    @property
    def marked_cancellations(self) -> tuple[Event[CancellationRecorded], ...]:
        """The cancellations marked against the partner, in fact order (OOS-18)."""
        cancellations = self.engagement.cancellations
        return tuple(c for c in cancellations if c.data.marked_against == "partner") if cancellations else ()

    @property
    def is_cancelled(self) -> bool:
        """Somebody cancelled."""
        return bool(self.engagement.cancellations)

    @property
    def is_marked(self) -> bool:
        """A cancellation is marked against the partner (OOS-18)."""
        return bool(self.marked_cancellations)

    @property
    def partner_cancelled(self) -> bool:
        """The partner cancelled, for whatever reason."""
        return bool(self.own_cancellations)

    @property
    def is_closed(self) -> bool:
        """The partner closed the job."""
        return bool(self.engagement.closings)

    @property
    def is_closed_at_bpc(self) -> bool:
        """The latest closing is at BPC."""
        return self.is_closed and self.engagement.closings[-1].data.closure == "bpc"

    # where the partner was (OOS-7) and which way the SOP goes

    @property
    def was_off_site(self) -> bool:
        """The partner was reported away from the site, and never at it."""
        return self.presence.state == "off_site"

    @property
    def was_on_site(self) -> bool:
        """The partner was reported at the site."""
        return self.presence.state == "on_site"

    @property
    def presence_is_unknown(self) -> bool:
        """Nothing shows where the partner was."""
        return self.presence.state == "unknown"

    @property
    def is_bpc_only(self) -> bool:
        """The partner may only close at BPC (OOS-2)."""
        return self.route == "bpc_only"

    @property
    def is_commercial(self) -> bool:
        """Commercial premises outside the ticket flow (OOS-12): presence does not matter there."""
        return self.route == "commercial"

    @property
    def is_ticketed(self) -> bool:
        """The in-app ticket flow is open in the city."""
        return self.route == "ticketed"


def assess(case: CaseContext) -> Iterator[Assessment]:
    """Yield the facts about every engagement of a case."""
    for engagement, seen in zip(case.view.engagements, case.presence, strict=True):
        yield _assess(case, engagement, presence(engagement, seen))


def _assess(case: CaseContext, engagement: Engagement, seen: Presence) -> Assessment:
    claim, verdict = _claim(engagement)
    images = _distinct_images(engagement)
    is_visible = claim is None or claim.created.data.reason not in NOTHING_TO_PHOTOGRAPH
    images_needed = is_visible and not _is_commercial_appliance(case.view)
    images_enough = len(images) >= case.policy[Proof].min_images
    return Assessment(
        view=case.view,
        engagement=engagement,
        presence=seen,
        policy=case.policy,
        route=_route(case.view, engagement, case.policy),
        claim=claim,
        verdict=verdict,
        images=images,
        images_needed=images_needed,
        images_enough=images_enough,
        genuineness=_genuineness(claim, verdict, is_proven=images_enough or not images_needed),
    )


def _is_commercial_appliance(view: CaseView) -> bool:
    return view.booking is not None and view.booking.data.appliance_use == "commercial"


def _claim(engagement: Engagement) -> tuple[Ticket | None, Event[TicketValidated] | None]:
    """Return the claim and its verdict: the latest validation of any of the engagement's tickets picks both."""
    tickets = engagement.oos_tickets
    validated = [(validation, ticket) for ticket in tickets for validation in ticket.validations]
    if validated:
        verdict, claim = max(validated, key=lambda pair: pair[0].order)
        return claim, verdict
    return (tickets[0] if tickets else None), None


def _distinct_images(engagement: Engagement) -> tuple[Event[MediaAdded], ...]:
    """Return the distinct images, told apart by digest or else by link, from anyone (OOS-13)."""
    media = sorted((m for t in engagement.oos_tickets for m in t.media), key=lambda m: m.order)
    first: dict[tuple[str, str], Event[MediaAdded]] = {}
    for image in media:
        key = ("sha256", image.data.sha256.lower()) if image.data.sha256 else ("url", image.data.url)
        first.setdefault(key, image)
    return tuple(first.values())


def _genuineness(claim: Ticket | None, verdict: Event[TicketValidated] | None, *, is_proven: bool) -> Genuineness:
    """Return whether it is established that nobody can deliver the work (domain.md, "Genuineness")."""
    if claim is None:
        return "none"
    if verdict is None:
        return "pending"
    if verdict.data.verdict == "not_genuine":
        return "not_genuine"
    return "genuine" if is_proven else "pending"


def _route(view: CaseView, engagement: Engagement, policy: Policy) -> Route:
    """Return the first route that fits (domain.md, "Route")."""
    if view.booking is None:
        return "unknown"
    booking = view.booking.data
    if engagement.partner_group in policy[BpcOnly].groups and is_among(booking.city, policy[BpcOnly].cities, policy):
        return "bpc_only"
    is_live = is_among(booking.city, policy[TicketFlow].live_cities, policy)
    is_excluded = booking.category in policy[TicketFlow].excluded_commercial_categories
    is_commercial = booking.premises == "commercial" or bool(commercial_tickets(engagement))
    if is_commercial and (not is_live or is_excluded):
        return "commercial"
    return "ticketed" if is_live else "manual"


def commercial_tickets(engagement: Engagement) -> tuple[Ticket, ...]:
    """Return the out-of-scope tickets that name commercial premises as their reason, earliest first."""
    return tuple(t for t in engagement.oos_tickets if t.created.data.reason == "commercial_premises")
