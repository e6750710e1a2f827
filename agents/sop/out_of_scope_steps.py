"""What the desk does next about an engagement that may be out of scope: one function per row of the table of actions.

Every row gives a step, open or not, so that one which was open before can be told done from withdrawn.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from agents.case.view import Engagement, Ticket
from agents.sop.out_of_scope import Assessment
from agents.sop.out_of_scope.evidence import Evidence, claim, images, off_site, route, verdict
from agents.verdict import Citable, Deadlines, Step
from schemas.events import CallLogged, CallParty, Event
from schemas.outputs import DecisionBody, DecisionKind
from schemas.timestamps import format_instant

PRESENCE_REASONS: Final = ("presence_conflict", "presence_unknown")
"""Why a PAF (P3, P7) waits for somebody to find out where the partner was."""


class Reply(Struct, frozen=True):
    """The latest answer of a party to a question, on any ticket of the engagement (None: never answered)."""

    call: Event[CallLogged] | None
    is_yes: bool
    is_no: bool

    @property
    def given(self) -> bool:
        """Tell whether the question was ever answered."""
        return self.call is not None

    @property
    def evidence(self) -> Evidence:
        """The call in which the answer was given, if it was."""
        return (self.call,) if self.call else ()


class Situation(Struct, frozen=True):
    """What the rows look at: the assessment, the decisions made on it and the answers given."""

    a: Assessment
    decisions: tuple[DecisionBody, ...]
    visit: Reply
    serve: Reply
    cancel: Reply

    @property
    def engagement(self) -> Engagement:
        """The engagement that the steps are about."""
        return self.a.engagement

    @property
    def off_site(self) -> bool:
        """Tell whether the partner was seen away from the site only."""
        return self.a.presence.state == "off_site"

    def decision(self, kind: DecisionKind) -> DecisionBody | None:
        """Return what is decided of a kind about this engagement."""
        key = (kind, "out_of_scope", self.engagement.partner_id)
        return next((body for body in self.decisions if body.key == key), None)

    def cited(self, body: DecisionBody) -> Evidence:
        """Return the facts and location reports that a decision rests on."""
        fixes = tuple(at.fix for at in self.a.presence.relevant if at.fix is not None)
        known: tuple[Citable, ...] = (*self.a.view.facts, *fixes)
        return tuple(each for each in known if each.ref in body.evidence)


def steps(assessment: Assessment, decisions: tuple[DecisionBody, ...], deadlines: Deadlines) -> tuple[Step, ...]:
    """Return every step of an engagement and of its out-of-scope tickets, open or not.

    Takes all decisions of the case; those of this engagement are looked at.
    """
    situation = Situation(
        a=assessment,
        decisions=decisions,
        visit=_answer(assessment.engagement, "partner", "will_visit", "refuses_visit"),
        serve=_answer(assessment.engagement, "partner", "will_serve", "refuses_serve"),
        cancel=_answer(assessment.engagement, "customer", "will_cancel", "refuses_cancel"),
    )
    of_tickets = (
        step
        for ticket in assessment.engagement.oos_tickets
        for step in (
            *(row(situation, ticket) for row in TICKET_ROWS),
            *_parking(situation, ticket, deadlines),
        )
    )
    return (*(row(situation) for row in ENGAGEMENT_ROWS), *of_tickets)


def _answer(engagement: Engagement, party: CallParty, yes: str, no: str) -> Reply:
    calls = [
        call
        for ticket in engagement.tickets
        for call in ticket.calls
        if call.data.party == party and call.data.outcome in (yes, no)
    ]
    latest = max(calls, key=lambda call: call.order, default=None)
    outcome = latest.data.outcome if latest else None
    return Reply(call=latest, is_yes=outcome == yes, is_no=outcome == no)


# --- One step per engagement ---


def _advise_close_at_bpc(s: Situation) -> Step:
    """OOS-2: the partner may not cancel and closes at BPC."""
    closings = s.engagement.closings
    asked = (*claim(s.a), *s.engagement.blocked[:1])
    return Step(
        code="advise_close_at_bpc",
        partner_id=s.engagement.partner_id,
        open=s.a.route == "bpc_only" and bool(asked) and s.engagement.job_open,
        done=bool(closings) and closings[-1].data.closure == "bpc",
        clauses=("OOS-2",),
        evidence=route(s.a) + asked,
    )


def _ask_partner_to_create_ticket(s: Situation) -> Step:
    """OOS-4, OOS-8: the customer withheld the start code or the payment, and no start followed."""
    blocked, started = s.engagement.blocked[-1:], s.engagement.started[-1:]
    stands = bool(blocked) and not (started and started[0].order > blocked[0].order)
    has_ticket = s.a.claim is not None
    return Step(
        code="ask_partner_to_create_ticket",
        partner_id=s.engagement.partner_id,
        open=stands and not has_ticket and s.a.route != "bpc_only" and s.engagement.job_open,
        done=has_ticket,
        clauses=("OOS-4", "OOS-8"),
        evidence=blocked,
    )


def _refuses_to_go(s: Situation) -> bool:
    """OOS-14: the partner will not visit and was not at the site."""
    away = s.a.presence.state != "on_site" and s.a.route != "commercial"
    return s.visit.is_no and away and s.engagement.job_open


def _warn_cancellation_counts(s: Situation) -> Step:
    """OOS-14: the cancellation will be marked and will count."""
    return Step(
        code="warn_cancellation_counts",
        partner_id=s.engagement.partner_id,
        open=_refuses_to_go(s),
        done=s.a.partner_cancelled,
        clauses=("OOS-14",),
        evidence=s.visit.evidence,
    )


def _guide_partner_cant_deliver(s: Situation) -> Step:
    """OOS-14: will not go; OOS-12: neither does the customer cancel commercial premises nor the partner serve them."""
    commercial = s.a.route == "commercial"
    neither = commercial and s.cancel.is_no and s.serve.is_no and s.engagement.job_open
    return Step(
        code="guide_partner_cant_deliver",
        partner_id=s.engagement.partner_id,
        open=_refuses_to_go(s) or neither,
        done=s.a.partner_cancelled,
        clauses=("OOS-12",) if commercial else ("OOS-14",),
        evidence=route(s.a) + s.cancel.evidence + s.serve.evidence if commercial else s.visit.evidence,
    )


def _guide_partner_to_serve(s: Situation) -> Step:
    """OOS-11: commercial premises, and the partner is willing."""
    return Step(
        code="guide_partner_to_serve",
        partner_id=s.engagement.partner_id,
        open=s.a.route == "commercial" and s.serve.is_yes and s.engagement.job_open,
        done=bool(s.engagement.closings),
        clauses=("OOS-11",),
        evidence=route(s.a) + s.serve.evidence,
    )


def _ask_partner_to_serve(s: Situation) -> Step:
    """OOS-12: the customer of commercial premises will not cancel."""
    refusal, reply = s.cancel.call if s.cancel.is_no else None, s.serve.call
    replied = refusal is not None and reply is not None and reply.order > refusal.order
    return Step(
        code="ask_partner_to_serve",
        partner_id=s.engagement.partner_id,
        open=s.a.route == "commercial" and refusal is not None and not replied and s.engagement.job_open,
        done=replied,
        clauses=("OOS-12",),
        evidence=route(s.a) + s.cancel.evidence,
    )


def _ask_customer_to_cancel(s: Situation) -> Step:
    """OOS-16: the work cannot be done; OOS-12: commercial premises that the partner does not serve."""
    a = s.a
    commercial = a.route == "commercial"
    shown = not a.images_needed or a.images_enough
    cannot_be_done = a.route in ("ticketed", "manual") and shown and not s.off_site
    asks = cannot_be_done or (commercial and not s.serve.is_yes)
    claimed = a.genuineness in ("pending", "genuine")
    return Step(
        code="ask_customer_to_cancel",
        partner_id=s.engagement.partner_id,
        open=claimed and not s.cancel.given and s.engagement.job_open and asks,
        done=s.cancel.given or any(c.data.by == "customer" for c in s.engagement.cancellations),
        clauses=("OOS-12", "OOS-16"),
        evidence=route(a) + claim(a) + (() if commercial else images(a)),
        params={"reason": "commercial_premises" if commercial else "incorrect_service_booked"},
    )


def _ask_partner_to_cancel(s: Situation) -> Step:
    """OOS-17: the customer will not cancel."""
    due = s.cancel.is_no and s.a.genuineness != "not_genuine" and s.a.route in ("ticketed", "manual")
    return Step(
        code="ask_partner_to_cancel",
        partner_id=s.engagement.partner_id,
        open=due and s.engagement.job_open,
        done=s.a.partner_cancelled,
        clauses=("OOS-17",),
        evidence=route(s.a) + s.cancel.evidence,
        params={"reason": "pro_cannot_deliver"},
    )


def _verify_presence(s: Situation) -> Step:
    """OOS-7: the penalty waits for where the partner was (P3, P7)."""
    paf = s.decision("paf")
    return Step(
        code="verify_presence",
        partner_id=s.engagement.partner_id,
        open=paf is not None and any(reason in PRESENCE_REASONS for reason in paf.reasons),
        done=paf is not None and paf.status == "final",
        clauses=("OOS-7",),
        evidence=s.cited(paf) if paf else (),
    )


def _follow_genuine_paf(s: Situation) -> Step:
    """OOS-18: a mark that is to be reversed (P8)."""
    paf = s.decision("paf")
    return Step(
        code="follow_genuine_paf",
        partner_id=s.engagement.partner_id,
        open=paf is not None and paf.outcome == "reversal_scheduled",
        done=False,
        clauses=("OOS-18",),
        evidence=s.cited(paf) if paf else (),
    )


def _file_rating_reversal(s: Situation) -> Step:
    """OOS-3: the reversal was granted."""
    rating = s.decision("rating_reversal")
    return Step(
        code="file_rating_reversal",
        partner_id=s.engagement.partner_id,
        open=rating is not None and rating.outcome == "granted",
        done=False,
        clauses=("OOS-3",),
        evidence=s.cited(rating) if rating else (),
    )


# --- One step per out-of-scope ticket ---


def _inform_partner_team_will_connect(s: Situation, ticket: Ticket) -> Step:
    """OOS-9: the partner at the site hears what comes next."""
    told = any(
        call.data.party == "partner" and call.order > ticket.created.order
        for each in s.engagement.tickets
        for call in each.calls
    )
    settled = told or bool(ticket.validations)
    return Step(
        code="inform_partner_team_will_connect",
        partner_id=s.engagement.partner_id,
        ticket_id=ticket.id,
        open=ticket.is_open and s.a.route == "ticketed" and not s.off_site and not settled,
        done=settled,
        clauses=("OOS-9",),
        evidence=(ticket.created, *route(s.a)),
    )


def _parking(s: Situation, ticket: Ticket, deadlines: Deadlines) -> tuple[Step, Step]:
    """OOS-9, OOS-10: the ticket is parked until its deadline, from then on the partner is called.

    A ticket that was closed before the deadline does not wait for it.
    """
    due = ticket.created.time + s.a.policy.park.duration
    confirmed = bool(_confirmation(ticket))
    closed_before = any(closing.time < due for closing in ticket.closings)
    is_over = s.a.route == "ticketed" and not confirmed and not closed_before and deadlines.passed(due)
    unsettled = ticket.is_open and s.a.route == "ticketed" and not s.off_site and not confirmed
    park = Step(
        code="park_ticket",
        partner_id=s.engagement.partner_id,
        ticket_id=ticket.id,
        open=unsettled and not is_over,
        done=is_over or confirmed,
        clauses=("OOS-9",),
        evidence=(ticket.created, *route(s.a)),
        params={"until": format_instant(due)},
        deadlines=(due,) if is_over else (),
    )
    call = Step(
        code="call_partner",
        partner_id=s.engagement.partner_id,
        ticket_id=ticket.id,
        open=unsettled and is_over,
        done=confirmed,
        clauses=("OOS-10",),
        evidence=(ticket.created, *route(s.a)),
        due_at=due,
        deadlines=(due,) if is_over else (),
    )
    return park, call


def _close_ticket(s: Situation, ticket: Ticket) -> Step:
    """OOS-10: the partner confirmed the resolution."""
    confirmation = _confirmation(ticket)
    return Step(
        code="close_ticket",
        partner_id=s.engagement.partner_id,
        ticket_id=ticket.id,
        open=bool(confirmation) and ticket.is_open,
        done=not ticket.is_open,
        clauses=("OOS-10",),
        evidence=(ticket.created, *confirmation),
    )


def _ask_partner_for_images(s: Situation, ticket: Ticket) -> Step:
    """OOS-13: the verdict hangs on images, whether the job goes on or not."""
    a = s.a
    missing = a.images_needed and not a.images_enough
    there = not s.off_site or s.visit.is_yes
    return Step(
        code="ask_partner_for_images",
        partner_id=s.engagement.partner_id,
        ticket_id=ticket.id,
        open=ticket.is_open and a.genuineness != "not_genuine" and missing and there,
        done=a.images_enough,
        clauses=("OOS-13",),
        evidence=(ticket.created, *verdict(a)),
    )


def _ask_partner_to_visit_site(s: Situation, ticket: Ticket) -> Step:
    """OOS-15, OOS-19: the ticket needs the partner at the site."""
    away = s.off_site and s.a.route != "commercial"
    return Step(
        code="ask_partner_to_visit_site",
        partner_id=s.engagement.partner_id,
        ticket_id=ticket.id,
        open=ticket.is_open and s.engagement.job_open and away and not s.visit.given,
        done=s.visit.given or s.a.presence.state == "on_site",
        clauses=("OOS-15", "OOS-19"),
        evidence=(ticket.created, *off_site(s.a)),
    )


def _confirmation(ticket: Ticket) -> Evidence:
    """Return the first call in which the partner confirmed the resolution on this ticket."""
    calls = (c for c in ticket.calls if c.data.party == "partner" and c.data.outcome == "resolution_confirmed")
    return tuple(calls)[:1]


ENGAGEMENT_ROWS: Final = (
    _advise_close_at_bpc,
    _ask_partner_to_create_ticket,
    _warn_cancellation_counts,
    _guide_partner_cant_deliver,
    _guide_partner_to_serve,
    _ask_partner_to_serve,
    _ask_customer_to_cancel,
    _ask_partner_to_cancel,
    _verify_presence,
    _follow_genuine_paf,
    _file_rating_reversal,
)
TICKET_ROWS: Final = (
    _inform_partner_team_will_connect,
    _close_ticket,
    _ask_partner_for_images,
    _ask_partner_to_visit_site,
)
