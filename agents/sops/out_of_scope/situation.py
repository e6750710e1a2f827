"""What the actions about an out-of-scope claim look at: the assessment, its decisions, the answers given by phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from agents.case.view import Engagement, Ticket
from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import Cited
from agents.sops.out_of_scope.policy import Park
from agents.sops.tables.cells import Results, Situation
from schemas.events import CallLogged, CallParty, Event


class Reply(Struct, frozen=True):
    """The latest answer of a party to a question, on any ticket of the engagement (None: never answered)."""

    call: Event[CallLogged] | None
    is_yes: bool
    is_no: bool

    @property
    def is_given(self) -> bool:
        """The question was answered at least once."""
        return self.call is not None

    @property
    def evidence(self) -> Cited:
        """The call in which the answer was given."""
        return (self.call,) if self.call else ()


class EngagementSituation(Situation[Assessment], frozen=True, kw_only=True):
    """What the rows about an engagement look at: also the answers given by phone."""

    visit: Reply
    """Whether the partner is willing to visit the site."""
    serve: Reply
    """Whether the partner is willing to serve."""
    cancel: Reply
    """Whether the customer is willing to cancel."""

    @property
    def is_job_open(self) -> bool:
        """The job is neither closed nor cancelled, and assigned to this partner."""
        return self.a.engagement.job_open

    @property
    def asks_for_ticket(self) -> bool:
        """The customer withheld the start code or the payment, and the job did not start afterwards."""
        blocked, started = self.a.engagement.blocked[-1:], self.a.engagement.started[-1:]
        return bool(blocked) and not (started and started[0].order > blocked[0].order)

    @property
    def refuses_to_go(self) -> bool:
        """The partner will not visit and was not at the site (OOS-14)."""
        return self.visit.is_no and not self.a.was_on_site and not self.a.is_commercial

    @property
    def both_refuse(self) -> bool:
        """Commercial premises: the customer refuses to cancel and the partner refuses to serve (OOS-12)."""
        return self.a.is_commercial and self.cancel.is_no and self.serve.is_no

    @property
    def partner_replied_since(self) -> bool:
        """The partner said whether to serve after the customer refused to cancel."""
        refusal, reply = self.cancel.call, self.serve.call
        return self.cancel.is_no and refusal is not None and reply is not None and reply.order > refusal.order

    @property
    def cannot_be_done(self) -> bool:
        """The images that the claim needs are there, and the partner was not away from the site (OOS-16)."""
        return not self.a.lacks_images and not self.a.was_off_site

    @property
    def is_in_ticket_flow(self) -> bool:
        """The route is `ticketed` or `manual`."""
        return self.a.route in ("ticketed", "manual")

    @property
    def customer_should_cancel(self) -> bool:
        """OOS-16 in the ticket flow; OOS-12 on commercial premises that the partner is not willing to serve."""
        return self.cannot_be_done if self.is_in_ticket_flow else self.a.is_commercial and not self.serve.is_yes

    @property
    def customer_cancelled(self) -> bool:
        """The customer cancelled."""
        return any(c.data.by == "customer" for c in self.a.engagement.cancellations)


class TicketSituation(EngagementSituation, frozen=True, kw_only=True):
    """What the rows about one out-of-scope ticket look at."""

    ticket: Ticket

    @property
    def is_open(self) -> bool:
        """Nobody closed the ticket."""
        return self.ticket.is_open

    @property
    def confirmation(self) -> Cited:
        """The first call in which the partner confirmed the resolution on this ticket."""
        calls = (c for c in self.ticket.calls if c.data.party == "partner" and c.data.outcome == "resolution_confirmed")
        return tuple(calls)[:1]

    @property
    def is_confirmed(self) -> bool:
        """The partner confirmed the resolution on this ticket."""
        return bool(self.confirmation)

    @property
    def partner_is_informed(self) -> bool:
        """The partner was called after the ticket was created, on any ticket, or the ticket was validated."""
        created = self.ticket.created.order
        calls = (call for ticket in self.a.engagement.tickets for call in ticket.calls)
        return bool(self.ticket.validations) or any(c.data.party == "partner" and c.order > created for c in calls)

    @property
    def team_will_connect(self) -> bool:
        """The ticket flow is open and nothing shows the partner away from the site."""
        return self.a.is_ticketed and not self.a.was_off_site

    @property
    def is_unresolved(self) -> bool:
        """The ticket waits for the partner to confirm the resolution."""
        return self.is_open and self.team_will_connect and not self.is_confirmed

    @property
    def parked_until(self) -> int:
        """When parking ends, in microseconds."""
        return self.ticket.created.time + self.a.policy[Park].duration

    @property
    def must_visit(self) -> bool:
        """The ticket needs the partner at the site, who was away from it (OOS-15, OOS-19)."""
        return self.a.was_off_site and not self.a.is_commercial

    @property
    def can_send_images(self) -> bool:
        """The partner is at the site or willing to go there."""
        return not self.a.was_off_site or self.visit.is_yes


def engagement_situation(a: Assessment, results: Results) -> Iterator[EngagementSituation]:
    """Yield what the rows about an engagement look at."""
    visit, serve, cancel = _replies(a.engagement)
    yield EngagementSituation(a=a, results=results, visit=visit, serve=serve, cancel=cancel)


def ticket_situations(a: Assessment, results: Results) -> Iterator[TicketSituation]:
    """Yield what the rows about a ticket look at, for each out-of-scope ticket of the engagement."""
    visit, serve, cancel = _replies(a.engagement)
    for ticket in a.engagement.oos_tickets:
        yield TicketSituation(a=a, results=results, ticket=ticket, visit=visit, serve=serve, cancel=cancel)


def _replies(engagement: Engagement) -> tuple[Reply, Reply, Reply]:
    return (
        _reply(engagement, "partner", "will_visit", "refuses_visit"),
        _reply(engagement, "partner", "will_serve", "refuses_serve"),
        _reply(engagement, "customer", "will_cancel", "refuses_cancel"),
    )


NO_REPLY: Final = Reply(call=None, is_yes=False, is_no=False)


def _reply(engagement: Engagement, party: CallParty, yes: str, no: str) -> Reply:
    if not engagement.tickets:
        return NO_REPLY
    calls = [
        call
        for ticket in engagement.tickets
        for call in ticket.calls
        if call.data.party == party and call.data.outcome in (yes, no)
    ]
    latest = max(calls, key=lambda call: call.order, default=None)
    outcome = latest.data.outcome if latest else None
    return Reply(call=latest, is_yes=outcome == yes, is_no=outcome == no)


def parking_end(t: TicketSituation) -> int | None:
    """Return when parking ends (microseconds); None where the ticket does not wait for it.

    A ticket that was confirmed, or closed before the end, does not wait.
    """
    is_closed_before = any(closing.time < t.parked_until for closing in t.ticket.closings)
    return t.parked_until if t.a.is_ticketed and not t.is_confirmed and not is_closed_before else None
