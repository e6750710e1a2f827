"""Whatever the history, a verdict comes out, and it is the same in every order, explained by facts, and complete."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hypothesis import event, given
from hypothesis import strategies as st

from agents.case.evaluation import Evaluation
from agents.sops.catalogue import CLAUSES
from schemas.codec.decoder import decode_record
from schemas.policy.model import DAY
from tests.scenario import POLICY, judge
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


def decided(case: GeneratedCase, now: int | None = None) -> Evaluation:
    return judge(case.case_id, case.facts, case.reports, POLICY, case.now if now is None else now)


@given(cases())
def test_any_history_is_decided(case: GeneratedCase) -> None:
    verdict = decided(case)
    for body in verdict.decisions:
        event(f"{body.kind} {body.outcome} {' '.join(body.reasons[:1])}")
        assert body.outcome in OUTCOMES[body.kind, body.subject_of]
        assert body.status in {"provisional", "final"}
        assert set(body.clauses) <= set(CLAUSES)


@given(cases(), st.data())
def test_no_order_of_arrival_leaves_a_trace(case: GeneratedCase, data: st.DataObject) -> None:
    facts = data.draw(st.permutations(case.facts))
    reports = data.draw(st.permutations([*case.reports, *case.reports[:2]]))
    assert judge(case.case_id, facts, reports, POLICY, case.now) == decided(case)


@given(cases())
def test_lines_hold_the_same_events(case: GeneratedCase) -> None:
    events = [decode_record(each, None, LIMITS) for each in case.lines]
    decoded = {event.identity: event for event in events}
    assert decoded == {each.identity: each for each in (*case.facts, *case.reports)}


@given(cases())
def test_evidence_is_made_of_facts(case: GeneratedCase) -> None:
    verdict = decided(case)
    times = {each.ref: each.time for each in (*case.facts, *case.reports)}
    cited = [body.evidence for body in verdict.decisions]
    cited += [finding.alert.evidence for finding in verdict.alerts]
    cited += [tuple(each.ref for each in step.evidence) for step in verdict.actions]
    for evidence in cited:
        assert set(evidence) <= times.keys()
    for body in verdict.decisions:
        assert list(body.evidence) == sorted(set(body.evidence))
        assert list(body.reasons) == sorted(set(body.reasons))
        assert list(body.clauses) == sorted(set(body.clauses))


@given(cases())
def test_a_decision_takes_effect_with_the_latest_of_its_evidence_and_deadlines(case: GeneratedCase) -> None:
    times = {each.ref: each.time for each in (*case.facts, *case.reports)}
    for body in decided(case).decisions:
        latest = max(times[ref] for ref in body.evidence)
        if body.reasons == ("no_claim",) and body.status == "final":
            latest += POLICY.paf.claim_window
        assert body.effective_at == latest
        assert body.effective_at <= case.now


@given(cases())
def test_a_key_has_one_decision_one_step_one_alert(case: GeneratedCase) -> None:
    verdict = decided(case)
    keys = Counter[object](body.key for body in verdict.decisions)
    keys.update((step.code, step.partner_id, step.ticket_id) for step in verdict.actions)
    keys.update(
        (finding.alert.name, *(finding.alert.labels.get(name) for name in finding.alert.key))
        for finding in verdict.alerts
    )
    assert not [key for key, count in keys.items() if count > 1]


@given(cases())
def test_nothing_changes_before_the_next_deadline(case: GeneratedCase) -> None:
    verdict = decided(case)
    assert verdict.next_deadline is None or verdict.next_deadline > case.now
    until = case.now + 3650 * DAY if verdict.next_deadline is None else verdict.next_deadline - 1
    assert decided(case, until) == verdict


@given(cases())
def test_deadlines_come_to_an_end(case: GeneratedCase) -> None:
    now, steps = case.now, 0
    while (due := decided(case, now).next_deadline) is not None:
        assert due > now
        now, steps = due, steps + 1
        assert steps <= 10 * (len(case.facts) + len(case.reports))


@given(cases())
def test_a_ticket_is_parked_or_called_about_but_not_both(case: GeneratedCase) -> None:
    steps = decided(case).actions
    parked = {step.ticket_id for step in steps if step.open and step.code == "park_ticket"}
    called = {step.ticket_id for step in steps if step.open and step.code == "call_partner"}
    assert not parked & called
