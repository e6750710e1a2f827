"""What a case contributes to the watches (domain.md, "Alerts")."""

from __future__ import annotations

from collections.abc import Iterator

from agents.anomalies.image_key import image_key
from agents.anomalies.messages import Assignment, Claim, Contribution, Use, watch_id
from agents.case.cities import compared
from agents.case.view import CLAIM_KIND, OFFLINE_KINDS, CaseView
from agents.sops.offline_service.assessment import qualifies
from schemas.events import JobBooked, MediaAdded, PaymentProofAdded, TicketCreated
from schemas.policy.model import PolicySet

PROOF, MEDIA, PARTNER, AREA, CITY = "proof", "media", "partner", "area", "city"


def contributions(view: CaseView, policies: PolicySet) -> dict[str, Contribution]:
    """Return what a case contributes, by watch.

    It contributes nothing, which is said as well, to watches to which it may have contributed when fewer of its facts
    were known: what was sent then may be forgotten, if this worker continues where another one died.
    """
    begins_at = view.begins_at
    if begins_at is None or not (view.tickets or view.assignments):
        return {}
    found = {watch: Contribution(watch, view.case_id, begins_at, use=use) for watch, use in _uses(view).items()}
    area, city = _place(view, policies)
    claims = tuple(_claims(view))
    assignments = tuple(Assignment(each.time, each.data.partner_id) for each in view.assignments)
    of_partners = [each for each in claims if each.partner_id is not None]
    partners = {each.partner_id for each in of_partners} | {each.partner_id for each in assignments}
    for partner_id in sorted(each for each in partners if each is not None):
        watch = watch_id(PARTNER, partner_id)
        own = tuple(each for each in of_partners if each.partner_id == partner_id)
        assigned = tuple(each for each in assignments if each.partner_id == partner_id)
        found[watch] = Contribution(watch, view.case_id, begins_at, area, claims=own, assignments=assigned)
    if area is not None and (of_partners or assignments):
        found[area] = Contribution(area, view.case_id, begins_at, claims=tuple(of_partners), assignments=assignments)
    if city is not None and claims:
        found[city] = Contribution(city, view.case_id, begins_at, claims=claims)
    for watch in _earlier_watches(view, policies):
        found.setdefault(watch, Contribution(watch, view.case_id, begins_at))
    return found


def _claims(view: CaseView) -> Iterator[Claim]:
    for engagement in view.engagements:
        for ticket in engagement.oos_tickets[:1]:
            yield Claim(ticket.id, ticket.created.ref, ticket.created.time, engagement.partner_id)


def _uses(view: CaseView) -> dict[str, Use]:
    """Return the earliest use of each image of the case, by watch."""
    proofs = (
        (PROOF, proof.order, proof.ref, image_key(proof.data.sha256, proof.data.proof_url))
        for ticket in view.tickets
        if ticket.kind in OFFLINE_KINDS and qualifies(ticket)
        for proof in ticket.proofs
    )
    media = (
        (MEDIA, image.order, image.ref, image_key(image.data.sha256, image.data.url))
        for ticket in view.tickets
        if ticket.kind == CLAIM_KIND
        for image in ticket.media
    )
    uses: dict[str, Use] = {}
    for kind, order, ref, image in sorted((*proofs, *media), key=lambda each: each[1]):
        if image is not None:
            uses.setdefault(watch_id(kind, image), Use(ref, order[0]))
    return uses


def _place(view: CaseView, policies: PolicySet) -> tuple[str, str] | tuple[None, None]:
    """Return the watches of the case's area and city; None without a booking."""
    if view.booking is None:
        return None, None
    booking = view.booking.data
    city = compared(booking.city, policies.at(view.begins_at))
    return watch_id(AREA, city, booking.category), watch_id(CITY, city)


def _earlier_watches(view: CaseView, policies: PolicySet) -> set[str]:
    """Return the watches to which only a part of the facts would contribute.

    That takes another booking, another policy in force, or another creation of a ticket.
    """
    creations = [fact.data for fact in view.facts if isinstance(fact.data, TicketCreated)]
    has_other_creations = len(creations) > len(view.tickets)
    bookings = [fact.data for fact in view.facts if isinstance(fact.data, JobBooked)]
    places = {(compared(each.city, policy), each.category) for each in bookings for policy in policies.all}
    watches: set[str] = set()
    if len(places) > 1 or has_other_creations:
        for city, category in places:
            watches |= {watch_id(AREA, city, category), watch_id(CITY, city)}
    if has_other_creations:
        watches |= {watch_id(PARTNER, each.partner_id) for each in creations if each.partner_id is not None}
        watches |= set(_images_on(creations, view))
    return watches


def _images_on(creations: list[TicketCreated], view: CaseView) -> Iterator[str]:
    """Yield the watches of the images on tickets, of whichever kind some creation says that they are."""
    kinds: dict[str, set[str]] = {}
    for created in creations:
        kinds.setdefault(created.ticket_id, set()).add(created.kind)
    for fact in view.facts:
        data = fact.data
        if isinstance(data, MediaAdded) and CLAIM_KIND in kinds.get(data.ticket_id, ()):
            kind, image = MEDIA, image_key(data.sha256, data.url)
        elif isinstance(data, PaymentProofAdded) and not kinds.get(data.ticket_id, set()).isdisjoint(OFFLINE_KINDS):
            kind, image = PROOF, image_key(data.sha256, data.proof_url)
        else:
            continue
        if image is not None:
            yield watch_id(kind, image)
