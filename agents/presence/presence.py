"""Whether the partner was at the site, at the facts of an engagement for which it matters (domain.md, "Presence")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct, structs

from agents.case.view import CaseView, Engagement
from agents.presence.queries import LocationFix, PresenceAnswer, PresenceQuery, PresenceQueryKey, PresenceRules
from agents.verdict import Citable
from schemas.events import AnyEvent, Site

# -- what answers say of a partner, for any SOP ------------------------------------------------------------------------

State = Literal["on_site", "off_site", "unknown"]
PresenceAnswers = Mapping[PresenceQueryKey, PresenceAnswer]


class PresenceAt(Struct, frozen=True):
    """A partner's presence at one fact; `answer` is None until one has arrived."""

    fact: AnyEvent
    answer: PresenceAnswer | None
    state: State

    @property
    def fix(self) -> LocationFix | None:
        """The valid report closest in time to the fact."""
        return self.answer.closest if self.answer else None


class Presence(Struct, frozen=True):
    """A partner's presence in an engagement, in fact order.

    `relevant` has the presence facts of the SOP; `cancellations` has every cancellation, whoever cancelled, for alerts.
    """

    relevant: tuple[PresenceAt, ...]
    cancellations: tuple[PresenceAt, ...]

    @property
    def fixes(self) -> Iterator[LocationFix]:
        """All reports in its answers."""
        for at in (*self.relevant, *self.cancellations):
            if at.answer is not None:
                yield from at.answer.fixes

    @property
    def state(self) -> State:
        """`on_site` if so at any presence fact, else `off_site` if so at any, else `unknown`."""
        states = {at.state for at in self.relevant}
        return "on_site" if "on_site" in states else "off_site" if "off_site" in states else "unknown"


NO_PRESENCE: Final = Presence((), ())


def presence_at(
    fact: AnyEvent, query: PresenceQuery | None, answers: PresenceAnswers, site: Site | None, rules: PresenceRules
) -> PresenceAt:
    """Return the presence at a fact, measured from the current site.

    An answer for another window does not count. One for another site counts, apart from its stay.
    """
    answer = answers.get(query.key) if query else None
    if query is None or answer is None or answer.query.window != query.window:
        return PresenceAt(fact, None, "unknown")
    if answer.query != query:
        answer = structs.replace(answer, stay=None)
    metres = answer.distance_m(answer.closest, site) if answer.closest else None
    if metres is None:
        return PresenceAt(fact, answer, "unknown")
    return PresenceAt(fact, answer, "on_site" if metres <= rules.radius_m else "off_site")


# -- the facts that the out-of-scope SOP asks about --------------------------------------------------------------------


def presence_queries(view: CaseView, rules: PresenceRules) -> tuple[PresenceQuery, ...]:
    """Return all presence queries of a case, in fact order per engagement; nobody's engagement has none."""
    return tuple(query for engagement in view.engagements for query in _queries(engagement, view, rules))


def presence(engagement: Engagement, view: CaseView, answers: PresenceAnswers, rules: PresenceRules) -> Presence:
    """Return the presence of an engagement's partner."""
    if not engagement.oos_tickets and not engagement.cancellations:
        return NO_PRESENCE
    queries = {query.fact: query for query in _queries(engagement, view, rules)}
    site = _site(view)

    def at(fact: AnyEvent) -> PresenceAt:
        return presence_at(fact, queries.get(fact.ref), answers, site, rules)

    return Presence(
        relevant=tuple(at(fact) for fact in _presence_facts(engagement)),
        cancellations=tuple(at(fact) for fact in engagement.cancellations),
    )


def presence_evidence(engagement: Engagement, view: CaseView, presence: Presence, state: State) -> tuple[Citable, ...]:
    """Return the evidence for a state: the earliest such fact, its report, the booking, the assignment at that time."""
    found = next((at for at in presence.relevant if at.state == state), None)
    if found is None:
        return ()
    evidence = (found.fact, found.fix, view.booking, engagement.assignment_at(found.fact.time))
    return tuple(each for each in evidence if each is not None)


def _queries(engagement: Engagement, view: CaseView, rules: PresenceRules) -> list[PresenceQuery]:
    """Return a query for each presence fact and each cancellation, in fact order; cancellations ask for a stay too."""
    partner_id = engagement.partner_id
    if partner_id is None or not (engagement.oos_tickets or engagement.cancellations):
        return []
    site = _site(view)
    cancellations = {fact.ref for fact in engagement.cancellations}
    facts = {fact.ref: fact for fact in (*_presence_facts(engagement), *engagement.cancellations)}

    def query(fact: AnyEvent) -> PresenceQuery:
        asks_stay = fact.ref in cancellations
        place = site if asks_stay else None
        return PresenceQuery(view.case_id, partner_id, fact.ref, fact.time, place, rules, asks_stay)

    return [query(fact) for fact in sorted(facts.values(), key=lambda fact: fact.order)]


def _presence_facts(engagement: Engagement) -> list[AnyEvent]:
    """Return the creations of OOS tickets, the partner's images for them, and the partner's cancellations."""
    facts: list[AnyEvent] = [ticket.created for ticket in engagement.oos_tickets]
    facts += [image for ticket in engagement.oos_tickets for image in ticket.media if image.data.added_by == "partner"]
    facts += [cancelled for cancelled in engagement.cancellations if cancelled.data.by == "partner"]
    return sorted(facts, key=lambda fact: fact.order)


def _site(view: CaseView) -> Site | None:
    return view.booking.data.site if view.booking else None
