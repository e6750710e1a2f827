"""Reconciling an evaluation with what was emitted: revisions, withdrawals, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pytest
from msgspec.structs import replace

from agents.case.case import EmittedMessages
from agents.case.evaluation import ActionCondition, AlertCondition, Evaluation
from agents.case.reconcile import reconcile
from agents.case.view import build_case_view
from agents.sops.decision_alerts import decision_flip
from agents.sops.explanation import explain
from agents.sops.keys import decision_key
from agents.sops.out_of_scope.paf import PafDecision
from schemas.codec.encoder import decision_id
from schemas.outputs import (
    WITHDRAWN,
    ActionMessage,
    AlertBody,
    AlertMessage,
    AnyDecision,
    DecisionBody,
    DecisionMessage,
    OutputMessage,
)
from tests.scenario import POLICY


def body(outcome: str = "upheld", *, at: int = 10, partner: str = "p1") -> DecisionBody:
    return PafDecision(
        subject_of="out_of_scope",
        case_id="job-1",
        partner_id=partner,
        status="final",
        outcome=outcome,
        evidence=("/s#a",),
        policy=POLICY.name,
        effective_at=at,
    )


def step(*, is_open: bool = True, due_at: int | None = None, **params: str) -> ActionCondition:
    return ActionCondition(code="call_partner", partner_id="p1", open=is_open, clauses=(), params=params, due_at=due_at)


def condition(*, ends_at: int | None = None) -> AlertCondition:
    alert = AlertBody(
        name="park_overdue",
        severity="warning",
        state="firing",
        key=("case_id",),
        labels={"case_id": "job-1"},
        summary="",
        evidence=(),
        starts_at=5,
        ends_at=ends_at,
    )
    return AlertCondition(alert, is_moment=ends_at is not None)


def evaluation(
    *decisions: DecisionBody,
    actions: Iterable[ActionCondition] = (),
    alerts: Iterable[AlertCondition] = (),
    as_of: int = 20,
) -> Evaluation:
    return Evaluation(
        decisions=decisions, actions=tuple(actions), alerts=tuple(alerts), as_of=as_of, next_deadline=None
    )


class Reconciler:
    """Reconciles evaluations one after the other, each of them twice: the second time there is nothing to emit."""

    def __init__(self) -> None:
        self.emitted = EmittedMessages()

    def emit(self, each: Evaluation, inputs: str | None = None) -> list[OutputMessage]:
        messages = self._reconcile(each, inputs)
        for message in messages:
            self.emitted.record(message, decision_key)
        assert self._reconcile(each, inputs) == [], "emitted twice"
        return messages

    def _reconcile(self, each: Evaluation, inputs: str | None) -> list[OutputMessage]:
        flip_alert = partial(decision_flip, view=build_case_view("job-1", ()), policy=POLICY)
        return reconcile(
            "job-1",
            each,
            self.emitted,
            POLICY.name,
            inputs,
            decision_key=decision_key,
            explain=explain,
            flip_alert=flip_alert,
        )


def decisions(messages: Iterable[OutputMessage]) -> list[AnyDecision]:
    return [each for each in messages if isinstance(each, DecisionMessage)]


def test_revisions_of_a_decision_form_a_chain() -> None:
    reconciler = Reconciler()
    (first,) = decisions(reconciler.emit(evaluation(body())))
    (second,) = decisions(reconciler.emit(evaluation(body("waived"))))
    assert (first.revision, first.supersedes, first.changed) == (1, None, ())
    assert (second.revision, second.supersedes, second.changed) == (2, first.decision_id, ("outcome",))
    assert second.decision_id == decision_id(second.content_hash, first.decision_id)


def test_a_decision_that_no_rule_makes_any_more_is_withdrawn_once_and_may_come_back() -> None:
    reconciler = Reconciler()
    (first,) = decisions(reconciler.emit(evaluation(body())))
    (withdrawn,) = decisions(reconciler.emit(evaluation()))
    assert (withdrawn.body.outcome, withdrawn.body.evidence, withdrawn.body.effective_at) == (WITHDRAWN, ("/s#a",), 10)
    assert withdrawn.supersedes == first.decision_id
    (again,) = decisions(reconciler.emit(evaluation(body())))
    assert (again.revision, again.content_hash) == (3, first.content_hash)
    assert again.decision_id != first.decision_id


def test_each_partner_has_its_own_chain() -> None:
    reconciler = Reconciler()
    assert len(decisions(reconciler.emit(evaluation(body(), body(partner="p2"))))) == 2
    (changed,) = decisions(reconciler.emit(evaluation(body(), body("waived", partner="p2"))))
    assert (changed.body.partner_id, changed.revision) == ("p2", 2)


def test_a_final_outcome_that_changes_raises_an_alert() -> None:
    reconciler = Reconciler()
    reconciler.emit(evaluation(body()))
    alerts = [each for each in reconciler.emit(evaluation(body("waived"))) if isinstance(each, AlertMessage)]
    assert [each.body.name for each in alerts] == ["decision_flip"]


def test_an_action_gets_a_revision_for_each_change_of_state_parameters_or_due_time() -> None:
    reconciler = Reconciler()
    states = [
        ("open", [step()]),
        ("open", [step(why="x")]),
        ("open", [step(why="x", due_at=9)]),
        ("done", [step(is_open=False)]),
        ("open", [step()]),
        ("withdrawn", []),
    ]
    emitted = [(state, reconciler.emit(evaluation(actions=actions))) for state, actions in states]
    for number, (state, (message,)) in enumerate(emitted, 1):
        assert isinstance(message, ActionMessage)
        assert (message.body.state, message.revision) == (state, number)
    assert len({message.action_id for _, (message,) in emitted if isinstance(message, ActionMessage)}) == 1


def test_an_action_that_was_never_open_is_not_emitted() -> None:
    assert Reconciler().emit(evaluation(actions=[step(is_open=False)])) == []


def test_a_condition_is_resolved_and_may_fire_again() -> None:
    reconciler = Reconciler()
    emitted = [reconciler.emit(evaluation(alerts=each, as_of=30)) for each in ([condition()], [], [condition()])]
    bodies = [message.body for (message,) in emitted if isinstance(message, AlertMessage)]
    assert [(each.state, each.ends_at) for each in bodies] == [("firing", None), ("resolved", 30), ("firing", None)]


@pytest.mark.parametrize(
    ("changed", "is_emitted"),
    [
        ({}, False),
        ({"labels": {"case_id": "job-1", "city": "indore"}}, True),
        ({"labels": {"case_id": "job-1"}}, False),
        ({"evidence": ("/s#later",)}, False),
        ({"starts_at": 21}, False),
    ],
)
def test_a_firing_condition_is_emitted_again_when_its_labels_change(
    changed: dict[str, object], *, is_emitted: bool
) -> None:
    first = condition().alert
    new = replace(first, **changed)
    reconciler = Reconciler()
    (before,) = reconciler.emit(evaluation(alerts=[AlertCondition(first, is_moment=False)]))
    emitted = reconciler.emit(evaluation(alerts=[AlertCondition(new, is_moment=False)]))
    assert [each.body for each in emitted] == ([new] if is_emitted else [])
    assert isinstance(before, AlertMessage)
    assert {each.alert_id for each in emitted if isinstance(each, AlertMessage)} <= {before.alert_id}
    (resolved,) = reconciler.emit(evaluation())
    assert isinstance(resolved, AlertMessage)
    assert (resolved.body.state, resolved.body.labels) == ("resolved", new.labels)


def test_a_moment_is_not_emitted_again_when_its_labels_change() -> None:
    reconciler = Reconciler()
    reconciler.emit(evaluation(alerts=[condition(ends_at=99)]))
    other = replace(condition(ends_at=99).alert, labels={"case_id": "job-1", "city": "indore"})
    assert reconciler.emit(evaluation(alerts=[AlertCondition(other, is_moment=True)])) == []


def test_a_moment_is_emitted_once_and_never_resolved() -> None:
    reconciler = Reconciler()
    assert len(reconciler.emit(evaluation(alerts=[condition(ends_at=99)]))) == 1
    assert reconciler.emit(evaluation()) == []
    assert reconciler.emit(evaluation(alerts=[condition(ends_at=99)])) == []


def test_every_message_carries_the_input_positions() -> None:
    emitted = Reconciler().emit(evaluation(body(), actions=[step()], alerts=[condition()]), "jobs-3:9")
    assert [message.inputs for message in emitted] == ["jobs-3:9"] * 3
