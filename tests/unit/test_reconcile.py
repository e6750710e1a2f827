"""Reconciling an evaluation with what was emitted: revisions, withdrawals, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import pytest
from msgspec.structs import replace

from agents.case.case import EmittedMessages
from agents.case.evaluation import ActionCondition, AlertCondition, Evaluation, StandingDecision
from agents.case.reconcile import Circumstances, reconcile
from agents.case.view import build_case_view
from agents.sops.decision_alerts import decision_flip
from agents.sops.explanation import explain
from agents.sops.keys import decision_key, published_key
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


def body(outcome: str = "upheld", *, at: int = 10, partner: str | None = "p1", **members: Any) -> DecisionBody:
    return PafDecision(
        **{
            "subject_of": "out_of_scope",
            "case_id": "job-1",
            "partner_id": partner,
            "status": "final",
            "outcome": outcome,
            "evidence": ("/s#a",),
            "policy": POLICY.name,
            "effective_at": at,
            **members,
        }
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
    *decisions: DecisionBody | StandingDecision,
    actions: Iterable[ActionCondition] = (),
    alerts: Iterable[AlertCondition] = (),
    as_of: int = 20,
) -> Evaluation:
    standing = tuple(each if isinstance(each, StandingDecision) else StandingDecision(each, ()) for each in decisions)
    return Evaluation(decisions=standing, actions=tuple(actions), alerts=tuple(alerts), as_of=as_of, next_deadline=None)


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
            Circumstances(POLICY.name, each.as_of, inputs),
            decision_key=decision_key,
            published_key=published_key,
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


def test_a_revision_has_the_values_that_changed() -> None:
    reconciler = Reconciler()
    (first,) = decisions(reconciler.emit(evaluation(body(counts_in_mg=None))))
    later = body("waived", at=11, evidence=("/s#a", "/s#b"), counts_in_mg=True, resolve_at="training_or_review")
    (second,) = decisions(reconciler.emit(evaluation(later)))
    assert first.previous is None
    assert second.changed == ("counts_in_mg", "effective_at", "evidence", "outcome", "resolve_at")
    assert second.previous == {
        "counts_in_mg": None,
        "effective_at": "1970-01-01T00:00:00.000010Z",
        "outcome": "upheld",
    }


DUE: Final = "deadline:1970-01-01T00:00:00.000030Z"


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        pytest.param(body(), body(evidence=("/s#b", "/s#a", "/s#c")), ["/s#b", "/s#c"], id="new evidence"),
        pytest.param(body(evidence=("/s#a", "/s#b")), body(), [], id="less evidence"),
        pytest.param(body(policy="old@1"), body(), ["policy"], id="another policy"),
        pytest.param(body(policy="old@1"), body("waived", evidence=("/s#b",)), ["/s#b", "policy"], id="both, in order"),
        pytest.param(body(status="provisional"), StandingDecision(body(at=30), (30,)), [DUE], id="a deadline passed"),
        pytest.param(
            StandingDecision(body(at=30, policy="old@1"), (30,)),
            StandingDecision(body(at=30), (30,)),
            ["policy"],
            id="the same deadline",
        ),
        pytest.param(
            StandingDecision(body(at=40), (40,)), StandingDecision(body(at=30), (30,)), [DUE], id="another deadline"
        ),
        pytest.param(
            body("waived", at=30),
            StandingDecision(body(at=30), (30,)),
            [DUE],
            id="another row that only took effect then",
        ),
    ],
)
def test_the_cause_is_what_a_revision_newly_rests_on(
    old: DecisionBody | StandingDecision, new: DecisionBody | StandingDecision, cause: list[str]
) -> None:
    reconciler = Reconciler()
    (first,) = decisions(reconciler.emit(evaluation(old)))
    (second,) = decisions(reconciler.emit(evaluation(new)))
    assert first.cause is None
    assert second.cause == tuple(cause)


def test_a_decision_is_of_the_instant_up_to_which_deadlines_had_passed() -> None:
    (message,) = decisions(Reconciler().emit(evaluation(body(), as_of=77)))
    assert message.asof == 77


def test_references_alone_make_no_revision() -> None:
    reconciler = Reconciler()
    reconciler.emit(evaluation(body()))
    assert reconciler.emit(evaluation(body(cancellation_ref="/s#a"))) == []


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (body(), "job-1|paf|out_of_scope|p1"),
        (body(partner=None), "job-1|paf|out_of_scope|"),
        (body(case_id="job|1 é", partner="a/b"), "job%7C1%20%C3%A9|paf|out_of_scope|a%2Fb"),
        (body(subject_of="offline_service"), "job-1|paf|offline_service"),
    ],
)
def test_a_decision_key_names_case_kind_sop_and_partner(made: DecisionBody, key: str) -> None:
    assert published_key(made) == key


def test_a_decision_that_no_rule_makes_any_more_is_withdrawn_once_and_may_come_back() -> None:
    reconciler = Reconciler()
    (first,) = decisions(reconciler.emit(evaluation(body())))
    (withdrawn,) = decisions(reconciler.emit(evaluation()))
    assert (withdrawn.decision_key, withdrawn.cause) == (first.decision_key, ())
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
