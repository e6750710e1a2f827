"""The desk's next steps about an engagement: when each is open, and whether it then ends done or withdrawn."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from agents.sop.out_of_scope import Assessment, decisions
from agents.sop.out_of_scope_steps import steps
from agents.verdict import Deadlines, Step
from tests.scenario import POLICY, Scenario, instant, names
from tests.unit.engaged import (
    AWAY,
    AWAY_AT,
    COMMERCIAL,
    HERE,
    HERE_AT,
    assessed,
    by_customer,
    by_partner,
    claimed,
    genuine,
    job,
    refused,
)

NOW = "12:30"
DUE = instant("13:00")


def made(a: Assessment, deadlines: Deadlines) -> dict[tuple[str, str | None], Step]:
    """Return an engagement's steps by code and ticket."""
    found = steps(a, decisions(a, deadlines), deadlines)
    keys = [(step.code, step.ticket_id) for step in found]
    assert len(set(keys)) == len(keys), "one step of a key"
    return {(step.code, step.ticket_id): step for step in found}


def state(step: Step) -> str:
    """Return what becomes of a step that was open before."""
    return "open" if step.open else "done" if step.done else "withdrawn"


def refuses_cancel(case: Scenario, at: str = "11:00") -> Scenario:
    return case.call(at, "refuses_cancel", "customer")


def offices() -> Scenario:
    """A claim on commercial premises outside the ticket flow."""
    return claimed(**COMMERCIAL)


def of_job(code: str, clauses: str, *rows: tuple[str, Scenario, Mapping[str, float], str]) -> list[object]:
    """Return parameters for a step of the engagement."""
    return [pytest.param(code, None, clauses, *rest, id=f"{code}: {name}") for name, *rest in rows]


def of_ticket(code: str, clauses: str, *rows: tuple[str, Scenario, Mapping[str, float], str]) -> list[object]:
    """Return parameters for a step of ticket `t1`."""
    return [pytest.param(code, "t1", clauses, *rest, id=f"{code}: {name}") for name, *rest in rows]


