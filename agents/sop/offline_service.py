"""Service that was paid for outside the platform: what is known, what is tagged, what is refunded (DIS-1 to DIS-10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Final, Literal, TypeVar

from msgspec import Struct

from agents import money
from agents.case.view import CaseView, Ticket
from agents.sop.payee import has_payee, payee_differs
from agents.sop.proof_link import LinkFault, link_fault
from agents.verdict import Citable, RuleResult
from schemas.events import AnyEvent, Event, EventData, PartnerIdentified, PaymentProofAdded
from schemas.outputs import DecisionBody
from schemas.policy.model import Policy

T = TypeVar("T", bound=EventData)
ServiceType = Literal["no_booking", "cancelled_then_served", "partial"]
Reporting = Literal["direct", "indirect"]


class Examined(Struct, frozen=True):
    """What the checks look at: the case, one proof and the latest identification, where there are any."""

    view: CaseView
    policy: Policy
    service_type: ServiceType
    proof: Event[PaymentProofAdded] | None
    identification: Event[PartnerIdentified] | None


class Check(Struct, frozen=True):
    """One row of the table of checks: its reason when it fails, the clauses behind it, and when it fails."""

    reason: str
    clauses: tuple[str, ...]
    fails: Callable[[Examined], bool]


class OfflineAssessment(Struct, frozen=True):
    """What is known of an offline service in a case, with the proof that counts and the checks that it fails."""

    view: CaseView
    policy: Policy
    tickets: tuple[Ticket, ...]
    """The tickets that qualify, at least one, earliest first."""
    reporting: Reporting
    service_type: ServiceType
    proof: Event[PaymentProofAdded] | None
    """The latest that passes every check, else the latest."""
    identification: Event[PartnerIdentified] | None
    failed: tuple[Check, ...]
    refund_request: AnyEvent | None
    """The earliest: a ticket's creation that asks for it, or a request made later."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the failed checks, in table order."""
        return tuple(check.reason for check in self.failed)


# Qualification, reporting, type


def qualifies(ticket: Ticket) -> bool:
    """Tell whether a ticket is about an offline service: so named, or poor service that turns out to be (DIS-1)."""
    if ticket.kind == "offline_service":
        return True
    return ticket.kind == "poor_service" and (bool(ticket.proofs) or ticket.created.data.offline_suspected)


def _service_type(view: CaseView, tickets: tuple[Ticket, ...]) -> ServiceType:
    """DIS-2: never booked; cancelled and not closed after that; else extras on a booking."""
    if any(ticket.id == view.case_id for ticket in tickets):
        return "no_booking"
    if view.cancellations:
        cancelled = view.cancellations[-1].order
        if not any(closing.order > cancelled for closing in view.closings):
            return "cancelled_then_served"
    return "partial"


# Checks, one function per row of the table; one whose input is absent does not fail


def _booking_missing(on: Examined) -> bool:
    """DIS-2: a type that rests on a booking, and none is known (yet)."""
    return on.service_type != "no_booking" and on.view.booking is None


def _proof_missing(on: Examined) -> bool:
    """DIS-3: nothing is tagged without a proof."""
    return on.proof is None


def _partner_not_identified(on: Examined) -> bool:
    """DIS-4: nobody was found to be the partner."""
    return on.identification is None


def _cash_payment(on: Examined) -> bool:
    """DIS-3: cash proves nothing."""
    return on.proof is not None and on.proof.data.method == "cash"


def _link_has(fault: LinkFault) -> Callable[[Examined], bool]:
    """DIS-6: the link's first fault is this one, so that of the three only one is reported."""

    def fails(on: Examined) -> bool:
        if on.proof is None:
            return False
        ticket_ids = [ticket.id for ticket in on.view.tickets]
        return link_fault(on.proof.data.proof_url, ticket_ids, on.policy.offline) == fault

    return fails


def _proof_illegible(on: Examined) -> bool:
    """DIS-5, DIS-8: the image cannot be read."""
    return on.proof is not None and not on.proof.data.legible


def _payee_not_visible(on: Examined) -> bool:
    """DIS-5: neither name nor phone of the payee is on the proof."""
    return on.proof is not None and not has_payee(on.proof.data, on.policy.offline)


def _payee_mismatch(on: Examined) -> bool:
    """DIS-4, DIS-7: the payee is not the identified partner, or cannot be compared with it."""
    if on.proof is None or on.identification is None or not has_payee(on.proof.data, on.policy.offline):
        return False
    return payee_differs(on.proof.data, on.identification.data, on.policy.offline)


