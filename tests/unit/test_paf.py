"""What becomes of the penalty: rows P0 to P10, the claim window, and what each cancellation is cited for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from msgspec import UNSET

from agents.sop.out_of_scope import decisions
from agents.verdict import Deadlines
from tests.scenario import POLICY, Scenario, instant, names
from tests.unit.engaged import (
    AWAY,
    AWAY_AT,
    COMMERCIAL,
    HERE,
    HERE_AT,
    ON,
    PROOF,
    assessed,
    by_customer,
    by_partner,
    claimed,
    decided,
    expected,
    genuine,
    job,
    refused,
    told,
)

REVIEW = "under_review provisional"
UNBOOKED = Scenario().assigned().ticket("10:00")

PAF = [
    pytest.param(genuine(claimed()), HERE_AT, None, None, id="no cancellation"),
    pytest.param(by_customer(job(), "partner"), {}, None, None, id="nothing claimed"),
    pytest.param(
        by_customer(UNBOOKED), {}, expected(f"{REVIEW} booking_missing", "OOS-18", "cancelled"), (False, None), id="P0"
    ),
    pytest.param(
        by_partner(job(group="rwm"), marked="none"),
        {},
        expected("upheld final cancellation_not_allowed", "OOS-2", "booked assigned cancelled"),
        (True, True),
        id="P1",
    ),
    pytest.param(
        by_partner(genuine(claimed(group="rwm"))),
        HERE_AT,
        expected("upheld final cancellation_not_allowed", "OOS-2", "booked assigned cancelled"),
        (True, True),
        id="P1 genuine",
    ),
    pytest.param(
        by_customer(refused(claimed()), "partner"),
        AWAY_AT,
        expected("upheld final not_genuine", "OOS-18", "t1 validated cancelled"),
        (True, True),
        id="P2",
    ),
    pytest.param(
        by_partner(genuine(claimed())),
        AWAY_AT,
        expected(f"{REVIEW} presence_conflict", "OOS-7", f"{ON} {PROOF} cancelled"),
        (True, None),
        id="P3",
    ),
    pytest.param(
        by_customer(genuine(claimed())),
        AWAY_AT,
        expected(f"{REVIEW} presence_conflict", "OOS-7", f"{ON} {PROOF} cancelled"),
        (False, None),
        id="P3 not marked",
    ),
    pytest.param(
        by_partner(claimed(), marked="none"),
        AWAY_AT,
        expected("upheld final not_on_site", "OOS-14 OOS-19", f"{ON} cancelled"),
        (True, True),
        id="P4",
    ),
    pytest.param(
        by_partner(job()),
        {"cancelled": AWAY},
        expected("upheld final not_on_site", "OOS-14 OOS-19", "cancelled near-cancelled booked assigned"),
        (True, True),
        id="P4 without a ticket",
    ),
    pytest.param(
        by_partner(refused(claimed()), marked="none"),
        AWAY_AT,
        expected("upheld final not_on_site", "OOS-14 OOS-19", f"{ON} cancelled"),
        (True, True),
        id="P4 refused, not marked",
    ),
    pytest.param(
        by_partner(job()),
        {"cancelled": HERE},
        expected("upheld provisional no_claim", "OOS-18", "cancelled"),
        (True, True),
        id="P5",
    ),
    pytest.param(
        by_customer(claimed(), "partner"),
        AWAY_AT,
        expected(f"{REVIEW} awaiting_validation", "OOS-18", "t1 cancelled"),
        (True, None),
        id="P6",
    ),
    pytest.param(
        by_partner(claimed().validated("11:00"), marked="none"),
        HERE_AT,
        expected(f"{REVIEW} awaiting_validation", "OOS-18", "t1 validated cancelled"),
        (False, None),
        id="P6 judged without image",
    ),
    pytest.param(
        by_partner(genuine(claimed())),
        {},
        expected(f"{REVIEW} presence_unknown", "OOS-7", f"{PROOF} cancelled"),
        (True, None),
        id="P7",
    ),
    pytest.param(
        by_partner(genuine(claimed())),
        HERE_AT,
        expected("reversal_scheduled final", "OOS-18", f"{PROOF} cancelled {ON}"),
        (True, False),
        id="P8",
    ),
    pytest.param(
        by_partner(genuine(claimed(**COMMERCIAL))),
        AWAY_AT,
        expected("reversal_scheduled final", "OOS-12", f"{PROOF} cancelled booked"),
        (True, False),
        id="P8 commercial",
    ),
    pytest.param(
        by_partner(genuine(claimed(city="Jaipur").ticket("10:01", "t2", reason="commercial_premises"))),
        {},
        expected("reversal_scheduled final", "OOS-12", f"{PROOF} cancelled booked t2"),
        (True, False),
        id="P8 commercial by a ticket",
    ),
    pytest.param(
        by_customer(genuine(claimed())),
        HERE_AT,
        expected("waived final", "OOS-20", f"{PROOF} cancelled {ON}"),
        (False, False),
        id="P9",
    ),
    pytest.param(
        by_customer(genuine(claimed(**COMMERCIAL))),
        {},
        expected("waived final", "OOS-20", f"{PROOF} cancelled booked"),
        (False, False),
        id="P9 commercial",
    ),
    pytest.param(
        by_customer(genuine(claimed(group="rwm"))),
        HERE_AT,
        expected("waived final", "OOS-20", f"{PROOF} cancelled {ON}"),
        (False, False),
        id="P9 group, the customer cancelled",
    ),
    pytest.param(
        by_customer(refused(claimed())),
        AWAY_AT,
        expected("not_applicable final", "OOS-16", "cancelled t1 validated"),
        (False, None),
        id="P10 refused, not marked",
    ),
    pytest.param(
        by_partner(job(), marked="customer"),
        {"cancelled": HERE},
        expected("not_applicable final", "OOS-16", "cancelled"),
        (False, None),
        id="P10 no claim, not marked",
    ),
    pytest.param(
        by_partner(job(**COMMERCIAL), marked="none"),
        {"cancelled": AWAY},
        expected("not_applicable final", "OOS-16", "cancelled"),
        (False, None),
        id="P10 commercial premises, off site",
    ),
]


@pytest.mark.parametrize(("case", "seen", "row", "says"), PAF)
def test_paf(
    case: Scenario,
    seen: Mapping[str, float],
    row: tuple[str, str, str] | None,
    says: tuple[bool, bool | None] | None,
) -> None:
    body = decided(assessed(case, seen)).get("paf")
    assert told(body) == row
    if body is not None:
        assert (body.cancellation_marked, body.counts_in_mg) == says
        assert body.resolve_at == ("training_or_review" if body.outcome == "reversal_scheduled" else UNSET)


@pytest.mark.parametrize(
    ("now", "status", "at"),
    [("12:00 +72h -1us", "provisional", "12:00"), ("12:00 +72h", "final", "12:00 +72h")],
)
def test_no_claim_is_final_once_the_window_is_over(now: str, status: str, at: str) -> None:
    deadlines = Deadlines(instant(now))
    bodies = decisions(assessed(by_partner(job()).cancelled("13:00")), deadlines)
    (paf,) = (body for body in bodies if body.kind == "paf")
    assert (paf.status, paf.effective_at) == (status, instant(at))
    assert deadlines.next == (instant("12:00 +72h") if status == "provisional" else None)


def test_a_claim_after_the_window_still_counts() -> None:
    case = by_partner(job()).ticket("12:00 +80h")
    assert decided(assessed(case), "12:00 +90h")["paf"].outcome == "under_review"


def test_the_window_is_policy() -> None:
    short = msgspec.structs.replace(POLICY, paf=msgspec.structs.replace(POLICY.paf, claim_window=0))
    assert decided(assessed(by_partner(job()), policy=short), "12:00")["paf"].status == "final"


def test_each_cancellation_is_cited_for_what_it_is() -> None:
    """The end is the earliest of any kind, the mark the earliest marked, the partner's the earliest by the partner."""
    case = genuine(claimed()).cancelled("12:00", "platform", marked="none").cancelled("12:10", "customer")
    case.cancelled("12:20", "partner")
    assert names(decided(assessed(case, HERE_AT))["paf"].evidence) == names(
        ("assigned", "booked", "cancelled2", "image", "near-t1", "t1", "validated")
    )
    assert "cancelled" in names(decided(assessed(case))["paf"].evidence)
    assert "cancelled3" in names(decided(assessed(case.validated("14:00", "not_genuine")))["tagging"].evidence)
