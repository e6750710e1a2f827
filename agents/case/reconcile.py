"""Reconciles what should be decided about a case with what was emitted: the difference is what to emit next.

Nothing is emitted twice, and every revision names the one before it (contracts.md, "Decisions out"). Messages come in a
fixed order: decisions, actions, alerts, each sorted by key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import structs

from agents.case.case import ActionKey, EmittedMessages
from agents.case.evaluation import ActionCondition, AlertCondition, Evaluation
from schemas.codec.encoder import action_id, alert_id, changed_fields, content_hash, decision_id
from schemas.outputs import (
    WITHDRAWN,
    ActionBody,
    ActionMessage,
    AlertMessage,
    AnyDecision,
    DecisionBody,
    DecisionKey,
    DecisionMessage,
    OutputMessage,
)

Explain = Callable[[DecisionBody], str]
"""Returns the English sentence that explains a decision."""
DecisionKeyOf = Callable[[DecisionBody], DecisionKey]
"""Returns what identifies a decision within its case."""
FlipAlert = Callable[[DecisionBody, DecisionBody, int], AlertCondition | None]
"""Returns the alert for a new revision of a decision, from the old body, the new body and the revision's number."""


def reconcile(
    case_id: str,
    evaluation: Evaluation,
    emitted: EmittedMessages,
    policy_name: str,
    inputs: str | None,
    *,
    decision_key: DecisionKeyOf,
    explain: Explain,
    flip_alert: FlipAlert,
) -> list[OutputMessage]:
    """Return the messages that bring what was emitted about a case in line with an evaluation.

    Does not change `emitted`. `inputs` goes into each message: the input positions at which the case was decided, None
    in a replay of files.
    """
    wanted = {decision_key(body): body for body in evaluation.decisions}
    decisions = list(_decisions(wanted, emitted.decisions, policy_name, explain))
    flips = [
        alert
        for new in decisions
        if (old := emitted.decisions.get(decision_key(new.body)))
        and (alert := flip_alert(old.body, new.body, new.revision))
    ]
    messages: list[OutputMessage] = [
        *decisions,
        *_actions(case_id, evaluation, emitted.actions),
        *_alerts(case_id, [*evaluation.alerts, *flips], emitted.alerts, evaluation.as_of),
    ]
    return [structs.replace(message, inputs=inputs) for message in messages] if inputs else messages


def _decisions(
    wanted: Mapping[DecisionKey, DecisionBody],
    emitted: Mapping[DecisionKey, AnyDecision],
    policy_name: str,
    explain: Explain,
) -> Iterator[AnyDecision]:
    """Yield a revision of each decision whose content changed; a decision that no rule makes any more is withdrawn."""
    for key in sorted(wanted.keys() | emitted.keys(), key=_sort_key):
        old = emitted.get(key)
        body = wanted.get(key)
        if body is None:
            if old is None or old.body.outcome == WITHDRAWN:
                continue
            body = _withdrawn(old.body, policy_name)
        if old is not None and old.body == body:
            continue
        content = content_hash(body)
        if old is None or old.content_hash != content:
            yield _revision(body, content, old, explain(body))


def _revision(body: DecisionBody, content: str, old: AnyDecision | None, explanation: str) -> AnyDecision:
    supersedes = old.decision_id if old else None
    return DecisionMessage(
        body=body,
        decision_id=decision_id(content, supersedes),
        content_hash=content,
        revision=old.revision + 1 if old else 1,
        supersedes=supersedes,
        changed=changed_fields(old.body, body) if old else (),
        explanation=explanation,
    )


def _withdrawn(old: DecisionBody, policy_name: str) -> DecisionBody:
    return type(old)(
        subject_of=old.subject_of,
        case_id=old.case_id,
        partner_id=old.partner_id,
        status="final",
        outcome=WITHDRAWN,
        evidence=old.evidence,
        policy=policy_name,
        effective_at=old.effective_at,
    )


def _actions(
    case_id: str, evaluation: Evaluation, emitted: Mapping[ActionKey, ActionMessage]
) -> Iterator[ActionMessage]:
    """Yield a revision of each action whose state, parameters or due time changed (domain.md, "Actions")."""
    actions = {(action.code, action.partner_id, action.ticket_id): action for action in evaluation.actions}
    for key in sorted(actions.keys() | emitted.keys(), key=_sort_key):
        old, action = emitted.get(key), actions.get(key)
        if action is not None and action.open:
            body = _open_action(case_id, action, evaluation.as_of)
        elif old is not None:
            state = "withdrawn" if action is None else "done"
            body = structs.replace(old.body, state=state, time=max(old.body.time, evaluation.as_of))
        else:
            continue
        if old is None or _varying(old.body) != _varying(body):
            yield ActionMessage(
                body=body,
                action_id=action_id(case_id, body.partner_id, body.code, body.ticket_id),
                revision=old.revision + 1 if old else 1,
            )


def _open_action(case_id: str, action: ActionCondition, as_of: int) -> ActionBody:
    times = [each.time for each in action.evidence] + list(action.deadlines)
    return ActionBody(
        code=action.code,
        case_id=case_id,
        state="open",
        clauses=tuple(sorted(set(action.clauses))),
        evidence=tuple(sorted({each.ref for each in action.evidence})),
        time=max(times, default=as_of),
        params=dict(action.params),
        partner_id=action.partner_id,
        ticket_id=action.ticket_id,
        due_at=action.due_at,
    )


def _varying(body: ActionBody) -> tuple[object, ...]:
    """Return the parts of an action whose change makes a revision."""
    return (body.state, body.params, body.due_at)


def _alerts(
    case_id: str, alerts: Sequence[AlertCondition], emitted: Mapping[str, AlertMessage], as_of: int
) -> Iterator[AlertMessage]:
    """Yield alerts that start to fire or change labels, and condition alerts that are resolved.

    A moment alert is emitted once and never again (domain.md, "Alerts").
    """
    firing = {alert_id(each.alert): each for each in alerts}
    for key in sorted(firing.keys() | emitted.keys()):
        new, old = firing.get(key), emitted.get(key)
        if new is not None:
            is_relabelled = old is not None and not new.is_moment and old.body.labels != new.alert.labels
            if old is None or old.body.state == "resolved" or is_relabelled:
                yield AlertMessage(body=new.alert, alert_id=key, subject=case_id)
        elif old is not None and old.body.state == "firing" and old.body.ends_at is None:
            resolved = structs.replace(old.body, state="resolved", ends_at=max(old.body.starts_at, as_of))
            yield AlertMessage(body=resolved, alert_id=key, subject=case_id)


def _sort_key(key: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(part or "" for part in key)