def _partner_mismatch(on: Examined) -> bool:
    """DIS-4, DIS-8: the tag claims another partner than the one identified."""
    if on.proof is None or on.identification is None:
        return False
    return on.identification.data.partner_id != on.proof.data.claimed_partner_id


def _date_mismatch(on: Examined) -> bool:
    """DIS-4: paid too many days before or after the service (both are full dates, as the codec made sure)."""
    if on.proof is None:
        return False
    apart = date.fromisoformat(on.proof.data.paid_on) - date.fromisoformat(on.proof.data.service_date)
    return abs(apart.days) > on.policy.offline.date_tolerance_days


CHECKS: Final[tuple[Check, ...]] = (
    Check("booking_missing", ("DIS-2",), _booking_missing),
    Check("proof_missing", ("DIS-3",), _proof_missing),
    Check("partner_not_identified", ("DIS-4",), _partner_not_identified),
    Check("cash_payment", ("DIS-3",), _cash_payment),
    Check("proof_link_missing", ("DIS-6",), _link_has("proof_link_missing")),
    Check("proof_link_is_ticket", ("DIS-6",), _link_has("proof_link_is_ticket")),
    Check("proof_link_invalid", ("DIS-6",), _link_has("proof_link_invalid")),
    Check("proof_illegible", ("DIS-5", "DIS-8"), _proof_illegible),
    Check("payee_not_visible", ("DIS-5",), _payee_not_visible),
    Check("payee_mismatch", ("DIS-4", "DIS-7"), _payee_mismatch),
    Check("partner_mismatch", ("DIS-4", "DIS-8"), _partner_mismatch),
    Check("date_mismatch", ("DIS-4",), _date_mismatch),
)
"""Every check, in the order of the table; all of them are made."""


def _failed(on: Examined) -> tuple[Check, ...]:
    return tuple(check for check in CHECKS if check.fails(on))


def assess(view: CaseView, policy: Policy) -> OfflineAssessment | None:
    """Return what a case's history says of an offline service, None where no ticket qualifies."""
    tickets = tuple(ticket for ticket in view.tickets if qualifies(ticket))
    if not tickets:
        return None
    proofs = _in_order(proof for ticket in tickets for proof in ticket.proofs)
    identifications = _in_order(each for ticket in tickets for each in ticket.identifications)
    identification = identifications[-1] if identifications else None
    service_type = _service_type(view, tickets)
    examined = [Examined(view, policy, service_type, proof, identification) for proof in reversed(proofs)]
    examined = examined or [Examined(view, policy, service_type, None, identification)]
    judged = [(each, _failed(each)) for each in examined]
    counts, failed = next((pair for pair in judged if not pair[1]), judged[0])
    return OfflineAssessment(
        view=view,
        policy=policy,
        tickets=tickets,
        reporting="direct" if tickets[0].kind == "offline_service" else "indirect",
        service_type=service_type,
        proof=counts.proof,
        identification=identification,
        failed=failed,
        refund_request=_earliest_request(tickets),
    )


def _in_order(facts: Iterable[Event[T]]) -> list[Event[T]]:
    return sorted(facts, key=lambda fact: fact.order)


def _earliest_request(tickets: tuple[Ticket, ...]) -> AnyEvent | None:
    requests: list[AnyEvent] = [ticket.created for ticket in tickets if ticket.created.data.refund_requested]
    requests += [request for ticket in tickets for request in ticket.refund_requests]
    return min(requests, key=lambda fact: fact.order, default=None)


# Tagging, one function per row


def _indirect(assessment: OfflineAssessment) -> tuple[str, ...]:
    """DIS-1: cited where the customer complained of something else at first."""
    return ("DIS-1",) if assessment.reporting == "indirect" else ()


def _present(*facts: Citable | None) -> tuple[Citable, ...]:
    return tuple(fact for fact in facts if fact is not None)


def _tagged(assessment: OfflineAssessment) -> RuleResult | None:
    """DIS-2, DIS-9: every check passes."""
    proof, view = assessment.proof, assessment.view
    if assessment.failed or proof is None:
        return None
    booking = None if assessment.service_type == "no_booking" else view.booking
    cancelled = assessment.service_type == "cancelled_then_served"
    cancellation = view.cancellations[-1] if cancelled else None
    return RuleResult(
        outcome=f"offline_service/{assessment.service_type}",
        status="final",
        clauses=("DIS-2", "DIS-9", *_indirect(assessment)),
        evidence=_present(assessment.tickets[0].created, proof, assessment.identification, booking, cancellation),
        fields={
            "service_date": proof.data.service_date,
            "proof_given": True,
            "proof_url": proof.data.proof_url,
            "reporting": assessment.reporting,
        },
    )


