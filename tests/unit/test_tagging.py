"""How a case is tagged on its out-of-scope side: every row of the table, and which comes first."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from tests.scenario import Scenario
from tests.unit.engaged import (
    CANT,
    OUT,
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

TAGGING = [
    pytest.param(job(), None, id="nothing claimed"),
    pytest.param(by_customer(job(), "partner"), None, id="only the customer cancelled"),
    pytest.param(by_partner(job(), "other"), None, id="cancelled for another reason"),
    pytest.param(job().cancelled("12:00", "platform", reason="out_of_scope"), None, id="cancelled by the platform"),
    pytest.param(genuine(claimed()), expected(f"{OUT} final", "OOS-5", PROOF), id="genuine"),
    pytest.param(
        by_partner(genuine(claimed())), expected(f"{OUT} final", "OOS-5", PROOF), id="genuine before the cancellation"
    ),
    pytest.param(
        claimed(reason="otp_refused").image("10:05").validated("11:00"),
        expected(f"{OUT} final", "OOS-5", "t1 validated"),
        id="no image needed, none cited",
    ),
    pytest.param(
        claimed(appliance_use="commercial").image("10:05").validated("11:00"),
        expected(f"{OUT} final", "OOS-5 OOS-6", "t1 validated booked"),
        id="the booking shows it",
    ),
    pytest.param(
        claimed(appliance_use="commercial", reason="otp_refused").validated("11:00"),
        expected(f"{OUT} final", "OOS-5 OOS-6", "t1 validated"),
        id="the claim's reason comes before the booking",
    ),
    pytest.param(claimed(), expected(f"{OUT} provisional", "OOS-5", "t1"), id="pending"),
    pytest.param(
        claimed(appliance_use="commercial"),
        expected(f"{OUT} provisional", "OOS-5 OOS-6", "t1"),
        id="pending, commercial appliance",
    ),
    pytest.param(
        claimed().validated("11:00"), expected(f"{OUT} provisional", "OOS-5", "t1 validated"), id="pending, judged"
    ),
    pytest.param(
        claimed().ticket("10:30", "t2").validated("11:00", ticket="t2"),
        expected(f"{OUT} provisional", "OOS-5", "t2 validated"),
        id="the judged ticket is the claim",
    ),
    pytest.param(by_partner(claimed()), expected(f"{OUT} provisional", "OOS-5", "t1"), id="pending, cancelled"),
    *(
        pytest.param(
            by_partner(job(), reason),
            expected(f"{CANT} final", "OOS-14 OOS-17", "cancelled"),
            id=f"cancelled: {reason}",
        )
        for reason in ("out_of_scope", "pro_cannot_deliver", "cant_deliver")
    ),
    pytest.param(
        by_partner(refused(claimed()), "other"),
        expected(f"{CANT} final", "OOS-14 OOS-17", "cancelled t1 validated"),
        id="refused, cancelled for whatever reason",
    ),
    pytest.param(
        by_customer(refused(claimed()), "partner"),
        expected("none final not_genuine", "OOS-5", "t1 validated"),
        id="refused, the customer cancelled",
    ),
]


@pytest.mark.parametrize(("case", "row"), TAGGING)
def test_tagging(case: Scenario, row: tuple[str, str, str] | None) -> None:
    body = decided(assessed(case)).get("tagging")
    assert told(body) == row
    if body is not None:
        assert body.tag_code == ("4.2" if body.outcome == OUT else UNSET)
