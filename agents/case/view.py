"""A case's facts, sorted into booking, tickets and engagements (domain.md, "Reading the facts").

A view is a pure function of the set of facts, so the order of arrival has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar, cast

from msgspec import Struct

from schemas.events import (
    AnyEvent,
    CallLogged,
    CancellationRecorded,
    Event,
    EventData,
    JobAssigned,
    JobBooked,
    JobClosed,
    JobStartBlocked,
    JobStarted,
    LineItemAdded,
    MediaAdded,
    PartnerIdentified,
    PaymentProofAdded,
    RefundRequested,
    TicketClosed,
    TicketCreated,
    TicketValidated,
)

T = TypeVar("T", bound=EventData)
Facts = tuple[Event[T], ...]

CLAIM_KIND: Final = "out_of_scope"
"""The kind of ticket that is a claim (domain.md, "Engagements")."""
OFFLINE_KINDS: Final = ("offline_service", "poor_service")


class Ticket(Struct, frozen=True):
    """A ticket: its earliest creation and everything added to it, each kind in fact order."""

    created: Event[TicketCreated]
    media: Facts[MediaAdded]
    calls: Facts[CallLogged]
    validations: Facts[TicketValidated]
    identifications: Facts[PartnerIdentified]
    proofs: Facts[PaymentProofAdded]
    refund_requests: Facts[RefundRequested]
    closings: Facts[TicketClosed]

    @property
    def id(self) -> str:
        """The ticket id."""
        return self.created.data.ticket_id

    @property
    def kind(self) -> str:
        """The kind of the ticket."""
        return self.created.data.kind

    @property
    def is_open(self) -> bool:
        """Whether the ticket has not been closed."""
        return not self.closings


class Engagement(Struct, frozen=True):
    """One partner's part in a case, in fact order; of nobody if `partner_id` is None (domain.md, "Engagements")."""

    partner_id: str | None
    assignments: Facts[JobAssigned]
    started: Facts[JobStarted]
    blocked: Facts[JobStartBlocked]
    closings: Facts[JobClosed]
    cancellations: Facts[CancellationRecorded]
    tickets: tuple[Ticket, ...]
    """All tickets of the engagement, including offline-service tickets that name the partner."""
    is_current: bool
    """Whether the case's latest assignment is to this partner; without any assignment, whether `partner_id` is None."""

    @property
    def oos_tickets(self) -> tuple[Ticket, ...]:
        """The out-of-scope tickets of the engagement, whoever opened them."""
        return tuple(t for t in self.tickets if t.kind == CLAIM_KIND) if self.tickets else ()

    @property
    def rating_tickets(self) -> tuple[Ticket, ...]:
        """The rating-reversal tickets of the engagement."""
        return tuple(t for t in self.tickets if t.kind == "rating_reversal")

    @property
    def partner_group(self) -> str | None:
        """The group of the partner's latest assignment."""
        return self.assignments[-1].data.partner_group if self.assignments else None

    @property
    def job_open(self) -> bool:
        """Whether the job is open for this engagement (domain.md, "Engagements")."""
        return self.is_current and not self.closings and not self.cancellations

    def assignment_at(self, time: int) -> Event[JobAssigned] | None:
        """Return this partner's latest assignment at or before an instant (µs), else the earliest, else None."""
        return assignment_in_force(self.assignments, time)


class CaseView(Struct, frozen=True):
    """All facts of one case, sorted."""

    case_id: str
    facts: tuple[AnyEvent, ...]
    booking: Event[JobBooked] | None
    """The latest booking, which gives site, city, category, premises and appliance use."""
    assignments: Facts[JobAssigned]
    closings: Facts[JobClosed]
    cancellations: Facts[CancellationRecorded]
    line_items: Facts[LineItemAdded]
    """The latest of each line id."""
    tickets: tuple[Ticket, ...]
    engagements: tuple[Engagement, ...]
    """One for each partner named in the case, sorted by partner id; nobody's comes first."""

    @property
    def begins_at(self) -> int | None:
        """Time of the earliest fact (µs), which selects the policy in force (contracts.md, "Policy")."""
        return self.facts[0].time if self.facts else None

    @property
    def job_open(self) -> bool:
        """Whether the job is open for the partner assigned last or, if nobody was assigned, booked and not ended."""
        if self.assignments:
            return any(engagement.job_open for engagement in self.engagements)
        return self.booking is not None and not self.closings and not self.cancellations


def build_case_view(case_id: str, facts: Iterable[AnyEvent]) -> CaseView:
    """Return the view of a case from its facts, in any order."""
    ordered = tuple(sorted(facts, key=lambda fact: fact.order))
    by_type = _FactsByType(ordered)
    bookings = by_type.get(JobBooked)
    latest_of_line = {item.data.line_id: item for item in by_type.get(LineItemAdded)}
    tickets = _tickets(ordered, by_type.get(TicketCreated))
    return CaseView(
        case_id=case_id,
        facts=ordered,
        booking=bookings[-1] if bookings else None,
        assignments=by_type.get(JobAssigned),
        closings=by_type.get(JobClosed),
        cancellations=by_type.get(CancellationRecorded),
        line_items=tuple(sorted(latest_of_line.values(), key=lambda item: item.order)),
        tickets=tickets,
        engagements=_engagements(ordered, tickets, by_type.get(JobAssigned), by_type.get(JobClosed)),
    )


