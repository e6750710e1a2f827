"""The explanation of any case agrees with what is decided about it, and says of every row why it fired or not."""

from __future__ import annotations

from hypothesis import event, given

from agents.sops.explained import ExplainedDecision
from tests.scenario import POLICY, evaluate_case, explain_case
from tests.strategies import GeneratedCase, cases


def explained(case: GeneratedCase) -> tuple[ExplainedDecision, ...]:
    return explain_case(case.case_id, case.facts, case.reports, POLICY, case.now)


@given(cases())
def test_the_row_that_fired_gives_the_decision_that_is_made(case: GeneratedCase) -> None:
    decided = evaluate_case(case.case_id, case.facts, case.reports, POLICY, case.now).decisions
    found = []
    for each in explained(case):
        if each.outcome is not None:
            last = each.rows[-1]
            event(last.name)
            assert last.outcome == each.outcome
            found.append((each.kind, each.subject_of, each.partner_id, last.outcome, each.status, last.clauses))
    bodies = (each.body for each in decided)
    assert found == [
        (body.kind, body.subject_of, body.partner_id, body.outcome, body.status, body.clauses) for body in bodies
    ]


@given(cases())
def test_only_the_last_row_fired_and_each_row_before_it_has_a_term_that_fails(case: GeneratedCase) -> None:
    for each in explained(case):
        assert [row.fired for row in each.rows[:-1]] == [False] * len(each.rows[:-1])
        assert all(not term.holds for row in each.rows for term in row.failing)
        for row in each.rows[-1:]:
            assert row.fired is (each.outcome is not None)


@given(cases())
def test_without_a_decision_a_term_of_the_table_or_every_row_fails(case: GeneratedCase) -> None:
    for each in explained(case):
        applies = all(term.holds for term in each.applies)
        assert bool(each.rows) is applies
        if each.outcome is None:
            event(f"no {each.kind} of {each.subject_of}")
            assert not applies or not any(row.fired for row in each.rows)


@given(cases())
def test_a_term_that_holds_is_found_as_asked_and_another_is_not(case: GeneratedCase) -> None:
    for each in explained(case):
        for term in (*each.applies, *(term for row in each.rows for term in row.terms)):
            assert term.holds is term.found.startswith(term.asked)


@given(cases())
def test_a_decision_with_a_deadline_is_provisional_until_then(case: GeneratedCase) -> None:
    for each in explained(case):
        if each.final_from is not None:
            event(f"{each.rows[-1].name} {each.status}")
            assert each.status == ("final" if each.final_from <= case.now else "provisional")
