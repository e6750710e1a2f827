"""Which messages bring what was said in line with what ought to be said."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from agents.case.case import EmittedMessages
from agents.case.reconcile import reconcile
from agents.verdict import AlertCondition, Evaluation, Step
from schemas.codec.encoder import decision_id
from schemas.outputs import (
    WITHDRAWN,
    ActionMessage,
    AlertBody,
    AlertMessage,
    DecisionBody,
    DecisionMessage,
    OutputMessage,
)
from tests.scenario import POLICY


def body(outcome: str = "upheld", *, at: int = 10, partner: str = "p1") -> DecisionBody:
    return DecisionBody(
        kind="paf",
        subject_of="out_of_scope",
        case_id="job-1",
        partner_id=partner,
        status="final",
        outcome=outcome,
        evidence=("/s#a",),
        policy=POLICY.name,
        effective_at=at,
    )


def step(*, is_open: bool = True, done: bool = False, due_at: int | None = None, **params: str) -> Step:
    return Step(code="call_partner", partner_id="p1", open=is_open, done=done, clauses=(), params=params, due_at=due_at)


def finding(*, ends_at: int | None = None) -> AlertCondition:
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


def verdict(
    *decisions: DecisionBody, steps: Iterable[Step] = (), findings: Iterable[AlertCondition] = (), as_of: int = 20
) -> Evaluation:
    return Evaluation(
        decisions=decisions, steps=tuple(steps), findings=tuple(findings), as_of=as_of, next_deadline=None
    )


class Saying:
    """Says verdicts one after the other."""

    def __init__(self) -> None:
        self.sent = EmittedMessages()

    def say(self, each: Evaluation, inputs: str | None = None) -> list[OutputMessage]:
        messages = reconcile("job-1", each, self.sent, POLICY, {}, inputs)
        for message in messages:
            self.sent.record(message)
        assert reconcile("job-1", each, self.sent, POLICY, {}, inputs) == [], "said again"
        return messages


def decisions(messages: Iterable[OutputMessage]) -> list[DecisionMessage]:
    return [each for each in messages if isinstance(each, DecisionMessage)]


def test_revisions_of_a_decision_form_a_chain() -> None:
    saying = Saying()
    (first,) = decisions(saying.say(verdict(body())))
    (second,) = decisions(saying.say(verdict(body("waived"))))
    assert (first.revision, first.supersedes, first.changed) == (1, None, ())
    assert (second.revision, second.supersedes, second.changed) == (2, first.decision_id, ("outcome",))
    assert second.decision_id == decision_id(second.content_hash, first.decision_id)


def test_a_decision_that_no_rule_calls_for_is_withdrawn_once_and_may_come_back() -> None:
    saying = Saying()
    (first,) = decisions(saying.say(verdict(body())))
    (gone,) = decisions(saying.say(verdict()))
    assert (gone.body.outcome, gone.body.evidence, gone.body.effective_at) == (WITHDRAWN, ("/s#a",), 10)
    assert gone.supersedes == first.decision_id
    (back,) = decisions(saying.say(verdict(body())))
    assert (back.revision, back.content_hash) == (3, first.content_hash)
    assert back.decision_id != first.decision_id


def test_partners_have_chains_of_their_own() -> None:
    saying = Saying()
    assert len(decisions(saying.say(verdict(body(), body(partner="p2"))))) == 2
    (changed,) = decisions(saying.say(verdict(body(), body("waived", partner="p2"))))
    assert (changed.body.partner_id, changed.revision) == ("p2", 2)


def test_a_final_outcome_that_changes_is_an_alert() -> None:
    saying = Saying()
    saying.say(verdict(body()))
    alerts = [each for each in saying.say(verdict(body("waived"))) if isinstance(each, AlertMessage)]
    assert [each.body.name for each in alerts] == ["decision_flip"]


def test_an_action_has_a_revision_for_each_change_of_state_parameters_or_due_time() -> None:
    saying = Saying()
    states = [
        ("open", step()),
        ("open", step(why="x")),
        ("open", step(why="x", due_at=9)),
        ("done", step(is_open=False, done=True)),
        ("open", step()),
        ("withdrawn", step(is_open=False)),
    ]
    said = [(state, saying.say(verdict(steps=[each]))) for state, each in states]
    for number, (state, (message,)) in enumerate(said, 1):
        assert isinstance(message, ActionMessage)
        assert (message.body.state, message.revision) == (state, number)
    assert len({message.action_id for _, (message,) in said if isinstance(message, ActionMessage)}) == 1


def test_an_action_that_was_never_open_is_not_spoken_of() -> None:
    assert Saying().say(verdict(steps=[step(is_open=False, done=True)])) == []


def test_a_condition_is_resolved_and_may_fire_again() -> None:
    saying = Saying()
    said = [saying.say(verdict(findings=each, as_of=30)) for each in ([finding()], [], [finding()])]
    bodies = [message.body for (message,) in said if isinstance(message, AlertMessage)]
    assert [(each.state, each.ends_at) for each in bodies] == [("firing", None), ("resolved", 30), ("firing", None)]


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({}, False),
        ({"labels": {"case_id": "job-1", "city": "indore"}}, True),
        ({"labels": {"case_id": "job-1"}}, False),
        ({"evidence": ("/s#later",)}, False),
        ({"starts_at": 21}, False),
    ],
)
def test_a_condition_whose_labels_change_while_it_fires_is_told_again(
    changed: dict[str, object], *, again: bool
) -> None:
    first = replace(finding().alert, labels={"case_id": "job-1"}, key=("case_id",))
    new = replace(first, **changed)
    saying = Saying()
    (before,) = saying.say(verdict(findings=[AlertCondition(first, is_moment=False)]))
    said = saying.say(verdict(findings=[AlertCondition(new, is_moment=False)]))
    assert [each.body for each in said] == ([new] if again else [])
    assert isinstance(before, AlertMessage)
    assert {each.alert_id for each in said if isinstance(each, AlertMessage)} <= {before.alert_id}
    (resolved,) = saying.say(verdict())
    assert isinstance(resolved, AlertMessage)
    assert (resolved.body.state, resolved.body.labels) == ("resolved", new.labels)


def test_a_moment_whose_labels_change_is_not_told_again() -> None:
    saying = Saying()
    saying.say(verdict(findings=[finding(ends_at=99)]))
    other = replace(finding(ends_at=99).alert, labels={**finding().alert.labels, "city": "indore"})
    assert saying.say(verdict(findings=[AlertCondition(other, is_moment=True)])) == []


def test_a_moment_is_told_once_and_never_taken_back() -> None:
    saying = Saying()
    assert len(saying.say(verdict(findings=[finding(ends_at=99)]))) == 1
    assert saying.say(verdict()) == []
    assert saying.say(verdict(findings=[finding(ends_at=99)])) == []


def test_every_message_says_what_had_been_read() -> None:
    said = Saying().say(verdict(body(), steps=[step()], findings=[finding()]), "jobs-3:9")
    assert [message.inputs for message in said] == ["jobs-3:9"] * 3
