"""Next steps about serving and cancelling, and after the decisions: when each is open, and how it ends."""

from __future__ import annotations

import pytest

from tests.rules.table import (
    StepRow,
    away,
    begun,
    declined,
    dropped,
    here,
    offices,
    proven,
    quit_job,
    refuted,
    step,
    unseen,
)
from tests.scenario import Scenario

WARN = "warn_cancellation_counts"
GUIDE = "guide_partner_cant_deliver"
SERVE = "guide_partner_to_serve"
ASK_SERVE = "ask_partner_to_serve"
CUSTOMER = "ask_customer_to_cancel"
PARTNER = "ask_partner_to_cancel"
VERIFY = "verify_presence"
FOLLOW = "follow_genuine_paf"
RATING = "file_rating_reversal"
INCORRECT = {"reason": "incorrect_service_booked"}
PREMISES = {"reason": "commercial_premises"}
PRO = {"reason": "pro_cannot_deliver"}

TABLE = [
    # warn_cancellation_counts
    step("refused, off site", away().call("10:30", "refuses_visit"), WARN, "open", "OOS-14"),
    step("refused, unseen", unseen().call("10:30", "refuses_visit"), WARN, "open", "OOS-14"),
    step(
        "refused on an offline ticket that names the partner",
        begun()
        .ticket("10:00", "o1", kind="offline_service", partner_id="p1")
        .call("10:30", "refuses_visit", ticket="o1"),
        WARN,
        "open",
        "OOS-14",
    ),
    step("refused, on site", here().call("10:30", "refuses_visit"), WARN, "withdrawn"),
    step("refused, route commercial", away(**offices()).call("10:30", "refuses_visit"), WARN, "withdrawn"),
    step("willing in the end", away().call("10:30", "refuses_visit").call("10:40", "will_visit"), WARN, "withdrawn"),
    step(
        "refused before willing, whatever came in first",
        away().call("10:40", "refuses_visit").call("10:30", "will_visit"),
        WARN,
        "open",
        "OOS-14",
    ),
    step("the partner cancelled", quit_job(away().call("10:30", "refuses_visit")), WARN, "done"),
    step("the customer cancelled", dropped(away().call("10:30", "refuses_visit")), WARN, "withdrawn"),
    # guide_partner_cant_deliver
    step("refused, off site", away().call("10:30", "refuses_visit"), GUIDE, "open", "OOS-14"),
    step(
        "commercial, customer and partner refused",
        declined(here(**offices())).call("11:30", "refuses_serve"),
        GUIDE,
        "open",
        "OOS-12",
    ),
    step(
        "commercial, the customer was not asked", here(**offices()).call("11:30", "refuses_serve"), GUIDE, "withdrawn"
    ),
    step("commercial, the partner was not asked", declined(here(**offices())), GUIDE, "withdrawn"),
    step(
        "commercial, willing to cancel in the end",
        declined(here(**offices())).call("11:30", "refuses_serve").call("11:40", "will_cancel", "customer"),
        GUIDE,
        "withdrawn",
    ),
    step(
        "another route, customer and partner refused",
        declined(here()).call("11:30", "refuses_serve"),
        GUIDE,
        "withdrawn",
    ),
    step("the partner cancelled", quit_job(away().call("10:30", "refuses_visit")), GUIDE, "done"),
    step("reassigned", away().call("10:30", "refuses_visit").assigned("11:00", "p2"), GUIDE, "withdrawn"),
    # guide_partner_to_serve
    step("willing", here(**offices()).call("10:30", "will_serve"), SERVE, "open", "OOS-11"),
    step("willing, another route", here().call("10:30", "will_serve"), SERVE, "withdrawn"),
    step(
        "refused in the end",
        here(**offices()).call("10:30", "will_serve").call("10:40", "refuses_serve"),
        SERVE,
        "withdrawn",
    ),
    step("closed", here(**offices()).call("10:30", "will_serve").closed("12:00", "completed"), SERVE, "done"),
    step("cancelled", dropped(here(**offices()).call("10:30", "will_serve")), SERVE, "withdrawn"),
    # ask_partner_to_serve
    step("the customer refused", declined(here(**offices())), ASK_SERVE, "open", "OOS-12"),
    step("answered before", declined(here(**offices()).call("10:30", "refuses_serve")), ASK_SERVE, "open", "OOS-12"),
    step("answered since: willing", declined(here(**offices())).call("11:30", "will_serve"), ASK_SERVE, "done"),
    step("answered since: refused", declined(here(**offices())).call("11:30", "refuses_serve"), ASK_SERVE, "done"),
    step("unreachable since", declined(here(**offices())).call("11:30", "unreachable"), ASK_SERVE, "open", "OOS-12"),
    step("the customer is willing", here(**offices()).call("11:00", "will_cancel", "customer"), ASK_SERVE, "withdrawn"),
    step("another route", declined(here()), ASK_SERVE, "withdrawn"),
    # ask_customer_to_cancel
    step("images there", here().image("10:05"), CUSTOMER, "open", "OOS-12 OOS-16", params=INCORRECT),
    step(
        "images there, route manual, unseen",
        unseen(city="Jaipur").image("10:05"),
        CUSTOMER,
        "open",
        "OOS-12 OOS-16",
        params=INCORRECT,
    ),
    step("no image needed", here(reason="otp_refused"), CUSTOMER, "open", "OOS-12 OOS-16", params=INCORRECT),
    step("images missing", here(), CUSTOMER, "withdrawn"),
    step("off site", away().image("10:05"), CUSTOMER, "withdrawn"),
    step("not genuine", refuted(here().image("10:05")), CUSTOMER, "withdrawn"),
    step("no ticket", begun(**offices()), CUSTOMER, "withdrawn"),
    step("route bpc_only", here(group="rwm").image("10:05"), CUSTOMER, "withdrawn"),
    step("no booking", Scenario().assigned().ticket("10:00").image("10:05"), CUSTOMER, "withdrawn"),
    step("commercial, no image, off site", away(**offices()), CUSTOMER, "open", "OOS-12 OOS-16", params=PREMISES),
    step(
        "commercial, not willing to serve",
        here(**offices()).call("10:30", "refuses_serve"),
        CUSTOMER,
        "open",
        "OOS-12 OOS-16",
        params=PREMISES,
    ),
    step(
        "commercial, willing to serve",
        here(**offices()).image("10:05").call("10:30", "will_serve"),
        CUSTOMER,
        "withdrawn",
    ),
    step(
        "unreachable",
        here().image("10:05").call("10:30", "unreachable", "customer"),
        CUSTOMER,
        "open",
        "OOS-12 OOS-16",
        params=INCORRECT,
    ),
    step("willing", here().image("10:05").call("10:30", "will_cancel", "customer"), CUSTOMER, "done"),
    step("refused", declined(here().image("10:05")), CUSTOMER, "done"),
    step(
        "the partner speaks of cancelling",
        here().image("10:05").call("10:30", "will_cancel"),
        CUSTOMER,
        "open",
        "OOS-12 OOS-16",
        params=INCORRECT,
    ),
    step("the customer cancelled", dropped(here().image("10:05")), CUSTOMER, "done"),
    step("the partner cancelled", quit_job(here().image("10:05")), CUSTOMER, "withdrawn"),
    # ask_partner_to_cancel
    step("the customer refused", declined(here()), PARTNER, "open", "OOS-17", params=PRO),
    step("route manual, off site", declined(away(city="Jaipur")), PARTNER, "open", "OOS-17", params=PRO),
    step("willing in the end", declined(here()).call("11:30", "will_cancel", "customer"), PARTNER, "withdrawn"),
    step("not genuine", refuted(declined(here(), "10:30")), PARTNER, "withdrawn"),
    step("route commercial", declined(here(**offices())), PARTNER, "withdrawn"),
    step("route bpc_only", declined(here(group="rwm")), PARTNER, "withdrawn"),
    step("the partner cancelled", quit_job(declined(here())), PARTNER, "done"),
    step("the customer cancelled", dropped(declined(here())), PARTNER, "withdrawn"),
    # after the decisions
    step("conflict", quit_job(proven(away())), VERIFY, "open", "OOS-7"),
    step("unknown", dropped(proven(unseen())), VERIFY, "open", "OOS-7"),
    step("awaiting validation", quit_job(here()), VERIFY, "withdrawn"),
    step("settled", quit_job(proven(here())), VERIFY, "done"),
    step("no longer decided", proven(here()), VERIFY, "withdrawn"),
    step("reversal", quit_job(proven(here())), FOLLOW, "open", "OOS-18"),
    step("reversal on the commercial route", quit_job(proven(here(**offices()))), FOLLOW, "open", "OOS-18"),
    step("waived", dropped(proven(here())), FOLLOW, "withdrawn"),
    step(
        "granted", proven(here()).closed("12:00").ticket("13:00", "r1", kind="rating_reversal"), RATING, "open", "OOS-3"
    ),
    step("denied", refuted(here()).closed("12:00").ticket("13:00", "r1", kind="rating_reversal"), RATING, "withdrawn"),
]


@pytest.mark.parametrize("row", TABLE)
def test_a_step_follows_the_table(row: StepRow) -> None:
    outcome = row.case.verdict(row.now)
    assert outcome.state(row.code, row.partner, row.ticket) == row.state
    if row.state == "open":
        found = outcome.step(row.code, row.partner, row.ticket)
        assert found is not None
        assert tuple(sorted(found.clauses)) == row.clauses
        assert dict(found.params) == row.params
