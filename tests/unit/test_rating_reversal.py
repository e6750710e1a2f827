"""Whether a rating is reversed: every row of the table, and which comes first."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.scenario import Scenario
from tests.unit.engaged import (
    AWAY_AT,
    COMMERCIAL,
    HERE_AT,
    ON,
    PROOF,
    assessed,
    by_customer,
    claimed,
    decided,
    expected,
    genuine,
    job,
    refused,
    told,
)


def rated(case: Scenario) -> Scenario:
    """A rating-reversal ticket at 15:00."""
    return case.ticket("15:00", "r1", kind="rating_reversal")


AWAITING = "awaiting_verification provisional"

RATING = [
    pytest.param(genuine(claimed()).closed("12:00"), {}, None, id="not asked for"),
    pytest.param(rated(job()), {}, expected(f"{AWAITING} job_not_closed", "OOS-3", "r1"), id="job goes on"),
    pytest.param(
        rated(genuine(claimed()).closed("12:00", "completed")),
        HERE_AT,
        expected("denied final not_closed_at_bpc", "OOS-3", "r1 closed"),
        id="completed",
    ),
    pytest.param(
        rated(genuine(claimed()).closed("12:00", "bpc").closed("12:30", "completed")),
        HERE_AT,
        expected("denied final not_closed_at_bpc", "OOS-3", "r1 closed2"),
        id="the latest closing counts",
    ),
    pytest.param(
        rated(by_customer(genuine(claimed()).cancelled("11:30", "platform"))),
        HERE_AT,
        expected("denied final not_closed_at_bpc", "OOS-3", "r1 cancelled"),
        id="cancelled only",
    ),
    pytest.param(
        rated(job().closed("12:00")),
        {},
        expected("denied final no_oos_ticket", "OOS-3", "r1 closed"),
        id="no ticket",
    ),
    pytest.param(
        rated(genuine(claimed(by="agent")).closed("12:00")),
        HERE_AT,
        expected("denied final no_oos_ticket", "OOS-3", "r1 closed"),
        id="an agent's ticket only",
    ),
    pytest.param(
        rated(refused(claimed()).closed("12:00")),
        AWAY_AT,
        expected("denied final not_genuine", "OOS-3", "r1 closed t1 validated"),
        id="refused",
    ),
    pytest.param(
        rated(claimed().closed("12:00")),
        AWAY_AT,
        expected(f"{AWAITING} awaiting_validation", "OOS-21 OOS-3", "r1 closed t1"),
        id="not judged",
    ),
    pytest.param(
        rated(claimed().validated("11:00").closed("12:00")),
        HERE_AT,
        expected(f"{AWAITING} awaiting_validation", "OOS-21 OOS-3", "r1 closed t1 validated"),
        id="judged without image",
    ),
    pytest.param(
        rated(genuine(claimed()).closed("12:00")),
        AWAY_AT,
        expected(f"{AWAITING} presence_conflict", "OOS-3 OOS-7", f"r1 closed {PROOF} {ON}"),
        id="off site",
    ),
    *(
        pytest.param(
            rated(genuine(claimed(**booking)).closed("12:00")),
            seen,
            expected("granted final", "OOS-3", f"r1 closed {PROOF}"),
            id=name,
        )
        for name, booking, seen in (
            ("granted", {}, HERE_AT),
            ("granted unseen", {}, {}),
            ("granted off commercial site", COMMERCIAL, AWAY_AT),
        )
    ),
    pytest.param(
        rated(by_customer(genuine(claimed()).closed("11:30"))),
        HERE_AT,
        expected("granted final", "OOS-3", f"r1 closed {PROOF}"),
        id="granted although cancelled later",
    ),
    pytest.param(
        rated(genuine(claimed()).closed("12:00").ticket("14:00", "r0", kind="rating_reversal")),
        HERE_AT,
        expected("granted final", "OOS-3", f"r0 closed {PROOF}"),
        id="the earliest request",
    ),
]


@pytest.mark.parametrize(("case", "seen", "row"), RATING)
def test_rating_reversal(case: Scenario, seen: Mapping[str, float], row: tuple[str, str, str] | None) -> None:
    assert told(decided(assessed(case, seen)).get("rating_reversal")) == row
