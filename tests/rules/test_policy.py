"""The policy: each of its numbers and lists changes what comes out, and which policy is in force for a case."""

from __future__ import annotations

import pytest

from agents.sops.catalogue import POLICIES
from tests.rules.table import Row, job, on_site, row, rows_of, unseen
from tests.rules.test_alerts import MOCKED, OUTSIDE, OVERDUE, STAYED, STUCK, TRAVEL, met, travel
from tests.rules.test_cross_case import OTHER_POLICIES
from tests.rules.test_offline_checks import named
from tests.rules.test_offline_tagging import PARTIAL, complaint, not_tagged, proven
from tests.rules.test_paf import NO_CLAIM_YET, upheld
from tests.rules.test_presence import at_ten, off_site, unknown
from tests.rules.test_presence import on_site as seen_on_site
from tests.rules.test_route import BPC_ONLY, COMMERCIAL, MANUAL, TICKETED, claim
from tests.rules.test_tagging import pending
from tests.rules.test_ticket_actions import CALL
from tests.scenario import Scenario

DIFFERENT_PAYEE = not_tagged("payee_mismatch", "DIS-4 DIS-7")
CALL_AT_11 = CALL.but(due_at="2026-11-21T11:00:00Z")
FROM_8 = 'park.duration = "1 h"\neffective_from = 2026-11-21T08:00:00Z'
NO_IMAGE = not_tagged("proof_link_invalid", "DIS-6")

TABLE = [
    row("nearer", at_ten(job().report("10:00")), off_site(), policy="presence.radius_m = 99.9"),
    row("farther", at_ten(job().report("10:00", 600)), seen_on_site(), policy="presence.radius_m = 600.1"),
    row("more accurate", at_ten(job().report("10:00")), unknown(), policy="presence.max_accuracy_m = 9.9"),
    row(
        "less accurate",
        at_ten(job().report("10:00", accuracy=300)),
        seen_on_site(),
        policy="presence.max_accuracy_m = 300",
    ),
    row("later", at_ten(job().report("09:50")), unknown(), policy='presence.before = "599 s"'),
    row("earlier", at_ten(job()).report("10:04"), unknown(), policy='presence.after = "239 s"'),
    row(
        "a longer slot",
        at_ten(job().report("09:59:20", accuracy=9).report("09:59:50", 2000)),
        seen_on_site(),
        policy='presence.slot = "1 min"',
    ),
    row("less lingering", met("platform").report("13:30"), STAYED.never, policy='presence.linger = "89 min"'),
    row(
        "reports are kept for less",
        job().report("10:00").report("11:30").ticket(),
        OUTSIDE.never,
        policy='presence.retention = "1 h"',
    ),
    row("more images", on_site().genuine(), pending("t1 validated"), policy="proof.min_images = 2"),
    row("another group", claim(group="gold"), *BPC_ONLY, policy='bpc_only.groups = ["gold"]'),
    row("other cities", claim(group="rwm", city="Pune"), *BPC_ONLY, policy='bpc_only.cities = ["Pune"]'),
    row("a city by another name", claim(group="rwm", city="Mumbai"), *BPC_ONLY, policy='bpc_only.cities = ["Bombay"]'),
    row(
        "the ticket flow goes live",
        claim(city="Jaipur"),
        *TICKETED,
        policy='ticket_flow.live_cities = ["Jaipur", "Delhi", "Mumbai"]',
    ),
    row(
        "an excluded category",
        claim(premises="commercial"),
        *COMMERCIAL,
        policy='ticket_flow.excluded_commercial_categories = ["ac"]',
    ),
    row("another name of a city", claim(city="Dilli"), *TICKETED, policy='city.aliases = {Dilli = "Delhi"}'),
    row("a name that is none any more", claim(city="New Delhi"), *MANUAL, policy="city.aliases = {}"),
    row(
        "a shorter parking",
        on_site(),
        CALL_AT_11.open,
        now="11:00",
        policy='park.duration = "1 h"',
    ),
    row(
        "a longer claim window",
        job().partner_cancelled(),
        NO_CLAIM_YET,
        now="12:00 +73h",
        policy='paf.claim_window = "74 h"',
    ),
    row(
        "a shorter claim window",
        job().partner_cancelled(),
        upheld("no_claim", "OOS-18", "cancelled", at="13:00"),
        now="13:00",
        policy='paf.claim_window = "1 h"',
    ),
    row(
        "other ticket ids",
        proven(proof_url="CASE"),
        not_tagged("proof_link_is_ticket", "DIS-6"),
        policy='offline.ticket_id_pattern = "^CASE$"',
    ),
    row("other image links", proven(), NO_IMAGE, policy="""offline.image_link_pattern = '\\.only$'"""),
    row(
        "another region",
        complaint().identified(phone="+12025550100").proof(payee_phone="2025550100"),
        PARTIAL,
        policy='offline.default_region = "US"',
    ),
    row("names less alike", named("Asha Rao", "Ravi Kumar"), PARTIAL, policy="offline.name_similarity = 0.1"),
    row(
        "names more alike", named("Ravi Kumer", "Ravi Kumar"), DIFFERENT_PAYEE, policy="offline.name_similarity = 0.95"
    ),
    row("other honorifics", named("Capt. Ravi", "Ravi"), PARTIAL, policy='offline.honorifics = ["capt"]'),
    row(
        "the same day",
        proven(paid_on="2026-11-21"),
        not_tagged("date_mismatch", "DIS-4"),
        policy="offline.date_tolerance_days = 0",
    ),
    row("a moment alert ends sooner", met(), STAYED.but(lasts_h=1), now="12:05", policy='alert.moment_ttl = "1 h"'),
    row("a longer stay", met("platform").report("12:40"), STAYED.never, policy='alert.stay = "41 min"'),
    row("overdue sooner", on_site(), OVERDUE.fires("13:10"), now="13:10", policy='alert.park_overdue = "10 min"'),
    row(
        "a mocked report closer to the presence fact",
        job().report("09:45", mocked=True).ticket(),
        MOCKED.never,
        policy='alert.mocked_window = "14 min"',
    ),
    row("a slower travel", travel("+60s", 2000), TRAVEL, policy="alert.travel_speed_kmh = 100.0"),
    row("a farther travel", travel("+60s", 9000), TRAVEL.never, policy="alert.travel_distance_m = 10000.0"),
    row("stuck sooner", unseen(), STUCK.fires("11:00"), now="11:00", policy='alert.stuck = "1 h"'),
    # which policy is in force
    row("in force from the earliest fact on", on_site(), CALL_AT_11.open, now="11:00", policy=FROM_8),
    row("not yet in force at the earliest fact", on_site().booked("07:59"), CALL.never, now="11:00", policy=FROM_8),
    row(
        "a location report is no fact of the case",
        Scenario().report("07:59").booked().assigned().ticket(),
        CALL_AT_11.open,
        now="11:00",
        policy=FROM_8,
    ),
]
ELSEWHERE = {"presence.reading_wait"}
"""Only a worker waits: see `tests/unit/test_processor.py`."""


@pytest.mark.parametrize("row", TABLE)
def test_policy(row: Row) -> None:
    assert row.found() == row.stated()


def test_every_key_of_the_policy_has_a_row() -> None:
    keys = {key for key, _, _ in POLICIES.values(POLICIES.default)}
    in_rows = {policy.split(" = ")[0] for policy in [*(row.policy for row in rows_of(TABLE)), *OTHER_POLICIES]}
    assert in_rows | ELSEWHERE == keys
