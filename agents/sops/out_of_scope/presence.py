"""When the out-of-scope SOP needs to know where the partner was, and what follows from the answers (OOS-7)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from agents.case.evaluation import Evidence
from agents.case.presence import EngagementPresence, PresenceAt, PresenceFact, State
from agents.case.view import CaseView, Engagement
from schemas.events import AnyEvent


class Presence(Struct, frozen=True):
    """Where the partner was: at the deciding facts and, for alerts, at every cancellation by anyone."""

    deciding: tuple[PresenceAt, ...] = ()
    cancellations: tuple[PresenceAt, ...] = ()
    state: State = "unknown"
    """`on_site` if at any fact that decides, else `off_site` if at any, else `unknown`."""


def presence_facts(engagement: Engagement) -> Sequence[PresenceFact]:
    """Return the deciding facts, and all cancellations: after those a stay matters too. Some occur twice."""
    if not engagement.oos_tickets and not engagement.cancellations:
        return ()
    cancellations = (PresenceFact(cancellation, asks_stay=True) for cancellation in engagement.cancellations)
    return (*cancellations, *map(PresenceFact, _deciding(engagement)))


def presence(engagement: Engagement, seen: EngagementPresence) -> Presence:
    """Return where the partner was, in fact order."""
    if not engagement.oos_tickets and not engagement.cancellations:
        return Presence()
    deciding = tuple(seen.at(fact) for fact in _deciding(engagement))
    states = {at.state for at in deciding}
    return Presence(
        deciding=deciding,
        cancellations=tuple(seen.at(fact) for fact in engagement.cancellations),
        state="on_site" if "on_site" in states else "off_site" if "off_site" in states else "unknown",
    )


def presence_evidence(view: CaseView, engagement: Engagement, seen: Presence, state: State) -> tuple[Evidence, ...]:
    """Return what shows a state at the earliest such fact."""
    found = next((at for at in seen.deciding if at.state == state), None)
    return shown_at(view, engagement, found) if found else ()


def shown_at(view: CaseView, engagement: Engagement, at: PresenceAt) -> tuple[Evidence, ...]:
    """Return what shows where the partner was: fact, report, booking, and assignment at that time."""
    shown = (at.fact, at.fix, view.booking, engagement.assignment_at(at.fact.time))
    return tuple(each for each in shown if each is not None)


def _deciding(engagement: Engagement) -> list[AnyEvent]:
    """Creation of each out-of-scope ticket, each image the partner added to one, each cancellation by the partner."""
    facts: list[AnyEvent] = [ticket.created for ticket in engagement.oos_tickets]
    facts += [m for ticket in engagement.oos_tickets for m in ticket.media if m.data.added_by == "partner"]
    facts += [c for c in engagement.cancellations if c.data.by == "partner"]
    return sorted(facts, key=lambda fact: fact.order)
