"""The facts about an engagement in which the customer was called in vain."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from agents.case.presence import PresenceAt, PresenceFact
from agents.case.view import CaseView, Engagement
from agents.sops.contract import CaseContext
from schemas.events import CallLogged, Event
from schemas.policy.model import Policy

from .policy import CustomerNotAvailable


class Assessment(Struct, frozen=True):
    """The calls in vain of one engagement, at least one, and where the partner was at each."""

    view: CaseView
    engagement: Engagement
    policy: Policy
    calls: tuple[Event[CallLogged], ...]
    presence: tuple[PresenceAt, ...]

    @property
    def case_id(self) -> str:
        """The case."""
        return self.view.case_id

    @property
    def partner_id(self) -> str | None:
        """The partner of the engagement."""
        return self.engagement.partner_id

    @property
    def ticket_id(self) -> None:
        """None: nothing here is about a ticket."""
        return

    @property
    def waited(self) -> int:
        """How long the partner waited: from the first call to the last, in microseconds."""
        return self.calls[-1].time - self.calls[0].time

    @property
    def has_called_enough(self) -> bool:
        """The customer was called as often as the policy asks for."""
        return len(self.calls) >= self.policy[CustomerNotAvailable].calls

    @property
    def has_waited(self) -> bool:
        """The partner waited as long as the policy asks for."""
        return self.waited >= self.policy[CustomerNotAvailable].wait

    @property
    def was_off_site(self) -> bool:
        """The partner was away from the site at some call."""
        return any(at.state == "off_site" for at in self.presence)

    @property
    def presence_is_unknown(self) -> bool:
        """Nothing shows where the partner was at some call."""
        return any(at.state == "unknown" for at in self.presence)


def calls_in_vain(engagement: Engagement) -> tuple[Event[CallLogged], ...]:
    """Return the calls in which the customer was unreachable, in fact order."""
    calls = [call for ticket in engagement.tickets for call in ticket.calls]
    in_vain = [call for call in calls if call.data.party == "customer" and call.data.outcome == "unreachable"]
    return tuple(sorted(in_vain, key=lambda call: call.order))


def presence_facts(engagement: Engagement) -> Iterator[PresenceFact]:
    """Yield the calls in vain: it matters where the partner was at each."""
    return (PresenceFact(call) for call in calls_in_vain(engagement))


def assess(case: CaseContext) -> Iterator[Assessment]:
    """Yield the facts about each engagement with a call in vain."""
    for engagement, presence in zip(case.view.engagements, case.presence, strict=True):
        calls = calls_in_vain(engagement)
        if calls:
            yield Assessment(case.view, engagement, case.policy, calls, tuple(presence.at(call) for call in calls))