def _not_tagged(assessment: OfflineAssessment) -> RuleResult | None:
    """The clauses of the failed checks: final where nothing more can come, by cash or with all tickets closed."""
    if not assessment.failed:
        return None
    reasons = assessment.reasons
    by_cash = "cash_payment" in reasons
    all_closed = not any(ticket.is_open for ticket in assessment.tickets)
    is_final = (by_cash or all_closed) and "booking_missing" not in reasons
    closings = [ticket.closings[0] for ticket in assessment.tickets] if is_final and not by_cash else []
    clauses = tuple(clause for check in assessment.failed for clause in check.clauses)
    return RuleResult(
        outcome="offline_service/not_tagged",
        status="final" if is_final else "provisional",
        reasons=reasons,
        clauses=(*clauses, *_indirect(assessment)),
        evidence=_present(assessment.tickets[0].created, assessment.proof, assessment.identification, *closings),
        fields={"reporting": assessment.reporting},
    )


TAGGING: Final = (_tagged, _not_tagged)


def tagging(assessment: OfflineAssessment) -> RuleResult:
    """Return what the offline service is tagged as: of the two rows one always applies."""
    return next(ruling for row in TAGGING if (ruling := row(assessment)) is not None)


# Refund, one function per row; asked only where a refund was asked for


def _eligible_full(
    assessment: OfflineAssessment, tagged: RuleResult, evidence: tuple[Citable, ...]
) -> RuleResult | None:
    """DIS-10: the whole service went past the platform, so all that was proven."""
    if assessment.failed or assessment.proof is None or assessment.service_type == "partial":
        return None
    return RuleResult(
        outcome="eligible_full",
        status=tagged.status,
        clauses=("DIS-10",),
        evidence=evidence,
        fields={"proven_amount": money.less(assessment.proof.data.amount, ())},
    )


def _eligible_partial(
    assessment: OfflineAssessment, tagged: RuleResult, evidence: tuple[Citable, ...]
) -> RuleResult | None:
    """DIS-10: what was proven beyond the extras on the booking; two currencies cannot be set off."""
    if assessment.failed or assessment.proof is None or assessment.service_type != "partial":
        return None
    items = assessment.view.line_items
    proven = assessment.proof.data.amount
    if any(item.data.amount.currency != proven.currency for item in items):
        return RuleResult(
            outcome="awaiting_proof",
            status="provisional",
            reasons=("currency_mismatch",),
            clauses=("DIS-10",),
            evidence=(*evidence, *items),
        )
    return RuleResult(
        outcome="eligible_partial",
        status=tagged.status,
        clauses=("DIS-10",),
        evidence=(*evidence, *items),
        fields={"proven_amount": money.less(proven, (item.data.amount for item in items))},
    )


def _refused(_: OfflineAssessment, tagged: RuleResult, evidence: tuple[Citable, ...]) -> RuleResult | None:
    """DIS-10: not tagged, and finally so."""
    if not tagged.reasons or tagged.status != "final":
        return None
    return RuleResult(
        outcome="refused",
        status="final",
        reasons=tagged.reasons,
        clauses=("DIS-10",),
        evidence=evidence,
        fields={"apology": True},
    )


def _awaiting_proof(_: OfflineAssessment, tagged: RuleResult, evidence: tuple[Citable, ...]) -> RuleResult | None:
    """DIS-10: otherwise."""
    return RuleResult(
        outcome="awaiting_proof",
        status="provisional",
        reasons=tagged.reasons,
        clauses=("DIS-10",),
        evidence=evidence,
    )


REFUND: Final = (_eligible_full, _eligible_partial, _refused, _awaiting_proof)


def refund(assessment: OfflineAssessment) -> RuleResult | None:
    """Return what is decided of a refund, None where nobody asked for one."""
    if assessment.refund_request is None:
        return None
    tagged = tagging(assessment)
    evidence = (*tagged.evidence, assessment.refund_request)
    return next(ruling for row in REFUND if (ruling := row(assessment, tagged, evidence)) is not None)


def decisions(assessment: OfflineAssessment) -> tuple[DecisionBody, ...]:
    """Return the case's offline decisions: tagging, and refund where one was asked for."""
    identification = assessment.identification
    partner_id = identification.data.partner_id if identification else None
    case_id, policy = assessment.view.case_id, assessment.policy
    tagged, refunded = tagging(assessment), refund(assessment)
    bodies = [tagged.body("tagging", "offline_service", case_id=case_id, partner_id=partner_id, policy=policy)]
    if refunded is not None:
        bodies.append(refunded.body("refund", "offline_service", case_id=case_id, partner_id=partner_id, policy=policy))
    return tuple(bodies)
