"""The next steps for the desk about an out-of-scope claim (domain.md, "Actions")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from agents.case.view import Engagement, Ticket
from agents.sops.out_of_scope import evidence
from agents.sops.out_of_scope.assessment import Assessment
from agents.sops.out_of_scope.evidence import Cited
from agents.sops.tables import ActionRow, ActionTable, Results
from schemas.events import CallLogged, CallParty, Event
from schemas.timestamps import format_instant


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


class Situation(Struct, frozen=True):
    """What the rows about an engagement look at: the assessment, its decisions and the answers given by phone."""

    a: Assessment
    results: Results
    visit: Reply
    """Whether the partner is willing to visit the site."""
    serve: Reply
    """Whether the partner is willing to serve."""
    cancel: Reply
    """Whether the customer is willing to cancel."""

    @property
    def partner_id(self) -> str | None:
        """The partner of the engagement."""
        return self.a.partner_id

    @property
    def ticket_id(self) -> None:
        """None: the steps are about the engagement."""
        return

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
    def nobody_gives_in(self) -> bool:
        """Commercial premises: the customer does not cancel and the partner does not serve (OOS-12)."""
        return self.a.is_commercial and self.cancel.is_no and self.serve.is_no

    @property
    def partner_replied_since(self) -> bool:
        """The partner said whether to serve after the customer refused to cancel."""
        refusal, reply = self.cancel.call, self.serve.call
        return self.cancel.is_no and refusal is not None and reply is not None and reply.order > refusal.order

    @property
    def cannot_be_done(self) -> bool:
        """The images that the claim needs are there, and the partner was not away from the site (OOS-16)."""
        return (self.a.images_enough or not self.a.images_needed) and not self.a.was_off_site

    @property
    def is_in_ticket_flow(self) -> bool:
        """The route is neither unknown nor special: `ticketed` or `manual`."""
        return self.a.route in ("ticketed", "manual")

    @property
    def customer_should_cancel(self) -> bool:
        """OOS-16 in the ticket flow; OOS-12 on commercial premises that the partner is not willing to serve."""
        return self.cannot_be_done if self.is_in_ticket_flow else self.a.is_commercial and not self.serve.is_yes

    @property
    def customer_cancelled(self) -> bool:
        """The customer cancelled."""
        return any(c.data.by == "customer" for c in self.a.engagement.cancellations)

    @property
    def paf_awaits_presence(self) -> bool:
        """The penalty is under review until somebody finds out where the partner was (P3, P7)."""
        reasons = self.results["paf"].reasons if "paf" in self.results else ()
        return "presence_conflict" in reasons or "presence_unknown" in reasons

    def outcome(self, kind: str) -> str | None:
        """Return the outcome of a kind of decision about the engagement."""
        return next((result.outcome for name, result in self.results.items() if name == kind), None)


class TicketSituation(Struct, frozen=True):
    """What the rows about one out-of-scope ticket look at."""

    s: Situation
    ticket: Ticket

    @property
    def a(self) -> Assessment:
        """The assessment of the engagement."""
        return self.s.a

    @property
    def case_id(self) -> str:
        """The case."""
        return self.a.case_id

    @property
    def partner_id(self) -> str | None:
        """The partner of the engagement."""
        return self.a.partner_id

    @property
    def ticket_id(self) -> str:
        """The ticket."""
        return self.ticket.id

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
        return self.ticket.created.time + self.a.policy.park.duration

    @property
    def lacks_images(self) -> bool:
        """The claim needs images that are not there."""
        return self.a.images_needed and not self.a.images_enough

    @property
    def must_visit(self) -> bool:
        """The ticket needs the partner at the site, who was away from it (OOS-15, OOS-19)."""
        return self.a.was_off_site and not self.a.is_commercial

    @property
    def can_send_images(self) -> bool:
        """The partner is at the site or willing to go there."""
        return not self.a.was_off_site or self.s.visit.is_yes


def situation(a: Assessment, results: Results) -> Situation:
    """Return what the rows about an engagement look at."""
    return Situation(
        a=a,
        results=results,
        visit=_reply(a.engagement, "partner", "will_visit", "refuses_visit"),
        serve=_reply(a.engagement, "partner", "will_serve", "refuses_serve"),
        cancel=_reply(a.engagement, "customer", "will_cancel", "refuses_cancel"),
    )


def ticket_situations(a: Assessment, results: Results) -> Iterator[TicketSituation]:
    """Yield what the rows about a ticket look at, for each out-of-scope ticket of the engagement."""
    if a.engagement.oos_tickets:
        s = situation(a, results)
        yield from (TicketSituation(s, ticket) for ticket in a.engagement.oos_tickets)


def _reply(engagement: Engagement, party: CallParty, yes: str, no: str) -> Reply:
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


def blocked_start(s: Situation) -> Cited:
    """Return the latest start that the customer blocked."""
    return s.a.engagement.blocked[-1:]


def claim_or_blocked_start(s: Situation) -> Cited:
    """Return the claim, and the earliest start that the customer blocked."""
    return (*evidence.claim(s.a), *s.a.engagement.blocked[:1])


def claim(s: Situation) -> Cited:
    """Return the ticket of the claim."""
    return evidence.claim(s.a)


def route(s: Situation | TicketSituation) -> Cited:
    """Return what made the route."""
    return evidence.route(s.a)


def images(s: Situation) -> Cited:
    """Return the images of the claim; on commercial premises they do not matter."""
    return () if s.a.is_commercial else evidence.images(s.a)


def visit(s: Situation) -> Cited:
    """Return the partner's answer about visiting."""
    return s.visit.evidence


