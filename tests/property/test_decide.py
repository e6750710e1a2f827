"""Any case can be evaluated; the result is the same in every order of arrival, rests on facts, and is complete."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hypothesis import event, given
from hypothesis import strategies as st

from agents.case.evaluation import Evaluation
from agents.sops.catalogue import CLAUSES
from agents.sops.keys import decision_key
from agents.sops.out_of_scope.policy import Paf
from schemas.codec.decoder import decode_record
from schemas.outputs import DecisionBody
from schemas.policy.model import DAY
from tests.scenario import POLICY, evaluate_case
from tests.strategies import LIMITS, GeneratedCase, cases

OUTCOMES: Final = {
    ("tagging", "out_of_scope"): {
        "partner_led_cancellation/out_of_scope",
        "partner_led_cancellation/cant_deliver",
        "none",
    },
    ("paf", "out_of_scope"): {"under_review", "upheld", "reversal_scheduled", "waived", "not_applicable"},
    ("rating_reversal", "out_of_scope"): {"awaiting_verification", "denied", "granted"},
    ("tagging", "offline_service"): {
        "offline_service/no_booking",
        "offline_service/cancelled_then_served",
        "offline_service/partial",
        "offline_service/not_tagged",
    },
    ("refund", "offline_service"): {"eligible_full", "eligible_partial", "refused", "awaiting_proof"},
}


def evaluated(case: GeneratedCase, now: int | None = None) -> Evaluation:
    return evaluate_case(case.case_id, case.facts, case.reports, POLICY, case.now if now is None else now)


def bodies(result: Evaluation) -> list[DecisionBody]:
    return [each.body for each in result.decisions]


@given(cases())
def test_any_case_is_evaluated(case: GeneratedCase) -> None:
    result = evaluated(case)
    for body in bodies(result):
        event(f"{body.kind} {body.outcome} {' '.join(body.reasons[:1])}")
        assert body.outcome in OUTCOMES[body.kind, body.subject_of]
        assert body.status in {"provisional", "final"}
        assert set(body.clauses) <= set(CLAUSES)


@given(cases(), st.data())
def test_the_order_of_arrival_has_no_effect(case: GeneratedCase, data: st.DataObject) -> None:
    facts = data.draw(st.permutations(case.facts))
    reports = data.draw(st.permutations([*case.reports, *case.reports[:2]]))
    assert evaluate_case(case.case_id, facts, reports, POLICY, case.now) == evaluated(case)


@given(cases())
def test_json_lines_hold_the_same_events(case: GeneratedCase) -> None:
    events = [decode_record(each, None, LIMITS) for each in case.lines]
    decoded = {event.identity: event for event in events}
    assert decoded == {each.identity: each for each in (*case.facts, *case.reports)}


@given(cases())
def test_evidence_names_known_facts_and_reports(case: GeneratedCase) -> None:
    result = evaluated(case)
    times = {each.ref: each.time for each in (*case.facts, *case.reports)}
    cited = [body.evidence for body in bodies(result)]
    cited += [found.alert.evidence for found in result.alerts]
    cited += [tuple(each.ref for each in action.evidence) for action in result.actions]
    for evidence in cited:
        assert set(evidence) <= times.keys()
    for body in bodies(result):
        assert list(body.evidence) == sorted(set(body.evidence))
        assert list(body.reasons) == sorted(set(body.reasons))
        assert list(body.clauses) == sorted(set(body.clauses))


@given(cases())
def test_a_decision_takes_effect_with_the_latest_of_its_evidence_and_deadlines(case: GeneratedCase) -> None:
    times = {each.ref: each.time for each in (*case.facts, *case.reports)}
    for body in bodies(evaluated(case)):
        latest = max(times[ref] for ref in body.evidence)
        if body.reasons == ("no_claim",) and body.status == "final":
            latest += POLICY[Paf].claim_window
        assert body.effective_at == latest
        assert body.effective_at <= case.now


@given(cases())
def test_no_two_decisions_actions_or_alerts_share_a_key(case: GeneratedCase) -> None:
    result = evaluated(case)
    keys = Counter[object](decision_key(body) for body in bodies(result))
    keys.update((action.code, action.partner_id, action.ticket_id) for action in result.actions)
    keys.update(
        (found.alert.name, *(found.alert.labels.get(name) for name in found.alert.key)) for found in result.alerts
    )
    assert not [key for key, count in keys.items() if count > 1]


@given(cases())
def test_nothing_changes_before_the_next_deadline(case: GeneratedCase) -> None:
    result = evaluated(case)
    assert result.next_deadline is None or result.next_deadline > case.now
    until = case.now + 3650 * DAY if result.next_deadline is None else result.next_deadline - 1
    assert evaluated(case, until) == result


@given(cases())
def test_deadlines_come_to_an_end(case: GeneratedCase) -> None:
    now, evaluations = case.now, 0
    while (due := evaluated(case, now).next_deadline) is not None:
        assert due > now
        now, evaluations = due, evaluations + 1
        assert evaluations <= 10 * (len(case.facts) + len(case.reports))


@given(cases())
def test_a_ticket_is_parked_or_called_about_but_not_both(case: GeneratedCase) -> None:
    actions = evaluated(case).actions
    parked = {action.ticket_id for action in actions if action.open and action.code == "park_ticket"}
    called = {action.ticket_id for action in actions if action.open and action.code == "call_partner"}
    assert not parked & called
