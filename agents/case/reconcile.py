"""The difference between what ought to be decided and what was said: the revisions to send (architecture, "The case").

Nothing is said twice, and every revision names the one before it. Messages are made in a fixed order: decisions,
actions, alerts, each by key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import structs

from agents.case.case import ActionKey, EmittedMessages
from agents.case.explanation import explain
from agents.sop.alerts import decision_flip
from agents.verdict import AlertCondition, Evaluation, Step
from schemas.codec.encoder import action_id, alert_id, changed_fields, content_hash, decision_id
from schemas.outputs import (
    WITHDRAWN,
    ActionBody,
    ActionMessage,
    AlertMessage,
    DecisionBody,
    DecisionKey,
    DecisionMessage,
    OutputMessage,
)
from schemas.policy.model import Policy

V = TypeVar("V")


def reconcile(
    case_id: str,
    verdict: Evaluation,
    sent: EmittedMessages,
    policy: Policy,
    place: Mapping[str, str],
    inputs: str | None,
) -> list[OutputMessage]:
    """Return the messages that bring what was sent about a case in line with a verdict; `sent` is left as it is.

    `place` are the labels of the case's alerts (`agents.sop.alerts.place_labels`). `inputs` goes into each message:
    what had been read of the input partitions when it was decided (None in a replay of files).
    """
    decisions = list(_decisions(verdict.decisions, sent.decisions, policy.name))
    flips = [
        finding
        for new in decisions
        if (old := sent.decisions.get(new.body.key))
        and (finding := decision_flip(old.body, new.body, new.revision, place, policy))
    ]
    messages: list[OutputMessage] = [
        *decisions,
        *_actions(case_id, verdict, sent.actions),
        *_alerts(case_id, [*verdict.findings, *flips], sent.alerts, verdict.as_of),
    ]
    return [structs.replace(message, inputs=inputs) for message in messages] if inputs else messages


def _decisions(
    bodies: Sequence[DecisionBody], sent: Mapping[DecisionKey, DecisionMessage], policy_name: str
) -> Iterator[DecisionMessage]:
    """Yield a revision for each chain whose content changed; a chain that no rule calls for any more is withdrawn."""
    wanted = {body.key: body for body in bodies}
    for key in sorted(wanted.keys() | sent.keys(), key=_sortable):
        old = sent.get(key)
        body = wanted.get(key)
        if body is None:
            if old is None or old.body.outcome == WITHDRAWN:
                continue
            body = _withdrawn(old.body, policy_name)
        if old is not None and old.body == body:
            continue
        content = content_hash(body)
        if old is None or old.content_hash != content:
            yield _revision(body, content, old)


def _revision(body: DecisionBody, content: str, old: DecisionMessage | None) -> DecisionMessage:
    supersedes = old.decision_id if old else None
    return DecisionMessage(
        body=body,
        decision_id=decision_id(content, supersedes),
        content_hash=content,
        revision=old.revision + 1 if old else 1,
        supersedes=supersedes,
        changed=changed_fields(old.body, body) if old else (),
        explanation=explain(body),
    )


def _withdrawn(old: DecisionBody, policy_name: str) -> DecisionBody:
    return DecisionBody(
        kind=old.kind,
        subject_of=old.subject_of,
        case_id=old.case_id,
        partner_id=old.partner_id,
        status="final",
        outcome=WITHDRAWN,
        evidence=old.evidence,
        policy=policy_name,
        effective_at=old.effective_at,
    )


def _actions(case_id: str, verdict: Evaluation, sent: Mapping[ActionKey, ActionMessage]) -> Iterator[ActionMessage]:
    """Yield a revision for each action whose state, parameters or due time changed (domain, "Actions")."""
    possible = {(step.code, step.partner_id, step.ticket_id): step for step in verdict.steps}
    steps = {key: step for key, step in possible.items() if step.open or key in sent}
    for key in sorted(steps.keys() | sent.keys(), key=_sortable):
        old, step = sent.get(key), steps.get(key)
        if step is not None and step.open:
            body = _open(case_id, step, verdict.as_of)
        elif old is not None:
            state = "done" if step is not None and step.done else "withdrawn"
            body = structs.replace(old.body, state=state, time=max(old.body.time, verdict.as_of))
        else:
            continue
        if old is None or _standing(old.body) != _standing(body):
            yield ActionMessage(
                body=body,
                action_id=action_id(case_id, body.partner_id, body.code, body.ticket_id),
                revision=old.revision + 1 if old else 1,
            )


def _open(case_id: str, step: Step, as_of: int) -> ActionBody:
    times = [cited.time for cited in step.evidence] + list(step.deadlines)
    return ActionBody(
        code=step.code,
        case_id=case_id,
        state="open",
        clauses=tuple(sorted(set(step.clauses))),
        evidence=tuple(sorted({cited.ref for cited in step.evidence})),
        time=max(times, default=as_of),
        params=dict(step.params),
        partner_id=step.partner_id,
        ticket_id=step.ticket_id,
        due_at=step.due_at,
    )


def _standing(body: ActionBody) -> tuple[object, ...]:
    return (body.state, body.params, body.due_at)


def _alerts(
    case_id: str, findings: Sequence[AlertCondition], sent: Mapping[str, AlertMessage], as_of: int
) -> Iterator[AlertMessage]:
    """Yield alerts that begin to fire, and conditions that ceased to hold; a moment is said once, for good.

    A condition that fires on while its labels change is sent again with the new ones (domain, "Alerts").
    """
    firing = {alert_id(finding.alert): finding for finding in findings}
    for key in sorted(firing.keys() | sent.keys()):
        finding, old = firing.get(key), sent.get(key)
        if finding is not None:
            is_relabelled = old is not None and not finding.is_moment and old.body.labels != finding.alert.labels
            if old is None or old.body.state == "resolved" or is_relabelled:
                yield AlertMessage(body=finding.alert, alert_id=key, subject=case_id)
        elif old is not None and old.body.state == "firing" and old.body.ends_at is None:
            resolved = structs.replace(old.body, state="resolved", ends_at=max(old.body.starts_at, as_of))
            yield AlertMessage(body=resolved, alert_id=key, subject=case_id)


def _sortable(key: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(part or "" for part in key)
