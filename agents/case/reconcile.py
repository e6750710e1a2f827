"""Reconciles what should be decided about a case with what was emitted: the difference is what to emit next.

Nothing is emitted twice, and every revision names the one before it (contracts.md, "Decisions out"). Messages come in a
fixed order: decisions, actions, alerts, each sorted by key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from agents.case.case import ActionKey, EmittedMessages
from agents.case.evaluation import ActionCondition, AlertCondition, Evaluation, StandingDecision
from schemas.codec.encoder import action_id, alert_id, content_hash, decision_id, difference
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
from schemas.timestamps import format_instant

Explain = Callable[[DecisionBody], str]
"""Returns the English sentence that explains a decision."""
DecisionKeyOf = Callable[[DecisionBody], DecisionKey]
"""Returns what identifies a decision within its case."""
PublishedKeyOf = Callable[[DecisionBody], str]
"""Returns what identifies a decision in messages."""
FlipAlert = Callable[[DecisionBody, DecisionBody, int], AlertCondition | None]
"""Returns the alert for a new revision of a decision, from the old body, the new body and the revision's number."""
POLICY_CAUSE: Final = "policy"


class Circumstances(Struct, frozen=True):
    """How a case was evaluated."""

    policy_name: str
    """The policy in force."""
    asof: int
    """The instant (microseconds) up to which deadlines were taken as passed."""
    inputs: str | None
    """The input positions; None in a replay of files."""


def reconcile(
    case_id: str,
    evaluation: Evaluation,
    emitted: EmittedMessages,
    circumstances: Circumstances,
    *,
    decision_key: DecisionKeyOf,
    published_key: PublishedKeyOf,
    explain: Explain,
    flip_alert: FlipAlert,
) -> list[OutputMessage]:
    """Return the messages that bring what was emitted about a case in line with an evaluation.

    Does not change `emitted`.
    """
    wanted = {decision_key(new.body): new for new in evaluation.decisions}
    decisions = [
        _revision(new, content, old, circumstances, explanation=explain(new.body), key=published_key(new.body))
        for new, content, old in _changes(wanted, emitted.decisions, circumstances.policy_name)
    ]
    flips = [
        alert
        for new in decisions
        if (old := emitted.decisions.get(decision_key(new.body)))
        and (alert := flip_alert(old.body, new.body, new.revision))
    ]
    inputs = circumstances.inputs
    return [
        *decisions,
        *_actions(case_id, evaluation, emitted.actions, inputs),
        *_alerts(case_id, [*evaluation.alerts, *flips], emitted.alerts, evaluation.as_of, inputs),
    ]


def _changes(
    wanted: Mapping[DecisionKey, StandingDecision], emitted: Mapping[DecisionKey, AnyDecision], policy_name: str
) -> Iterator[tuple[StandingDecision, str, AnyDecision | None]]:
    """Yield each decision whose content changed, with its content hash and the revision that it supersedes.

    A decision that no rule makes any more is withdrawn.
    """
    for key in sorted(wanted.keys() | emitted.keys(), key=_sort_key):
        old = emitted.get(key)
        new = wanted.get(key)
        if new is None:
            if old is None or old.body.outcome == WITHDRAWN:
                continue
            new = StandingDecision(_withdrawn(old.body, policy_name), deadlines=())
        if old is not None and old.body == new.body:
            continue
        content = content_hash(new.body)
        if old is None or old.content_hash != content:
            yield new, content, old


def _revision(
    new: StandingDecision,
    content: str,
    old: AnyDecision | None,
    circumstances: Circumstances,
    *,
    explanation: str,
    key: str,
) -> AnyDecision:
    supersedes = old.decision_id if old else None
    changed, previous = difference(old.body if old else None, new.body)
    return DecisionMessage(
        body=new.body,
        decision_id=decision_id(content, supersedes),
        content_hash=content,
        revision=old.revision + 1 if old else 1,
        supersedes=supersedes,
        changed=changed,
        previous=previous,
        decision_key=key,
        cause=_cause(old.body, new) if old else None,
        explanation=explanation,
        inputs=circumstances.inputs,
        asof=circumstances.asof,
    )


def _cause(old: DecisionBody, new: StandingDecision) -> tuple[str, ...]:
    """Return what a decision rests on and the superseded decision did not, sorted (contracts.md, "Decisions out")."""
    cause = set(new.body.evidence).difference(old.evidence)
    cause |= {f"deadline:{format_instant(due)}" for due in new.deadlines if not _rested_on(due, old, new.body)}
    if new.body.policy != old.policy:
        cause.add(POLICY_CAUSE)
    return tuple(sorted(cause))


def _rested_on(deadline: int, old: DecisionBody, new: DecisionBody) -> bool:
    """Return whether a superseded decision rested on a passed deadline of the new one; it does not say so itself.

    With the same outcome, reasons and status it is of the same row, and then a deadline was the latest that it rested
    on.
    """
    same_row = (old.outcome, old.reasons, old.status) == (new.outcome, new.reasons, new.status)
    return same_row and old.effective_at == deadline


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
    case_id: str, evaluation: Evaluation, emitted: Mapping[ActionKey, ActionMessage], inputs: str | None
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
                inputs=inputs,
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
    case_id: str,
    alerts: Sequence[AlertCondition],
    emitted: Mapping[str, AlertMessage],
    as_of: int,
    inputs: str | None,
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
                yield AlertMessage(body=new.alert, alert_id=key, subject=case_id, inputs=inputs)
        elif old is not None and old.body.state == "firing" and old.body.ends_at is None:
            resolved = structs.replace(old.body, state="resolved", ends_at=max(old.body.starts_at, as_of))
            yield AlertMessage(body=resolved, alert_id=key, subject=case_id, inputs=inputs)


def _sort_key(key: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(part or "" for part in key)