def assignment_in_force(assignments: Sequence[Event[JobAssigned]], time: int) -> Event[JobAssigned] | None:
    """Return the latest of ordered assignments at or before an instant (µs), else the earliest, else None."""
    found = assignments[0] if assignments else None
    for assignment in assignments:
        if assignment.time > time:
            break
        found = assignment
    return found


class _FactsByType:
    """Facts by the type of their data, each type in the order given."""

    __slots__ = ("_facts",)

    def __init__(self, facts: Iterable[AnyEvent]) -> None:
        self._facts: dict[type, list[AnyEvent]] = {}
        for fact in facts:
            self._facts.setdefault(type(fact.data), []).append(fact)

    def get(self, data_type: type[T]) -> Facts[T]:
        return cast("Facts[T]", tuple(self._facts.get(data_type, ())))


def _tickets(facts: Sequence[AnyEvent], creations: Facts[TicketCreated]) -> tuple[Ticket, ...]:
    """Collect what was added to each ticket; facts about a ticket whose creation is not known are left out."""
    earliest: dict[str, Event[TicketCreated]] = {}
    for created in creations:
        earliest.setdefault(created.data.ticket_id, created)
    if not earliest:
        return ()
    added: dict[str, list[AnyEvent]] = {ticket_id: [] for ticket_id in earliest}
    for fact in facts:
        of_ticket = added.get(getattr(fact.data, "ticket_id", ""))
        if of_ticket is not None:
            of_ticket.append(fact)
    return tuple(_ticket(created, _FactsByType(added[ticket_id])) for ticket_id, created in earliest.items())


def _ticket(created: Event[TicketCreated], added: _FactsByType) -> Ticket:
    return Ticket(
        created=created,
        media=added.get(MediaAdded),
        calls=added.get(CallLogged),
        validations=added.get(TicketValidated),
        identifications=added.get(PartnerIdentified),
        proofs=added.get(PaymentProofAdded),
        refund_requests=added.get(RefundRequested),
        closings=added.get(TicketClosed),
    )


def _engagements(
    facts: Sequence[AnyEvent],
    tickets: tuple[Ticket, ...],
    assignments: Facts[JobAssigned],
    closings: Facts[JobClosed],
) -> tuple[Engagement, ...]:
    """Divide tickets and facts among the partners (domain.md, "Engagements")."""
    tickets_of: dict[str | None, list[Ticket]] = {}
    for ticket in tickets:
        if ticket.kind not in OFFLINE_KINDS or ticket.created.data.partner_id is not None:
            tickets_of.setdefault(_owner_of_ticket(ticket, assignments, closings), []).append(ticket)
    facts_of: dict[str | None, list[AnyEvent]] = {}
    for fact in facts:
        data = fact.data
        if isinstance(data, CancellationRecorded):
            owner = data.partner_id or _partner_in_force(assignments, fact.time)
            facts_of.setdefault(owner, []).append(fact)
        elif isinstance(data, (JobAssigned, JobStarted, JobStartBlocked, JobClosed)):
            facts_of.setdefault(data.partner_id, []).append(fact)
    current = assignments[-1].data.partner_id if assignments else None
    partners = sorted(tickets_of.keys() | facts_of.keys(), key=lambda partner: (partner is not None, partner or ""))
    return tuple(
        _engagement(partner, facts_of.get(partner, ()), tickets_of.get(partner, ()), is_current=partner == current)
        for partner in partners
    )


def _owner_of_ticket(ticket: Ticket, assignments: Facts[JobAssigned], closings: Facts[JobClosed]) -> str | None:
    created = ticket.created
    if created.data.partner_id is not None:
        return created.data.partner_id
    if ticket.kind == "rating_reversal":
        closings_before = [closing for closing in closings if closing.order < created.order]
        if closings_before:
            return closings_before[-1].data.partner_id
    return _partner_in_force(assignments, created.time)


def _partner_in_force(assignments: Facts[JobAssigned], time: int) -> str | None:
    assignment = assignment_in_force(assignments, time)
    return assignment.data.partner_id if assignment else None


def _engagement(
    partner_id: str | None, facts: Sequence[AnyEvent], tickets: Sequence[Ticket], *, is_current: bool
) -> Engagement:
    by_type = _FactsByType(facts)
    return Engagement(
        partner_id=partner_id,
        assignments=by_type.get(JobAssigned),
        started=by_type.get(JobStarted),
        blocked=by_type.get(JobStartBlocked),
        closings=by_type.get(JobClosed),
        cancellations=by_type.get(CancellationRecorded),
        tickets=tuple(tickets),
        is_current=is_current,
    )
