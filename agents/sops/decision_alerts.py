"""Alerts about any decision, whichever SOP made it (domain.md, "Alerts")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from agents.case.cities import place_labels
from agents.case.evaluation import AlertCondition, Deadlines
from agents.case.view import CaseView
from agents.sops.contract import AlertKind
from agents.sops.keys import decision_key
from schemas.outputs import AlertBody, DecisionBody
from schemas.policy.model import Policy

STUCK: Final = AlertKind(
    "stuck_provisional", "info", is_moment=False, clauses=("OOS-10", "OOS-18"), summary="a decision stays provisional"
)
FLIP: Final = AlertKind(
    "decision_flip", "warning", is_moment=True, clauses=(), summary="the outcome of a final decision changed"
)


def stuck_provisional(
    decisions: Iterable[DecisionBody], place: Mapping[str, str], policy: Policy, deadlines: Deadlines
) -> Iterator[AlertCondition]:
    """Yield an alert for each decision that has been provisional for `alert.stuck`."""
    for body in decisions:
        stuck_at = body.effective_at + policy.alert.stuck
        if body.status == "provisional" and deadlines.passed(stuck_at):
            summary = f"the {body.kind} decision is still provisional: {body.outcome}"
            yield _alert(STUCK, body, {}, place, summary, starts_at=stuck_at, ends_at=None)


def decision_flip(
    old: DecisionBody, new: DecisionBody, revision: int, view: CaseView, policy: Policy
) -> AlertCondition | None:
    """Return the alert that the outcome of a final decision changed, to or from `withdrawn` too; None otherwise.

    `revision` is the number of the new revision, `view` that of its case.
    """
    if old.status != "final" or old.outcome == new.outcome:
        return None
    summary = f"the final {new.kind} decision went from {old.outcome} to {new.outcome}"
    ends_at = new.effective_at + policy.alert.moment_ttl
    key = {"revision": str(revision)}
    return _alert(FLIP, new, key, place_labels(view, policy), summary, starts_at=new.effective_at, ends_at=ends_at)


def _alert(
    kind: AlertKind,
    body: DecisionBody,
    more: Mapping[str, str],
    place: Mapping[str, str],
    summary: str,
    *,
    starts_at: int,
    ends_at: int | None,
) -> AlertCondition:
    name, subject_of, partner_id = decision_key(body)
    members = {"case_id": body.case_id, "kind": name, "subject_of": subject_of, "partner_id": partner_id, **more}
    labels = {label: value for label, value in members.items() if value is not None}
    alert = AlertBody(
        name=kind.name,
        severity=kind.severity,
        state="firing",
        key=tuple(labels),
        labels={**labels, **place},
        summary=summary,
        evidence=body.evidence,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    return AlertCondition(alert, is_moment=kind.is_moment)
