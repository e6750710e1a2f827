"""A case's facts in their one order, sorted into bookings, tickets and engagements (domain, "Reading the facts").

Everything here is a pure function of the set of facts: the order in which they arrived leaves no trace.
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

OFFLINE_KINDS: Final = ("offline_service", "poor_service")


class Ticket(Struct, frozen=True):
    """A ticket by its earliest creation, with all that was added to it, each in fact order."""

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
        """The ticket's kind."""
        return self.created.data.kind

    @property
    def is_open(self) -> bool:
        """Tell whether nobody closed it."""
        return not self.closings


class Engagement(Struct, frozen=True):
    """One partner's part in a case (None: nobody's), the unit of the out-of-scope decisions; in fact order."""

    partner_id: str | None
    assignments: Facts[JobAssigned]
    started: Facts[JobStarted]
    blocked: Facts[JobStartBlocked]
    closings: Facts[JobClosed]
    cancellations: Facts[CancellationRecorded]
    tickets: tuple[Ticket, ...]
    """All tickets of the engagement, offline ones that name the partner included."""
    is_current: bool
    """The case's latest assignment is this partner's (nobody assigned: the engagement is nobody's)."""

    @property
    def oos_tickets(self) -> tuple[Ticket, ...]:
        """The out-of-scope tickets of the engagement, whoever opened them."""
        return tuple(t for t in self.tickets if t.kind == "out_of_scope") if self.tickets else ()

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
        """Neither closed nor cancelled in this engagement, which is the current one (domain, "Engagements")."""
        return self.is_current and not self.closings and not self.cancellations

    def assignment_at(self, time: int) -> Event[JobAssigned] | None:
        """Return this partner's latest assignment at or before an instant (µs), else its earliest, else None."""
        return in_force(self.assignments, time)


class CaseView(Struct, frozen=True):
    """All facts of one case, sorted."""

    case_id: str
    facts: tuple[AnyEvent, ...]
    booking: Event[JobBooked] | None
    """The latest booking: it gives site, city, category, premises, appliance use."""
    assignments: Facts[JobAssigned]
    closings: Facts[JobClosed]
    cancellations: Facts[CancellationRecorded]
    line_items: Facts[LineItemAdded]
    """The latest of each line id."""
    tickets: tuple[Ticket, ...]
    engagements: tuple[Engagement, ...]
    """One for each partner named in the case, by partner id, nobody's first."""

    @property
    def begins_at(self) -> int | None:
        """Instant of the earliest fact, which picks the policy in force (contracts, "Policy")."""
        return self.facts[0].time if self.facts else None

    @property
    def job_open(self) -> bool:
        """Whether the job is neither closed nor cancelled: by who is assigned to it now or, with nobody, at all."""
        if self.assignments:
            return any(engagement.job_open for engagement in self.engagements)
        return self.booking is not None and not self.closings and not self.cancellations


def in_force(assignments: Sequence[Event[JobAssigned]], time: int) -> Event[JobAssigned] | None:
    """Return the latest of ordered assignments with a time at or before an instant, else the earliest, else None."""
    found = assignments[0] if assignments else None
    for assignment in assignments:
        if assignment.time > time:
            break
        found = assignment
    return found


def build_case_view(case_id: str, facts: Iterable[AnyEvent]) -> CaseView:
    """Sort a case's facts (in any order) into its history."""
    ordered = tuple(sorted(facts, key=lambda fact: fact.order))
    kinds = _Kinds(ordered)
    bookings = kinds.of(JobBooked)
    tickets = _tickets(ordered, kinds)
    assignments = kinds.of(JobAssigned)
    line_items = {item.data.line_id: item for item in kinds.of(LineItemAdded)}
    return CaseView(
        case_id=case_id,
        facts=ordered,
        booking=bookings[-1] if bookings else None,
        assignments=assignments,
        closings=kinds.of(JobClosed),
        cancellations=kinds.of(CancellationRecorded),
        line_items=tuple(sorted(line_items.values(), key=lambda item: item.order)),
        tickets=tickets,
        engagements=_engagements(ordered, kinds, tickets),
    )