def serve(s: Situation) -> Cited:
    """Return the partner's answer about serving."""
    return s.serve.evidence


def cancel(s: Situation) -> Cited:
    """Return the customer's answer about cancelling."""
    return s.cancel.evidence


def refusals(s: Situation) -> Cited:
    """Return why the partner is guided to can't-deliver: route and both answers (OOS-12), or the visit (OOS-14)."""
    return (*route(s), *cancel(s), *serve(s)) if s.a.is_commercial else visit(s)


def paf(s: Situation) -> Cited:
    """Return the evidence of the decision about the penalty."""
    return s.results["paf"].evidence if "paf" in s.results else ()


def rating_reversal(s: Situation) -> Cited:
    """Return the evidence of the decision about the rating."""
    return s.results["rating_reversal"].evidence if "rating_reversal" in s.results else ()


def ticket(t: TicketSituation) -> Cited:
    """Return the creation of the ticket."""
    return (t.ticket.created,)


ENGAGEMENT_ACTIONS: Final[ActionTable[Assessment, Situation]] = ActionTable(
    facts=lambda a, results: (situation(a, results),),
    rows=(
        ActionRow(
            code="advise_close_at_bpc",
            open=lambda s: s.a.is_bpc_only and bool(claim_or_blocked_start(s)) and s.is_job_open,
            done=lambda s: s.a.is_closed_at_bpc,
            clauses=("OOS-2",),
            evidence=(route, claim_or_blocked_start),
        ),
        ActionRow(
            code="ask_partner_to_create_ticket",
            open=lambda s: s.asks_for_ticket and s.a.has_no_ticket and not s.a.is_bpc_only and s.is_job_open,
            done=lambda s: not s.a.has_no_ticket,
            clauses=("OOS-4", "OOS-8"),
            evidence=(blocked_start,),
        ),
        ActionRow(
            code="warn_cancellation_counts",
            open=lambda s: s.refuses_to_go and s.is_job_open,
            done=lambda s: s.a.partner_cancelled,
            clauses=("OOS-14",),
            evidence=(visit,),
        ),
        ActionRow(
            code="guide_partner_cant_deliver",
            open=lambda s: (s.refuses_to_go or s.nobody_gives_in) and s.is_job_open,
            done=lambda s: s.a.partner_cancelled,
            clauses=lambda s: ("OOS-12",) if s.a.is_commercial else ("OOS-14",),
            evidence=(refusals,),
        ),
        ActionRow(
            code="guide_partner_to_serve",
            open=lambda s: s.a.is_commercial and s.serve.is_yes and s.is_job_open,
            done=lambda s: s.a.is_closed,
            clauses=("OOS-11",),
            evidence=(route, serve),
        ),
        ActionRow(
            code="ask_partner_to_serve",
            open=lambda s: s.a.is_commercial and s.cancel.is_no and not s.partner_replied_since and s.is_job_open,
            done=lambda s: s.partner_replied_since,
            clauses=("OOS-12",),
            evidence=(route, cancel),
        ),
        ActionRow(
            code="ask_customer_to_cancel",
            open=lambda s: s.a.may_be_genuine and not s.cancel.is_given and s.customer_should_cancel and s.is_job_open,
            done=lambda s: s.cancel.is_given or s.customer_cancelled,
            clauses=("OOS-12", "OOS-16"),
            params={"reason": lambda s: "commercial_premises" if s.a.is_commercial else "incorrect_service_booked"},
            evidence=(route, claim, images),
        ),
        ActionRow(
            code="ask_partner_to_cancel",
            open=lambda s: s.cancel.is_no and not s.a.is_not_genuine and s.is_in_ticket_flow and s.is_job_open,
            done=lambda s: s.a.partner_cancelled,
            clauses=("OOS-17",),
            params={"reason": "pro_cannot_deliver"},
            evidence=(route, cancel),
        ),
        ActionRow(
            code="verify_presence",
            open=lambda s: s.paf_awaits_presence,
            done=lambda s: "paf" in s.results and s.results["paf"].status == "final",
            clauses=("OOS-7",),
            evidence=(paf,),
        ),
        ActionRow(
            code="follow_genuine_paf",
            open=lambda s: s.outcome("paf") == "reversal_scheduled",
            clauses=("OOS-18",),
            evidence=(paf,),
        ),
        ActionRow(
            code="file_rating_reversal",
            open=lambda s: s.outcome("rating_reversal") == "granted",
            clauses=("OOS-3",),
            evidence=(rating_reversal,),
        ),
    ),
)

