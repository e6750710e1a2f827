"""Names, telephone numbers and places that events hold are in nothing that goes out or is logged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.policy.model import DAY, HOUR, MINUTE
from tests.e2e.conftest import run_sop
from tests.e2e.harness import DECISIONS, Bench
from tests.e2e.stories import LONG_AGO, Visit
from tests.scenario import SITE, destination, line, rfc3339

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

CASE = "job-offline"
NAME = "Zebulon Quartzfield"
PAYEE = "Hepzibah Kettlewick"
PHONE = "9876543217"
AT = destination(42.42)
PLANTED = ("Zebulon", "Quartzfield", "Hepzibah", "Kettlewick", "Gulmohar", PHONE, "98765 43217", "98765-43217")


def coordinates() -> Iterator[str]:
    """Yield what a latitude or longitude would look like, to the metre."""
    for degrees in (*SITE, *AT, *destination(100.0)):
        yield f"{degrees:.4f}".rstrip("0")


def offline_payment() -> list[bytes]:
    """A payment past the platform, told with everything that could give somebody away."""
    ticket = {"ticket_id": "ticket-offline"}
    proof = {
        **ticket,
        "claimed_partner_id": "partner-1",
        "method": "upi",
        "proof_url": "https://media.example/proof.jpg",
        "legible": True,
        "payee_name": PAYEE,
        "payee_phone": f"+91 {PHONE[:5]}-{PHONE[5:]}",
        "amount": {"amount": "500.00", "currency": "INR"},
        "paid_on": rfc3339(LONG_AGO)[:10],
        "service_date": rfc3339(LONG_AGO)[:10],
    }
    identified = {**ticket, "partner_id": "partner-1", "name": NAME, "phone": f"+91{PHONE}"}
    opened = {**ticket, "kind": "offline_service", "opened_by": "customer", "refund_requested": True}
    item = {
        "line_id": "l-1",
        "amount": {"amount": "1.00", "currency": "INR"},
        "description": f"for {NAME}, Gulmohar Road",
    }
    events: list[tuple[str, int, dict[str, Any]]] = [
        ("job.line_item_added", -HOUR, item),
        ("ticket.created", 0, opened),
        ("ticket.partner_identified", MINUTE, identified),
        ("ticket.payment_proof_added", 2 * MINUTE, proof),
        ("ticket.refund_requested", 3 * MINUTE, ticket),
    ]
    return [line(kind, CASE, LONG_AGO + after, f"{kind}-offline", data) for kind, after, data in events]


def moving_too_fast() -> list[bytes]:
    """Reports of one partner that lie too far apart, for an alert about them."""
    places = [AT, destination(900_000.0), AT]
    return [
        line(
            "location.reported",
            "partner-1",
            LONG_AGO - DAY + number * 2 * MINUTE,
            f"fast-{number}",
            {"lat": lat, "lon": lon, "accuracy_m": 5.0},
        )
        for number, (lat, lon) in enumerate(places)
    ]


def events() -> list[bytes]:
    visit = Visit("job-visit", "partner-1")
    booking = [each.replace(b"job-visit", CASE.encode()) for each in visit.booking]
    spoilt = json.dumps({"specversion": "1.0", "id": "e", "name": NAME, "phone": PHONE}).encode()
    offline = [*booking, *offline_payment()]
    return [
        *visit.booking,
        *visit.report,
        *visit.claim,
        *offline,
        *moving_too_fast(),
        spoilt,
        f"{NAME} {PHONE}".encode(),
    ]


def given_away(text: str) -> list[str]:
    return [planted for planted in (*PLANTED, *coordinates()) if planted in text]


def test_the_check_finds_what_is_given_away() -> None:
    told = b"\n".join(events()).decode()
    assert set(given_away(told)) >= {"Zebulon", "Hepzibah", "Gulmohar", PHONE, "98765-43217", *map(str, SITE)}


def test_nothing_that_goes_out_of_a_worker_gives_anybody_away(bench: Bench) -> None:
    worker = bench.start_ready()
    bench.feed_lines(events())
    bench.wait_until_idle()
    assert worker.stop() == 0
    for topic in (*DECISIONS, "actions", "alerts"):
        told = "\n".join(f"{each.key!r} {each.value.decode()}" for each in bench.read(topic))
        assert given_away(told) == [], topic
    assert {each.topic for each in bench.read(*DECISIONS, "actions", "alerts")} >= {
        "decisions.refund",
        "actions",
        "alerts",
    }
    shown = [run_sop(*words, env=bench.environment()) for words in (("status",), ("dead-letters", "list"))]
    assert given_away(worker.log + "".join(each.stdout + each.stderr for each in shown)) == []


def test_nothing_in_a_replay_but_the_dead_letters_gives_anybody_away(tmp_path: Path) -> None:
    recorded, out = tmp_path / "events.jsonl", tmp_path / "out.jsonl"
    recorded.write_bytes(b"\n".join(events()) + b"\n")
    told = run_sop("replay", recorded, "--out", out)
    assert told.returncode == 0, told.stderr
    lines = [each for each in out.read_text().splitlines() if json.loads(each)["type"] != "dead-letter"]
    assert len(lines) > 5
    assert given_away("\n".join(lines) + told.stdout + told.stderr) == []
