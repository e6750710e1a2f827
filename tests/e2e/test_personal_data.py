"""No output or log line contains a name, phone number or location from an event."""

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
    """Yield the latitudes and longitudes as text, to the metre."""
    for degrees in (*SITE, *AT, *destination(100.0)):
        yield f"{degrees:.4f}".rstrip("0")


def offline_payment() -> list[bytes]:
    """Return the events of an offline payment, with all personal data that they can have."""
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
    """Return reports of one partner that are too far apart, which lead to an alert."""
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


def leaked(text: str) -> list[str]:
    return [planted for planted in (*PLANTED, *coordinates()) if planted in text]


def test_the_check_finds_leaks() -> None:
    text = b"\n".join(events()).decode()
    assert set(leaked(text)) >= {"Zebulon", "Hepzibah", "Gulmohar", PHONE, "98765-43217", *map(str, SITE)}


def test_outputs_and_logs_contain_no_personal_data(bench: Bench) -> None:
    worker = bench.start_ready()
    bench.feed_lines(events())
    bench.wait_until_idle()
    assert worker.stop() == 0
    for topic in (*DECISIONS, "actions", "alerts"):
        text = "\n".join(f"{each.key!r} {each.value.decode()}" for each in bench.read(topic))
        assert leaked(text) == [], topic
    assert {each.topic for each in bench.read(*DECISIONS, "actions", "alerts")} >= {
        "decisions.refund",
        "actions",
        "alerts",
    }
    shown = [run_sop(*words, env=bench.environment()) for words in (("status",), ("dead-letters", "list"))]
    assert leaked(worker.log + "".join(each.stdout + each.stderr for each in shown)) == []


def test_a_replay_contains_personal_data_only_in_dead_letters(tmp_path: Path) -> None:
    recorded, out = tmp_path / "events.jsonl", tmp_path / "out.jsonl"
    recorded.write_bytes(b"\n".join(events()) + b"\n")
    result = run_sop("replay", recorded, "--out", out)
    assert result.returncode == 0, result.stderr
    lines = [each for each in out.read_text().splitlines() if json.loads(each)["type"] != "dead-letter"]
    assert len(lines) > 5
    assert leaked("\n".join(lines) + result.stdout + result.stderr) == []