ROWS = [
    *of_job(
        "advise_close_at_bpc",
        "OOS-2",
        ("a ticket", claimed(group="rwm"), {}, "open"),
        ("a blocked start", job(group="rwm").blocked("10:00"), {}, "open"),
        ("neither", job(group="rwm"), {}, "withdrawn"),
        ("another route", claimed(), {}, "withdrawn"),
        ("closed at BPC", claimed(group="rwm").closed("12:00"), {}, "done"),
        ("closed otherwise", claimed(group="rwm").closed("12:00", "completed"), {}, "withdrawn"),
        ("cancelled", by_customer(claimed(group="rwm")), {}, "withdrawn"),
    ),
    *of_job(
        "ask_partner_to_create_ticket",
        "OOS-4 OOS-8",
        ("blocked", job().blocked("10:00"), {}, "open"),
        ("no booking", Scenario().assigned().blocked("10:00"), {}, "open"),
        ("not blocked", job(), {}, "withdrawn"),
        ("started before", job().started("09:30").blocked("10:00"), {}, "open"),
        ("started after", job().blocked("10:00").started("10:30"), {}, "withdrawn"),
        ("blocked again", job().blocked("10:00").started("10:30").blocked("11:00"), {}, "open"),
        ("close at BPC instead", job(group="rwm").blocked("10:00"), {}, "withdrawn"),
        ("a ticket", claimed().blocked("09:30"), {}, "done"),
        ("reassigned", job().blocked("10:00").assigned("10:30", "p2"), {}, "withdrawn"),
    ),
    *of_ticket(
        "inform_partner_team_will_connect",
        "OOS-9",
        ("unseen", claimed(), {}, "open"),
        ("on site", claimed(), HERE_AT, "open"),
        ("off site", claimed(), AWAY_AT, "withdrawn"),
        ("another route", claimed(city="Jaipur"), HERE_AT, "withdrawn"),
        ("called before", claimed().call("09:59", "will_serve"), {}, "open"),
        ("called", claimed().call("10:30", "unreachable"), {}, "done"),
        ("the customer called", claimed().call("10:30", "will_cancel", "customer"), {}, "open"),
        ("called elsewhere", claimed().ticket("09:30", "t0").call("11:00", "unreachable", "partner", "t0"), {}, "done"),
        ("validated", claimed().validated("11:00"), {}, "done"),
        ("another ticket validated", claimed().ticket("10:30", "t2").validated("11:00", ticket="t2"), {}, "open"),
        ("closed", claimed().ticket_closed("11:00"), {}, "withdrawn"),
        ("job cancelled", by_customer(claimed()), {}, "open"),
    ),
    *of_ticket(
        "close_ticket",
        "OOS-10",
        ("not confirmed", claimed(), {}, "withdrawn"),
        ("confirmed", claimed(city="Jaipur").call("11:00", "resolution_confirmed"), {}, "open"),
        ("the customer confirmed", claimed().call("11:00", "resolution_confirmed", "customer"), {}, "withdrawn"),
        (
            "confirmed on another ticket",
            claimed().ticket("10:30", "t2").call("11:00", "resolution_confirmed", ticket="t2"),
            {},
            "withdrawn",
        ),
        ("closed", claimed().call("11:00", "resolution_confirmed").ticket_closed("12:00"), {}, "done"),
    ),
    *of_ticket(
        "ask_partner_for_images",
        "OOS-13",
        ("none yet", claimed(), {}, "open"),
        ("judged without", claimed().validated("11:00"), {}, "open"),
        ("job cancelled", by_partner(claimed()), {}, "open"),
        ("enough", claimed().image("10:05"), {}, "done"),
        ("refused", refused(claimed()), {}, "withdrawn"),
        ("not needed", claimed(reason="otp_refused"), {}, "withdrawn"),
        ("commercial appliance", claimed(appliance_use="commercial"), {}, "withdrawn"),
        ("off site", claimed(), AWAY_AT, "withdrawn"),
        ("off site, will visit", claimed().call("11:00", "will_visit"), AWAY_AT, "open"),
        ("off site, will not", claimed().call("+1h", "will_visit").call("+1m", "refuses_visit"), AWAY_AT, "withdrawn"),
        ("closed", claimed().ticket_closed("11:00"), {}, "withdrawn"),
    ),
    *of_ticket(
        "ask_partner_to_visit_site",
        "OOS-15 OOS-19",
        ("off site", claimed(), AWAY_AT, "open"),
        ("unseen", claimed(), {}, "withdrawn"),
        ("on site", claimed().image("10:20"), {"t1": AWAY, "image": HERE}, "done"),
        ("will visit", claimed().call("11:00", "will_visit"), AWAY_AT, "done"),
        ("will not visit", claimed().call("11:00", "refuses_visit"), AWAY_AT, "done"),
        ("unreachable", claimed().call("11:00", "unreachable"), AWAY_AT, "open"),
        ("commercial", offices(), AWAY_AT, "withdrawn"),
        ("closed", claimed().ticket_closed("11:00"), AWAY_AT, "withdrawn"),
        ("job closed", claimed().closed("11:00"), AWAY_AT, "withdrawn"),
    ),
    *of_job(
        "warn_cancellation_counts",
        "OOS-14",
        ("off site, will not visit", claimed().call("11:00", "refuses_visit"), AWAY_AT, "open"),
        ("unseen, will not visit", claimed().call("11:00", "refuses_visit"), {}, "open"),
        ("on site", claimed().call("11:00", "refuses_visit"), HERE_AT, "withdrawn"),
        ("no answer", claimed(), AWAY_AT, "withdrawn"),
        ("changed mind", claimed().call("11:00", "refuses_visit").call("11:10", "will_visit"), AWAY_AT, "withdrawn"),
        ("another call since", claimed().call("11:00", "refuses_visit").call("11:10", "unreachable"), AWAY_AT, "open"),
        ("commercial", offices().call("11:00", "refuses_visit"), AWAY_AT, "withdrawn"),
        ("the customer says so", claimed().call("11:00", "refuses_visit", "customer"), AWAY_AT, "withdrawn"),
        ("cancelled", by_partner(claimed().call("11:00", "refuses_visit")), AWAY_AT, "done"),
        ("the customer cancelled", by_customer(claimed().call("11:00", "refuses_visit")), AWAY_AT, "withdrawn"),
    ),
    *of_job(
        "guide_partner_cant_deliver",
        "OOS-14",
        ("will not visit", claimed().call("11:00", "refuses_visit"), AWAY_AT, "open"),
        ("cancelled", by_partner(claimed().call("11:00", "refuses_visit")), AWAY_AT, "done"),
        ("will not serve", refuses_cancel(claimed()).call("11:10", "refuses_serve"), AWAY_AT, "withdrawn"),
    ),
    *of_job(
        "guide_partner_cant_deliver",
        "OOS-12",
        ("neither gives way", refuses_cancel(offices()).call("11:10", "refuses_serve"), {}, "open"),
        ("in whatever order", refuses_cancel(offices().call("10:30", "refuses_serve")), {}, "open"),
        ("the customer may cancel", offices().call("11:10", "refuses_serve"), {}, "withdrawn"),
        ("the partner serves", refuses_cancel(offices()).call("11:10", "will_serve"), {}, "withdrawn"),
        ("gave up", by_partner(refuses_cancel(offices()).call("11:10", "refuses_serve")), {}, "done"),
    ),
    *of_job(
        "guide_partner_to_serve",
        "OOS-11",
        ("willing", offices().call("11:00", "will_serve"), {}, "open"),
        ("at home", claimed().call("11:00", "will_serve"), {}, "withdrawn"),
        ("not willing", offices().call("11:00", "will_serve").call("11:10", "refuses_serve"), {}, "withdrawn"),
        ("closed", offices().call("11:00", "will_serve").closed("12:00", "completed"), {}, "done"),
    ),
    *of_job(
        "ask_partner_to_serve",
        "OOS-12",
        ("the customer will not cancel", refuses_cancel(offices()), {}, "open"),
        ("the customer was not asked", offices(), {}, "withdrawn"),
        ("the customer gave way", refuses_cancel(offices()).call("11:10", "will_cancel", "customer"), {}, "withdrawn"),
        ("answered before", refuses_cancel(offices().call("10:30", "refuses_serve")), {}, "open"),
        ("answered since", refuses_cancel(offices()).call("11:10", "refuses_serve"), {}, "done"),
        ("at home", refuses_cancel(claimed()), {}, "withdrawn"),
        ("closed", refuses_cancel(offices()).closed("12:00"), {}, "withdrawn"),
    ),
    *of_job(
        "ask_customer_to_cancel",
        "OOS-12 OOS-16",
        ("shown", claimed().image("10:05"), {}, "open"),
        ("shown outside the flow", claimed(city="Jaipur").image("10:05"), HERE_AT, "open"),
        ("judged", genuine(claimed()), HERE_AT, "open"),
        ("no image", claimed(), {}, "withdrawn"),
        ("no image needed", claimed(reason="payment_refused"), {}, "open"),
        ("off site", claimed().image("10:05"), AWAY_AT, "withdrawn"),
        ("refused", refused(claimed()).image("10:05"), {}, "withdrawn"),
        ("no ticket", job(), {}, "withdrawn"),
        ("close at BPC instead", claimed(group="rwm").image("10:05"), {}, "withdrawn"),
        ("commercial", offices(), AWAY_AT, "open"),
        ("commercial, will serve", offices().call("11:00", "will_serve"), {}, "withdrawn"),
        ("commercial, will not serve", offices().call("11:00", "refuses_serve"), {}, "open"),
        ("unreachable", offices().call("11:00", "unreachable", "customer"), {}, "open"),
        ("will cancel", offices().call("11:00", "will_cancel", "customer"), {}, "done"),
        ("will not cancel", refuses_cancel(offices()), {}, "done"),
        ("cancelled", by_customer(offices()), {}, "done"),
        ("the partner cancelled", by_partner(offices()), {}, "withdrawn"),
    ),
    *of_job(
        "ask_partner_to_cancel",
        "OOS-17",
        ("the customer will not", refuses_cancel(claimed()), {}, "open"),
        ("outside the flow", refuses_cancel(claimed(city="Jaipur")), AWAY_AT, "open"),
        ("the customer will", claimed().call("11:00", "will_cancel", "customer"), {}, "withdrawn"),
        ("refused", refuses_cancel(refused(claimed())), {}, "withdrawn"),
        ("commercial", refuses_cancel(offices()), {}, "withdrawn"),
        ("close at BPC instead", refuses_cancel(claimed(group="rwm")), {}, "withdrawn"),
        ("cancelled", by_partner(refuses_cancel(claimed())), {}, "done"),
    ),
    *of_job(
        "verify_presence",
        "OOS-7",
        ("off site", by_partner(genuine(claimed())), AWAY_AT, "open"),
        ("unseen", by_partner(genuine(claimed())), {}, "open"),
        ("settled", by_partner(genuine(claimed())), HERE_AT, "done"),
        ("not judged yet", by_partner(claimed()), {}, "withdrawn"),
        ("no cancellation", genuine(claimed()), AWAY_AT, "withdrawn"),
    ),
    *of_job(
        "follow_genuine_paf",
        "OOS-18",
        ("to be reversed", by_partner(genuine(claimed())), HERE_AT, "open"),
        ("waived", by_customer(genuine(claimed())), HERE_AT, "withdrawn"),
    ),
    *of_job(
        "file_rating_reversal",
        "OOS-3",
        ("granted", genuine(claimed()).closed("12:00").ticket("12:10", "r1", kind="rating_reversal"), {}, "open"),
        ("waiting", claimed().closed("12:00").ticket("12:10", "r1", kind="rating_reversal"), {}, "withdrawn"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("code", "ticket", "clauses", "case", "seen", "expected"), ROWS)
def test_step(
    code: str, ticket: str | None, clauses: str, case: Scenario, seen: Mapping[str, float], expected: str
) -> None:
    step = made(assessed(case, seen), Deadlines(instant(NOW)))[code, ticket]
    assert state(step) == expected
    assert step.partner_id == "p1"
    if step.open:
        assert step.clauses == tuple(clauses.split())
        assert step.evidence


@pytest.mark.parametrize(
    ("now", "park", "call"),
    [("10:00", "open", "withdrawn"), ("13:00 -1us", "open", "withdrawn"), ("13:00", "done", "open")],
)
def test_a_ticket_is_parked_until_its_deadline_then_the_partner_is_called(now: str, park: str, call: str) -> None:
    deadlines = Deadlines(instant(now))
    found = made(assessed(claimed()), deadlines)
    parked, called = found["park_ticket", "t1"], found["call_partner", "t1"]
    assert (state(parked), state(called)) == (park, call)
    assert (parked.params, parked.due_at) == ({"until": "2026-11-21T13:00:00Z"}, None)
    assert (called.params, called.due_at) == ({}, DUE)
    assert (parked.clauses, called.clauses) == (("OOS-9",), ("OOS-10",))
    passed = call == "open"
    assert called.deadlines == ((DUE,) if passed else ())
    assert deadlines.next == (None if passed else DUE)


@pytest.mark.parametrize(
    ("case", "seen", "now", "park", "call"),
    [
        pytest.param(claimed().call("11:00", "resolution_confirmed"), {}, NOW, "done", "done", id="confirmed"),
        pytest.param(claimed().call("13:30", "resolution_confirmed"), {}, "14:00", "done", "done", id="confirmed late"),
        pytest.param(claimed().call("13:30", "unreachable"), {}, "14:00", "done", "open", id="not reached"),
        pytest.param(claimed().ticket_closed("12:00"), {}, NOW, "withdrawn", "withdrawn", id="closed"),
        pytest.param(claimed().ticket_closed("12:00"), {}, "14:00", "withdrawn", "withdrawn", id="closed long ago"),
        pytest.param(claimed().ticket_closed("13:30"), {}, "14:00", "done", "withdrawn", id="closed after the call"),
        pytest.param(claimed(), AWAY_AT, NOW, "withdrawn", "withdrawn", id="off site"),
        pytest.param(claimed(city="Jaipur"), {}, "14:00", "withdrawn", "withdrawn", id="another route"),
        pytest.param(by_customer(claimed()), {}, "14:00", "done", "open", id="job cancelled"),
    ],
)
def test_parking_ends(case: Scenario, seen: Mapping[str, float], now: str, park: str, call: str) -> None:
    found = made(assessed(case, seen), Deadlines(instant(now)))
    assert (state(found["park_ticket", "t1"]), state(found["call_partner", "t1"])) == (park, call)


@pytest.mark.parametrize(
    "case",
    [
        claimed().ticket_closed("12:00"),
        claimed().call("11:00", "resolution_confirmed"),
        claimed(city="Jaipur"),
    ],
    ids=["closed", "confirmed", "another route"],
)
def test_nothing_waits_for_the_deadline_of_a_ticket_that_is_not_parked(case: Scenario) -> None:
    deadlines = Deadlines(instant(NOW))
    made(assessed(case), deadlines)
    assert deadlines.next is None


def test_the_time_of_parking_is_policy() -> None:
    short = msgspec.structs.replace(POLICY, park=msgspec.structs.replace(POLICY.park, duration=0))
    found = made(assessed(claimed(), policy=short), Deadlines(instant("10:00")))
    assert (found["call_partner", "t1"].open, found["call_partner", "t1"].due_at) == (True, instant("10:00"))


@pytest.mark.parametrize(
    ("case", "code", "reason"),
    [
        (claimed().image("10:05"), "ask_customer_to_cancel", "incorrect_service_booked"),
        (offices(), "ask_customer_to_cancel", "commercial_premises"),
        (refuses_cancel(claimed()), "ask_partner_to_cancel", "pro_cannot_deliver"),
    ],
)
def test_a_cancellation_is_asked_for_with_its_reason(case: Scenario, code: str, reason: str) -> None:
    assert made(assessed(case), Deadlines(instant(NOW)))[code, None].params == {"reason": reason}


def test_an_answer_on_an_offline_ticket_that_names_the_partner_counts() -> None:
    case = claimed().ticket("10:30", "o1", kind="offline_service", by="customer", partner_id="p1")
    case.call("11:00", "refuses_visit", ticket="o1")
    assert made(assessed(case, AWAY_AT), Deadlines(instant(NOW)))["warn_cancellation_counts", None].open


def test_every_ticket_has_its_own_steps() -> None:
    case = claimed().ticket("10:30", "t2").ticket_closed("11:00", "t2")
    case.ticket("11:00", "r1", kind="rating_reversal").ticket("11:00", "o1", kind="offline_service", partner_id="p1")
    found = made(assessed(case), Deadlines(instant(NOW)))
    assert {ticket for _, ticket in found if ticket} == {"t1", "t2"}
    assert (found["park_ticket", "t1"].open, found["park_ticket", "t2"].open) == (True, False)


def test_steps_on_a_decision_rest_on_its_evidence() -> None:
    a = assessed(by_partner(genuine(claimed())), HERE_AT)
    deadlines = Deadlines(instant(NOW))
    (paf,) = (body for body in decisions(a, deadlines) if body.kind == "paf")
    step = made(a, deadlines)["follow_genuine_paf", None]
    assert names(tuple(fact.ref for fact in step.evidence)) == names(paf.evidence)


def test_a_step_looks_at_its_own_partners_decision() -> None:
    case = by_partner(genuine(claimed()).assigned("11:30", "p2"), "other").cancelled("11:15", marked="partner")
    first, second = assessed(case, HERE_AT), assessed(case, HERE_AT, partner="p2")
    deadlines = Deadlines(instant(NOW))
    both = decisions(first, deadlines) + decisions(second, deadlines)
    opened = {
        step.partner_id: step.open
        for a in (first, second)
        for step in steps(a, both, deadlines)
        if step.code == "follow_genuine_paf"
    }
    assert opened == {"p1": True, "p2": False}
