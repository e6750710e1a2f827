"""What the explanation of a decision says: the words of the terms, in the cases that people ask about."""

from __future__ import annotations

import pytest

from agents.sops.explained import ExplainedDecision
from agents.sops.offline_service.refund import REFUND
from agents.sops.offline_service.tagging import TAGGING as OFFLINE_TAGGING
from agents.sops.out_of_scope.paf import PAF
from agents.sops.out_of_scope.rating_reversal import RATING_REVERSAL
from agents.sops.out_of_scope.tagging import TAGGING
from tests.rules.table import job, off_site, on_site
from tests.scenario import POLICY, Scenario, explain_case, instant

NAMES = [row.name for table in (TAGGING, PAF, RATING_REVERSAL, OFFLINE_TAGGING, REFUND) for row in table.rows]


def explained(case: Scenario, kind: str, now: str = "20:00", sop: str = "out_of_scope") -> ExplainedDecision:
    found = explain_case(case.case_id, case.facts, case.reports, POLICY, instant(now))
    (decision,) = (each for each in found if (each.kind, each.subject_of) == (kind, sop))
    return decision


def failing(decision: ExplainedDecision) -> dict[str, list[str]]:
    """Return what was found instead of each failing term, by row."""
    return {row.name: [term.found for term in row.failing] for row in decision.rows}


def test_no_two_rows_have_the_same_name() -> None:
    assert sorted(NAMES) == sorted(set(NAMES))


def test_rows_before_the_one_that_fired_say_on_which_terms_they_failed() -> None:
    paf = explained(off_site().partner_cancelled(), "paf")
    assert failing(paf) == {
        "P0": ["the route is known (ticketed)"],
        "P1": ["the route is not bpc_only (ticketed)"],
        "P2": ["the claim is not refused (genuineness: pending)"],
        "P3": ["the claim is not genuine (genuineness: pending)"],
        "P4": [],
    }
    assert [term.found for term in paf.rows[-1].terms] == [
        "the partner was off site",
        "the partner cancelled",
        "the route is not commercial (ticketed)",
    ]
    assert (paf.outcome, paf.rows[-1].clauses) == ("upheld", ("OOS-14", "OOS-19"))


def test_a_denied_term_that_fails_says_what_is_the_case() -> None:
    offices = job(city="Jaipur", premises="commercial").report("10:00", 900).ticket().partner_cancelled()
    assert failing(explained(offices, "paf"))["P4"] == ["the route is commercial"]


def test_a_row_that_fires_in_the_absence_of_others_has_no_terms() -> None:
    paf = explained(job().ticket().not_genuine().customer_cancelled(), "paf")
    assert (paf.rows[-1].name, paf.rows[-1].terms, paf.rows[-1].fired) == ("P10", (), True)


@pytest.mark.parametrize(("now", "status"), [("12:00 +72h -1us", "provisional"), ("12:00 +72h", "final")])
def test_a_decision_that_waits_for_a_deadline_names_it(now: str, status: str) -> None:
    paf = explained(job().partner_cancelled(), "paf", now)
    assert (paf.rows[-1].name, paf.status, paf.final_from) == ("P5", status, instant("12:00 +72h"))


@pytest.mark.parametrize(
    ("case", "kind", "sop", "reasons"),
    [
        (on_site(), "paf", "out_of_scope", ["nobody cancelled"]),
        (job(), "paf", "out_of_scope", ["out of scope is not claimed", "nobody cancelled"]),
        (on_site(), "rating_reversal", "out_of_scope", ["no ticket asks for a rating reversal"]),
        (job().complaint(), "refund", "offline_service", ["no refund was asked for"]),
    ],
)
def test_where_a_table_does_not_apply_it_says_why(case: Scenario, kind: str, sop: str, reasons: list[str]) -> None:
    decision = explained(case, kind, sop=sop)
    assert (decision.outcome, decision.status, decision.rows) == (None, None, ())
    assert [term.found for term in decision.applies if not term.holds] == reasons


def test_a_failing_proof_names_its_failed_checks() -> None:
    case = job().complaint().proof(method="cash").refund_asked()
    tagging = failing(explained(case, "tagging", sop="offline_service"))
    assert tagging["O1"][0] == "a check of the proof fails (partner_not_identified, cash_payment)"
    assert explained(case, "refund", sop="offline_service").rows[-1].name == "F4"


def test_each_engagement_is_explained() -> None:
    case = job().ticket().partner_cancelled().assigned("13:00", "p2").partner_cancelled("14:00")
    found = explain_case(case.case_id, case.facts, case.reports, POLICY, instant("20:00"))
    assert [(each.partner_id, each.outcome) for each in found if each.kind == "paf"] == [
        ("p1", "under_review"),
        ("p2", "upheld"),
    ]
