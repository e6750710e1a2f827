"""The route of an engagement, by what it leads to: group, city and its other names, category, premises."""

from __future__ import annotations

import pytest

from tests.rules.table import here, proven, quit_job

ROUTES = [
    # group, city, category, premises, ticket's reason -> route
    ("rwm", "Delhi", "ac", "residential", None, "bpc_only"),
    ("rwm", " new DELHI ", "ac", "commercial", None, "bpc_only"),
    ("rwm", "Bombay", "ac", "residential", None, "bpc_only"),
    ("rwm", "Bengaluru", "ac", "residential", None, "ticketed"),
    (None, "Jaipur", "ac", "commercial", None, "commercial"),
    (None, "Jaipur", "ac", "residential", "commercial_premises", "commercial"),
    (None, "Delhi", "ro", "commercial", None, "commercial"),
    (None, "Delhi", "ro", "residential", "commercial_premises", "commercial"),
    (None, "Delhi", "ac", "commercial", None, "ticketed"),
    (None, "Delhi", "ac", "residential", "commercial_premises", "ticketed"),
    (None, "Delhi", "ro", "residential", None, "ticketed"),
    *((None, city, "ac", "residential", None, "ticketed") for city in (
        "Delhi", "Mumbai", "Hyderabad", "Bangalore", "Ahmedabad", "Pune", "Kolkata", "Chennai",
        "bengaluru", "New Delhi", "BOMBAY", "Calcutta", " Madras ", "new\u00a0 delhi",
    )),
    (None, "Jaipur", "ac", "residential", None, "manual"),
    (None, "NewDelhi", "ac", "residential", None, "manual"),
    (None, "Delhi NCR", "ac", "residential", None, "manual"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "city", "category", "premises", "reason", "route"), ROUTES)
def test_the_route_shows_in_what_is_decided(
    group: str | None, city: str, category: str, premises: str, reason: str | None, route: str
) -> None:
    case = here(group=group, city=city, category=category, premises=premises, reason=reason)
    parked = "park_ticket" in case.verdict().open_codes()
    ruling = quit_job(proven(case)).verdict().ruling("paf")
    assert ruling is not None
    seen = {"OOS-2": "bpc_only", "OOS-12": "commercial", "OOS-18": "ticketed" if parked else "manual"}
    assert seen[ruling.clauses[0]] == route
