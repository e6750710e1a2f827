"""The route of an engagement, as the penalty of a genuine, marked claim and the parking of its ticket show it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rules.table import Row, action, on_site, row
from tests.rules.test_paf import GENUINE, PRESENCE, reversal, review, unbooked, upheld
from tests.scenario import Scenario

PARK = action("park_ticket", "OOS-9", ticket="t1", until="13:00")
BPC_ONLY = (upheld("cancellation_not_allowed", "OOS-2", "booked assigned cancelled"), PARK.never)
COMMERCIAL = (reversal("OOS-12", f"{GENUINE} cancelled booked"), PARK.never)
TICKETED = (reversal("OOS-18", f"{GENUINE} cancelled {PRESENCE}"), PARK.open)
MANUAL = (reversal("OOS-18", f"{GENUINE} cancelled {PRESENCE}"), PARK.never)
UNKNOWN = (review("booking_missing", "OOS-18", "cancelled", marked=True), PARK.never)


def claim(**booking: Any) -> Scenario:
    """A genuine claim on site; the partner cancelled and was marked."""
    return on_site(**booking).genuine().partner_cancelled()


LIVE = ("Delhi", "Mumbai", "Hyderabad", "Bangalore", "Ahmedabad", "Pune", "Kolkata", "Chennai")
OTHER_NAMES = ("bengaluru", "New Delhi", "BOMBAY", "Calcutta", " Madras ", "new\u00a0 delhi")
OFFICE = {"premises": "commercial"}
BY_TICKET = {"reason": "commercial_premises"}

TABLE = [
    row("unknown: no booking", unbooked().genuine().partner_cancelled(), *UNKNOWN),
    row("bpc_only: rwm in Delhi", claim(group="rwm"), *BPC_ONLY),
    row("bpc_only: rwm in Mumbai", claim(group="rwm", city="Mumbai"), *BPC_ONLY),
    row("bpc_only: rwm in a city of another name", claim(group="rwm", city=" bombay"), *BPC_ONLY),
    row("bpc_only comes before commercial", claim(group="rwm", category="ro", **OFFICE), *BPC_ONLY),
    row("not bpc_only: rwm in another city", claim(group="rwm", city="Bengaluru"), *TICKETED),
    row("not bpc_only: another group", claim(group="gold"), *TICKETED),
    row("commercial: premises, city not live", claim(city="Jaipur", **OFFICE), *COMMERCIAL),
    row("commercial: premises, live city, excluded category", claim(category="ro", **OFFICE), *COMMERCIAL),
    row("commercial: a ticket's reason, city not live", claim(city="Jaipur", **BY_TICKET), *COMMERCIAL),
    row("commercial: a ticket's reason, excluded category", claim(category="ro", **BY_TICKET), *COMMERCIAL),
    row("ticketed: premises, live city", claim(**OFFICE), *TICKETED),
    row("ticketed: a ticket's reason, live city", claim(**BY_TICKET), *TICKETED),
    row("ticketed: excluded category in a home", claim(category="ro"), *TICKETED),
    *(row(f"ticketed: {city}", claim(city=city), *TICKETED) for city in (*LIVE, *OTHER_NAMES)),
    *(row(f"manual: {city}", claim(city=city), *MANUAL) for city in ("Jaipur", "NewDelhi", "Delhi NCR")),
    row("manual: excluded category in a home, city not live", claim(city="Jaipur", category="ro"), *MANUAL),
    row(
        "manual: the latest booking counts",
        claim().booked("12:30", city="Jaipur"),
        reversal("OOS-18", f"{GENUINE} cancelled t1 report booked2 assigned"),
        PARK.withdrawn,
    ),
]


@pytest.mark.parametrize("row", TABLE)
def test_route(row: Row) -> None:
    assert row.found() == row.stated()