class _Kinds:
    """Facts by what they say, each kind in fact order."""

    __slots__ = ("_facts",)

    def __init__(self, facts: Iterable[AnyEvent]) -> None:
        """Take facts in their order."""
        self._facts: dict[type, list[AnyEvent]] = {}
        for fact in facts:
            self._facts.setdefault(type(fact.data), []).append(fact)

    def of(self, kind: type[T]) -> Facts[T]:
        """Return the facts of a kind."""
        return cast("Facts[T]", tuple(self._facts.get(kind, ())))


def _tickets(facts: Sequence[AnyEvent], kinds: _Kinds) -> tuple[Ticket, ...]:
    """Group what was added to tickets by ticket; what belongs to a ticket not known yet waits outside."""
    earliest: dict[str, Event[TicketCreated]] = {}
    for created in kinds.of(TicketCreated):
        earliest.setdefault(created.data.ticket_id, created)
    if not earliest:
        return ()
    added: dict[str, list[AnyEvent]] = {ticket_id: [] for ticket_id in earliest}
    for fact in facts:
        waiting = added.get(getattr(fact.data, "ticket_id", ""))
        if waiting is not None:
            waiting.append(fact)
    return tuple(_ticket(created, added[ticket_id]) for ticket_id, created in earliest.items())


def _ticket(created: Event[TicketCreated], added: Sequence[AnyEvent]) -> Ticket:
    kinds = _Kinds(added)
    return Ticket(
        created=created,
        media=kinds.of(MediaAdded),
        calls=kinds.of(CallLogged),
        validations=kinds.of(TicketValidated),
        identifications=kinds.of(PartnerIdentified),
        proofs=kinds.of(PaymentProofAdded),
        refund_requests=kinds.of(RefundRequested),
        closings=kinds.of(TicketClosed),
    )


def _engagements(facts: Sequence[AnyEvent], kinds: _Kinds, tickets: tuple[Ticket, ...]) -> tuple[Engagement, ...]:
    """Give each partner its facts; a fact that names no partner goes to the one in force (domain, "Engagements")."""
    assignments, closings = kinds.of(JobAssigned), kinds.of(JobClosed)
    owned_tickets: dict[str | None, list[Ticket]] = {}
    for ticket in tickets:
        if ticket.kind not in OFFLINE_KINDS or ticket.created.data.partner_id is not None:
            owned_tickets.setdefault(_ticket_owner(ticket, assignments, closings), []).append(ticket)
    owned: dict[str | None, list[AnyEvent]] = {}
    for fact in facts:
        data = fact.data
        if isinstance(data, CancellationRecorded):
            owner = data.partner_id or _partner_in_force(assignments, fact.time)
            owned.setdefault(owner, []).append(fact)
        elif isinstance(data, (JobAssigned, JobStarted, JobStartBlocked, JobClosed)):
            owned.setdefault(data.partner_id, []).append(fact)
    current = assignments[-1].data.partner_id if assignments else None
    partners = sorted(owned_tickets.keys() | owned.keys(), key=lambda p: (p is not None, p or ""))
    return tuple(
        Engagement(
            partner_id=partner,
            assignments=own.of(JobAssigned),
            started=own.of(JobStarted),
            blocked=own.of(JobStartBlocked),
            closings=own.of(JobClosed),
            cancellations=own.of(CancellationRecorded),
            tickets=tuple(owned_tickets.get(partner, ())),
            is_current=partner == current,
        )
        for partner, own in ((partner, _Kinds(owned.get(partner, ()))) for partner in partners)
    )


def _ticket_owner(ticket: Ticket, assignments: Facts[JobAssigned], closings: Facts[JobClosed]) -> str | None:
    created = ticket.created
    if created.data.partner_id is not None:
        return created.data.partner_id
    if ticket.kind == "rating_reversal":
        before = [closing for closing in closings if closing.order < created.order]
        if before:
            return before[-1].data.partner_id
    return _partner_in_force(assignments, created.time)


def _partner_in_force(assignments: Facts[JobAssigned], time: int) -> str | None:
    assignment = in_force(assignments, time)
    return assignment.data.partner_id if assignment else None
