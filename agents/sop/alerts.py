"""What ops wants to know of one case: the single-case alerts, each a small function (domain, "Alerts").

Impossible travel is noticed where the location reports are (`agents.presence.travel`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from agents.case.view import CaseView
from agents.cities import compared
from agents.presence.presence import PresenceAt
from agents.sop.out_of_scope import Assessment
from agents.sop.out_of_scope import evidence as select
from agents.verdict import AlertCondition, Citable, Deadlines, Step
from schemas.outputs import AlertBody, DecisionBody, Severity
from schemas.policy.model import Policy

Labels = Mapping[str, str]


def findings(
    view: CaseView,
    assessments: Sequence[Assessment],
    decisions: Sequence[DecisionBody],
    steps: Sequence[Step],
    policy: Policy,
    deadlines: Deadlines,
) -> tuple[AlertCondition, ...]:
    """Return the alerts that are true of a case now, in the order of the table.

    Takes the assessment of every engagement, and all decisions and steps of the case.
    """
    place = place_labels(view, policy)
    found: list[AlertCondition] = []
    for rule in BY_ENGAGEMENT:
        for assessment in assessments:
            found += rule(assessment, place, deadlines)
    found += _park_overdue(view, steps, place, policy, deadlines)
    found += _bpc_only_cancellation(decisions, place)
    found += _stuck_provisional(decisions, place, policy, deadlines)
    return tuple(found)


def place_labels(view: CaseView, policy: Policy) -> Labels:
    """Return the labels every alert of a case carries where the booking is known: city, as compared, and category."""
    if view.booking is None:
        return {}
    booking = view.booking.data
    return {"city": compared(booking.city, policy), "category": booking.category}


def decision_flip(
    old: DecisionBody, new: DecisionBody, revision: int, place: Labels, policy: Policy
) -> AlertCondition | None:
    """Return the alert that a final decision's outcome changed (to or from withdrawn too), None if it did not.

    `revision` is the number of the new one, `place` the case's `place_labels`.
    """
    if old.status != "final" or old.outcome == new.outcome:
        return None
    return _moment(
        "decision_flip",
        "warning",
        key={**_decision_key(new), "revision": str(revision)},
        place=place,
        summary=f"the final {new.kind} decision went from {old.outcome} to {new.outcome}",
        evidence=new.evidence,
        starts_at=new.effective_at,
        policy=policy,
    )


def _stayed_after_cancellation(a: Assessment, place: Labels, deadlines: Deadlines) -> Iterator[AlertCondition]:
    """DIS-2, DIS-3: on site when the customer cancelled, or still there well after a cancellation; no tag by itself."""
    stays = [stay for at in a.presence.cancellations for stay in _stays(a, at, deadlines)]
    if not stays:
        return
    starts_at, evidence = min(stays, key=lambda stay: stay[0])
    yield _moment(
        "stayed_after_cancellation",
        "warning",
        key=_engagement_key(a),
        place=place,
        summary="the partner was on site after the job was cancelled: an offline service is suspected",
        evidence=_refs(evidence),
        starts_at=starts_at,
        policy=a.policy,
    )


def _stays(a: Assessment, at: PresenceAt, deadlines: Deadlines) -> Iterator[tuple[int, tuple[Citable, ...]]]:
    """Yield when a stay at a cancellation began to show, with its evidence: at once by a customer's, later by any."""
    if at.state != "on_site" or at.answer is None:
        return
    stay = at.answer.stay
    by_customer = any(c.ref == at.fact.ref and c.data.by == "customer" for c in a.engagement.cancellations)
    if not (by_customer or stay) or not deadlines.passed(at.fact.time + a.policy.presence.after):
        return
    if by_customer:
        yield at.fact.time, _seen(a, at)
    elif stay:
        yield stay.time, (*_seen(a, at), stay)


def _validated_off_site(a: Assessment, place: Labels, _: Deadlines) -> Iterator[AlertCondition]:
    """OOS-7, OOS-21: a verdict was given, yet the partner was seen away from the site only."""
    if a.verdict is None or a.presence.state != "off_site" or a.route == "commercial":
        return
    evidence = select.claim(a) + select.verdict(a) + select.off_site(a)
    yield _condition(
        "validated_off_site",
        "critical",
        key=_engagement_key(a),
        place=place,
        summary="the claim was validated although the partner was not at the site",
        evidence=_refs(evidence),
        starts_at=max(cited.time for cited in evidence),
    )


def _ticket_outside_geofence(a: Assessment, place: Labels, deadlines: Deadlines) -> Iterator[AlertCondition]:
    """OOS-7, OOS-19: the partner was off site when an out-of-scope ticket was created."""
    created = {ticket.created.ref: ticket for ticket in a.engagement.oos_tickets}
    for at in a.presence.relevant:
        ticket = created.get(at.fact.ref)
        if ticket is None or at.state != "off_site":
            continue
        if not deadlines.passed(at.fact.time + a.policy.presence.after):
            continue
        yield _moment(
            "ticket_outside_geofence",
            "info",
            key={"case_id": a.view.case_id, "ticket_id": ticket.id},
            place=place,
            summary="an out-of-scope ticket was created while the partner was away from the site",
            evidence=_refs(_seen(a, at)),
            starts_at=at.fact.time,
            policy=a.policy,
        )


