"""Was the partner at the site? The moments of an engagement and what the readings say of them (domain, "Presence")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct, structs

from agents.case.view import CaseView, Engagement
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, PresenceQueryKey, PresenceRules
from agents.verdict import Citable
from schemas.events import AnyEvent, Site

State = Literal["on_site", "off_site", "unknown"]
PresenceAnswers = Mapping[PresenceQueryKey, PresenceAnswer]


class PresenceAt(Struct, frozen=True):
    """What is known of the partner at one moment: the moment's own fact and the reading (None: not there yet)."""

    fact: AnyEvent
    reading: PresenceAnswer | None
    state: State

    @property
    def sighting(self) -> LocationFix | None:
        """The valid report closest to the moment."""
        return self.reading.closest if self.reading else None


class Presence(Struct, frozen=True):
    """An engagement's presence: its moments in fact order, those that matter to the SOP and the other cancellations."""

    matters: tuple[PresenceAt, ...]
    cancellations: tuple[PresenceAt, ...]
    """At every cancellation of the engagement, whoever cancelled (for alerts only)."""

    @property
    def sightings(self) -> Iterator[LocationFix]:
        """The reports that its readings tell of."""
        for at in (*self.matters, *self.cancellations):
            if at.reading is not None:
                yield from at.reading.sightings

    @property
    def state(self) -> State:
        """`on_site` if at any moment that matters, else `off_site` if at any, else `unknown`."""
        states = {at.state for at in self.matters}
        return "on_site" if "on_site" in states else "off_site" if "off_site" in states else "unknown"


NO_MOMENTS: Final = Presence((), ())


def moments(history: CaseView, rules: PresenceRules) -> tuple[PresenceQuery, ...]:
    """Return every moment of a case to ask about, in fact order per engagement; about nobody nothing is asked."""
    return tuple(moment for engagement in history.engagements for moment in _moments(engagement, history, rules))


def presence(engagement: Engagement, history: CaseView, readings: PresenceAnswers, rules: PresenceRules) -> Presence:
    """Return where the partner was at its moments, seen from the site as it stands now.

    A reading of another window does not count; one of another site does, but not what it says of a stay.
    """
    if not engagement.oos_tickets and not engagement.cancellations:
        return NO_MOMENTS
    asked = {moment.fact: moment for moment in _moments(engagement, history, rules)}
    site = _site(history)

    def at(fact: AnyEvent) -> PresenceAt:
        moment = asked.get(fact.ref)
        reading = readings.get(moment.key) if moment else None
        if moment is None or reading is None or reading.moment.window != moment.window:
            return PresenceAt(fact, None, "unknown")
        known = reading if reading.moment == moment else structs.replace(reading, stay=None)
        return PresenceAt(fact, known, _state(known, site, rules))

    return Presence(
        matters=tuple(at(fact) for fact in _that_matter(engagement)),
        cancellations=tuple(at(fact) for fact in engagement.cancellations),
    )


def cited(engagement: Engagement, history: CaseView, presence: Presence, state: State) -> tuple[Citable, ...]:
    """Return the evidence for a state: the earliest such moment, its report, the booking, the assignment at it."""
    found = next((at for at in presence.matters if at.state == state), None)
    if found is None:
        return ()
    evidence = (found.fact, found.sighting, history.booking, engagement.assignment_at(found.fact.time))
    return tuple(each for each in evidence if each is not None)


def _moments(engagement: Engagement, history: CaseView, rules: PresenceRules) -> list[PresenceQuery]:
    """Return the moments of an engagement to ask about, in fact order."""
    partner_id = engagement.partner_id
    if partner_id is None or not (engagement.oos_tickets or engagement.cancellations):
        return []
    site = _site(history)
    return [
        PresenceQuery(history.case_id, partner_id, fact.ref, fact.time, site if asks_stay else None, rules, asks_stay)
        for fact, asks_stay in _asked(engagement)
    ]


def _that_matter(engagement: Engagement) -> list[AnyEvent]:
    """Creation of each out-of-scope ticket, each image the partner added to one, each cancellation by the partner."""
    facts: list[AnyEvent] = [ticket.created for ticket in engagement.oos_tickets]
    facts += [m for ticket in engagement.oos_tickets for m in ticket.media if m.data.added_by == "partner"]
    facts += [c for c in engagement.cancellations if c.data.by == "partner"]
    return sorted(facts, key=lambda fact: fact.order)


def _asked(engagement: Engagement) -> list[tuple[AnyEvent, bool]]:
    """What to ask about, each with whether it is a cancellation (then a later stay matters as well)."""
    others = [c for c in engagement.cancellations if c.data.by != "partner"]
    cancelled = {c.ref for c in engagement.cancellations}
    facts = sorted([*_that_matter(engagement), *others], key=lambda fact: fact.order)
    return [(fact, fact.ref in cancelled) for fact in facts]


def _site(history: CaseView) -> Site | None:
    return history.booking.data.site if history.booking else None


def _state(reading: PresenceAnswer, site: Site | None, rules: PresenceRules) -> State:
    metres = reading.distance_m(reading.closest, site) if reading.closest else None
    if metres is None:
        return "unknown"
    return "on_site" if metres <= rules.radius_m else "off_site"
