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
    answer: PresenceAnswer | None
    state: State

    @property
    def fix(self) -> LocationFix | None:
        """The valid report closest to the moment."""
        return self.answer.closest if self.answer else None


class Presence(Struct, frozen=True):
    """An engagement's presence: its moments in fact order, those that matter to the SOP and the other cancellations."""

    relevant: tuple[PresenceAt, ...]
    cancellations: tuple[PresenceAt, ...]
    """At every cancellation of the engagement, whoever cancelled (for alerts only)."""

    @property
    def fixes(self) -> Iterator[LocationFix]:
        """The reports that its readings tell of."""
        for at in (*self.relevant, *self.cancellations):
            if at.answer is not None:
                yield from at.answer.fixes

    @property
    def state(self) -> State:
        """`on_site` if at any moment that matters, else `off_site` if at any, else `unknown`."""
        states = {at.state for at in self.relevant}
        return "on_site" if "on_site" in states else "off_site" if "off_site" in states else "unknown"


NO_PRESENCE: Final = Presence((), ())


def presence_queries(view: CaseView, rules: PresenceRules) -> tuple[PresenceQuery, ...]:
    """Return every moment of a case to ask about, in fact order per engagement; about nobody nothing is asked."""
    return tuple(query for engagement in view.engagements for query in _queries(engagement, view, rules))


def presence(engagement: Engagement, view: CaseView, answers: PresenceAnswers, rules: PresenceRules) -> Presence:
    """Return where the partner was at its moments, seen from the site as it stands now.

    A reading of another window does not count; one of another site does, but not what it says of a stay.
    """
    if not engagement.oos_tickets and not engagement.cancellations:
        return NO_PRESENCE
    asked = {query.fact: query for query in _queries(engagement, view, rules)}
    site = _site(view)

    def at(fact: AnyEvent) -> PresenceAt:
        query = asked.get(fact.ref)
        answer = answers.get(query.key) if query else None
        if query is None or answer is None or answer.query.window != query.window:
            return PresenceAt(fact, None, "unknown")
        known = answer if answer.query == query else structs.replace(answer, stay=None)
        return PresenceAt(fact, known, _state(known, site, rules))

    return Presence(
        relevant=tuple(at(fact) for fact in _that_matter(engagement)),
        cancellations=tuple(at(fact) for fact in engagement.cancellations),
    )


def presence_evidence(engagement: Engagement, view: CaseView, presence: Presence, state: State) -> tuple[Citable, ...]:
    """Return the evidence for a state: the earliest such moment, its report, the booking, the assignment at it."""
    found = next((at for at in presence.relevant if at.state == state), None)
    if found is None:
        return ()
    evidence = (found.fact, found.fix, view.booking, engagement.assignment_at(found.fact.time))
    return tuple(each for each in evidence if each is not None)


def _queries(engagement: Engagement, view: CaseView, rules: PresenceRules) -> list[PresenceQuery]:
    """Return the moments of an engagement to ask about, in fact order."""
    partner_id = engagement.partner_id
    if partner_id is None or not (engagement.oos_tickets or engagement.cancellations):
        return []
    site = _site(view)
    return [
        PresenceQuery(view.case_id, partner_id, fact.ref, fact.time, site if asks_stay else None, rules, asks_stay)
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


def _site(view: CaseView) -> Site | None:
    return view.booking.data.site if view.booking else None


def _state(answer: PresenceAnswer, site: Site | None, rules: PresenceRules) -> State:
    metres = answer.distance_m(answer.closest, site) if answer.closest else None
    if metres is None:
        return "unknown"
    return "on_site" if metres <= rules.radius_m else "off_site"