TICKET_ACTIONS: Final[ActionTable[Assessment, TicketSituation]] = ActionTable(
    facts=ticket_situations,
    rows=(
        ActionRow(
            code="inform_partner_team_will_connect",
            open=lambda t: t.is_open and t.team_will_connect and not t.partner_is_informed,
            done=lambda t: t.partner_is_informed,
            clauses=("OOS-9",),
            evidence=(ticket, route),
        ),
        ActionRow(
            code="park_ticket",
            open=lambda t: t.is_unresolved,
            done=lambda t: t.is_confirmed,
            until=parking_end,
            clauses=("OOS-9",),
            params={"until": lambda t: format_instant(t.parked_until)},
            evidence=(ticket, route),
        ),
        ActionRow(
            code="call_partner",
            open=lambda t: t.is_unresolved,
            done=lambda t: t.is_confirmed,
            since=parking_end,
            clauses=("OOS-10",),
            due_at=lambda t: t.parked_until,
            evidence=(ticket, route),
        ),
        ActionRow(
            code="close_ticket",
            open=lambda t: t.is_confirmed and t.is_open,
            done=lambda t: not t.is_open,
            clauses=("OOS-10",),
            evidence=(ticket, lambda t: t.confirmation),
        ),
        ActionRow(
            code="ask_partner_for_images",
            open=lambda t: t.is_open and not t.a.is_not_genuine and t.lacks_images and t.can_send_images,
            done=lambda t: t.a.images_enough,
            clauses=("OOS-13",),
            evidence=(ticket, lambda t: evidence.verdict(t.a)),
        ),
        ActionRow(
            code="ask_partner_to_visit_site",
            open=lambda t: t.is_open and t.s.is_job_open and t.must_visit and not t.s.visit.is_given,
            done=lambda t: t.s.visit.is_given or t.a.was_on_site,
            clauses=("OOS-15", "OOS-19"),
            evidence=(ticket, lambda t: evidence.off_site(t.a)),
        ),
    ),
)