def _mocked_location(a: Assessment, place: Labels, _: Deadlines) -> Iterator[AlertCondition]:
    """OOS-7: the partner's device made a location up around a moment that matters; the earliest such moment counts."""
    for at in a.presence.relevant:
        if at.answer is None or at.answer.mocked is None:
            continue
        yield _moment(
            "mocked_location",
            "warning",
            key=_engagement_key(a),
            place=place,
            summary="a mocked location was reported around a moment that matters",
            evidence=_refs((at.fact, at.answer.mocked)),
            starts_at=at.fact.time,
            policy=a.policy,
        )
        return


BY_ENGAGEMENT: Final[tuple[Callable[[Assessment, Labels, Deadlines], Iterator[AlertCondition]], ...]] = (
    _stayed_after_cancellation,
    _validated_off_site,
    _ticket_outside_geofence,
    _mocked_location,
)


def _park_overdue(
    view: CaseView, steps: Iterable[Step], place: Labels, policy: Policy, deadlines: Deadlines
) -> Iterator[AlertCondition]:
    """OOS-10: the call that ends a parking is open for long."""
    for step in steps:
        if step.code != "call_partner" or not step.open or step.due_at is None:
            continue
        overdue_at = step.due_at + policy.alert.park_overdue
        if deadlines.passed(overdue_at):
            yield _condition(
                "park_overdue",
                "warning",
                key=_present({"case_id": view.case_id, "ticket_id": step.ticket_id}),
                place=place,
                summary="a parked ticket waits for the call to the partner",
                evidence=_refs(step.evidence),
                starts_at=max(overdue_at, *(cited.time for cited in step.evidence)),
            )


def _bpc_only_cancellation(decisions: Iterable[DecisionBody], place: Labels) -> Iterator[AlertCondition]:
    """OOS-2: a partner cancelled who may only close at BPC (P1)."""
    for body in decisions:
        if body.kind == "paf" and body.outcome == "upheld" and body.reasons == ("cancellation_not_allowed",):
            yield _condition(
                "bpc_only_cancellation",
                "warning",
                key=_present({"case_id": body.case_id, "partner_id": body.partner_id}),
                place=place,
                summary="a partner who may only close at BPC cancelled",
                evidence=body.evidence,
                starts_at=body.effective_at,
            )


def _stuck_provisional(
    decisions: Iterable[DecisionBody], place: Labels, policy: Policy, deadlines: Deadlines
) -> Iterator[AlertCondition]:
    """Any clause: a step of the procedure is outstanding for long."""
    for body in decisions:
        stuck_at = body.effective_at + policy.alert.stuck
        if body.status == "provisional" and deadlines.passed(stuck_at):
            yield _condition(
                "stuck_provisional",
                "info",
                key=_decision_key(body),
                place=place,
                summary=f"the {body.kind} decision is still provisional: {body.outcome}",
                evidence=body.evidence,
                starts_at=stuck_at,
            )


def _moment(
    name: str,
    severity: Severity,
    *,
    key: Labels,
    place: Labels,
    summary: str,
    evidence: tuple[str, ...],
    starts_at: int,
    policy: Policy,
) -> AlertCondition:
    """Return an alert about a moment: sent once, over `moment_ttl` after its start."""
    body = _firing(name, severity, key, place, summary, evidence, starts_at, starts_at + policy.alert.moment_ttl)
    return AlertCondition(body, is_moment=True)


def _condition(
    name: str,
    severity: Severity,
    *,
    key: Labels,
    place: Labels,
    summary: str,
    evidence: tuple[str, ...],
    starts_at: int,
) -> AlertCondition:
    """Return an alert about a condition: it fires while it is found."""
    return AlertCondition(_firing(name, severity, key, place, summary, evidence, starts_at, None), is_moment=False)


def _firing(
    name: str,
    severity: Severity,
    key: Labels,
    place: Labels,
    summary: str,
    evidence: tuple[str, ...],
    starts_at: int,
    ends_at: int | None,
) -> AlertBody:
    return AlertBody(
        name=name,
        severity=severity,
        state="firing",
        key=tuple(key),
        labels={**key, **place},
        summary=summary,
        evidence=evidence,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _engagement_key(a: Assessment) -> Labels:
    return _present({"case_id": a.view.case_id, "partner_id": a.engagement.partner_id})


def _decision_key(body: DecisionBody) -> Labels:
    kind, subject_of, partner_id = body.key
    return _present({"case_id": body.case_id, "kind": kind, "subject_of": subject_of, "partner_id": partner_id})


def _present(members: Mapping[str, str | None]) -> Labels:
    """Leave out what is null."""
    return {name: value for name, value in members.items() if value is not None}


def _seen(a: Assessment, at: PresenceAt) -> tuple[Citable, ...]:
    """Return what shows where the partner was at a moment: its fact, the report, the booking, the assignment at it."""
    shown = (at.fact, at.fix, a.view.booking, a.engagement.assignment_at(at.fact.time))
    return tuple(each for each in shown if each is not None)


def _refs(evidence: Iterable[Citable]) -> tuple[str, ...]:
    return tuple(sorted({cited.ref for cited in evidence}))
