"""Histories made from a seed: a few cases and partners, and every way in which delivery can go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from schemas.policy.model import HOUR, MINUTE, SECOND
from schemas.topics import TOPIC_OF_TYPE
from streams.simulator.rng import Rng
from tests.scenario import MIDNIGHT, destination, line
from tests.strategies import ACCURACIES_M, CALLS, DISTANCES_M, LINKS, MONEY, NAMES, PHONES

Fact = tuple[str, dict[str, Any]]

OFFSETS: Final = (
    0,
    0,
    1,
    10 * SECOND,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
)
MALFORMED: Final = (
    b"",
    None,
    b"{}",
    b'{"specversion": "1.0", "id": "x", "source": "/s", "type": "job.vanished", "subject": "job-1"}',
    b"\xff\xfe",
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record that arrives at an instant (microseconds); `misplaced` if not in the partition of its key."""

    arrive_at: int
    topic: str
    key: bytes
    value: bytes | None
    misplaced: bool


def history(rng: Rng) -> list[Delivery]:
    """Return deliveries in order of arrival: late, repeated, contradictory, malformed and misplaced ones among them."""
    delivered: list[Delivery] = []
    cases = [f"job-{number}" for number in range(1, rng.whole(1, 5) + 1)]
    partners = [f"p{number}" for number in range(1, rng.whole(1, 3) + 1)]
    presence_queries: list[int] = []
    number = 0
    for case_id in cases:
        begin = MIDNIGHT + rng.pick((8, 8, 10)) * HOUR
        for index, (kind, data) in enumerate(_facts(rng, partners)):
            at = begin + rng.whole(0, index) * 20 * MINUTE + rng.pick((1, 1, -1)) * rng.pick(OFFSETS)
            at += rng.pick((71, 100)) * HOUR if rng.chance(0.04) else 0
            presence_queries.append(at)
            delivered += _deliveries(rng, kind, case_id, at, f"e{number}", data)
            number += 1
    for partner in partners:
        for _ in range(rng.whole(0, 14)):
            lat, lon = destination(rng.pick(DISTANCES_M), rng.pick((0.0, 90.0)))
            at = rng.pick(presence_queries) + rng.pick((1, -1)) * rng.pick(OFFSETS) + rng.whole(-1, 1)
            report = {"lat": lat, "lon": lon, "accuracy_m": rng.pick(ACCURACIES_M), "mocked": rng.chance(0.1)}
            delivered += _deliveries(rng, "location.reported", partner, at, f"r{number}", report)
            number += 1
    return sorted(delivered, key=lambda delivery: (delivery.arrive_at, delivery.topic, delivery.value or b""))


def settling_history(rng: Rng) -> list[Delivery]:
    """Return deliveries of a few cases that leave nothing open, with the same faults of delivery."""
    delivered: list[Delivery] = []
    for number in range(rng.whole(1, 4)):
        begin = MIDNIGHT + rng.whole(6, 12) * HOUR
        partner = {"partner_id": rng.pick(("p1", "p2"))}
        ends: tuple[Fact, ...] = (
            ("job.closed", partner | {"closure": "completed"}),
            ("cancellation.recorded", {"by": "customer", "reason": "other", "marked_against": "none"}),
            ("cancellation.recorded", {"by": "partner", "reason": "cant_deliver", "marked_against": "partner"}),
        )
        for index, (kind, data) in enumerate((_booked(rng), ("job.assigned", partner), rng.pick(ends))):
            at = begin + index * rng.pick(OFFSETS)
            delivered += _deliveries(rng, kind, f"job-settles-{number}", at, f"s{number}-{index}", data)
    return delivered


def _deliveries(rng: Rng, kind: str, subject: str, at: int, name: str, data: dict[str, Any]) -> list[Delivery]:
    """Return one or more deliveries of an event; of two that contradict each other, the first one seen counts."""
    source = rng.pick(("/s", "/app#2"))
    value: bytes | None = line(kind, subject, at, name, data, source)
    topic = TOPIC_OF_TYPE[kind]

    def delivery(value: bytes | None) -> Delivery:
        lateness = rng.weighted((0, MINUTE, 8 * HOUR, -30 * MINUTE, -2 * HOUR), (60, 20, 12, 7, 1))
        return Delivery(at + int(lateness * rng.fraction()), topic, subject.encode(), value, rng.chance(0.1))

    deliveries = [delivery(value)]
    while rng.chance(0.1):
        deliveries.append(delivery(value))
    if kind != "location.reported" and rng.chance(0.06):
        deliveries.append(delivery(line(kind, subject, at + MINUTE, name, data, source)))
    if rng.chance(0.03):
        deliveries.append(delivery(rng.pick(MALFORMED)))
    return deliveries


def _facts(rng: Rng, partners: list[str]) -> list[Fact]:
    """Return the events of one case: a claim, a payment outside the platform, or both, and some others."""
    partner = rng.pick(partners)
    facts: list[Fact] = [_booked(rng), ("job.assigned", {"partner_id": partner})]
    if rng.chance(0.85):
        facts += _claim(partner)
    if rng.chance(0.4):
        facts += _payment(rng, partner)
    facts += [_other(rng, partners) for _ in range(rng.whole(0, 8))]
    return [each for each in facts if not rng.chance(0.1)] or facts[:1]


def _booked(rng: Rng) -> Fact:
    lat, lon = destination(rng.pick((0.0, 0.0, 300.0)))
    return "job.booked", {
        "customer_id": "c1",
        "category": rng.pick(("ac", "ro")),
        "city": rng.pick(("Delhi", "bengaluru", "Jaipur")),
        "site": {"lat": lat, "lon": lon},
        "premises": rng.pick(("residential", "residential", "commercial")),
        "scheduled_for": "2026-11-21T10:00:00Z",
    }


def _claim(partner: str) -> list[Fact]:
    return [
        ("ticket.created", {"ticket_id": "t1", "kind": "out_of_scope", "opened_by": "partner"}),
        ("ticket.media_added", {"ticket_id": "t1", "added_by": "partner", "url": "https://media.example/1.jpg"}),
        ("ticket.validated", {"ticket_id": "t1", "verdict": "genuine", "channel": "video_call"}),
        ("cancellation.recorded", {"by": "partner", "reason": "out_of_scope", "marked_against": "partner"}),
        (
            "ticket.created",
            {"ticket_id": "r1", "kind": "rating_reversal", "opened_by": "partner", "partner_id": partner},
        ),
    ]


def _payment(rng: Rng, partner: str) -> list[Fact]:
    return [
        (
            "ticket.created",
            {"ticket_id": "o1", "kind": "offline_service", "opened_by": "customer", "refund_requested": True},
        ),
        (
            "ticket.partner_identified",
            {"ticket_id": "o1", "partner_id": partner, "name": NAMES[0], "phone": PHONES[0]},
        ),
        (
            "ticket.payment_proof_added",
            {
                "ticket_id": "o1",
                "claimed_partner_id": partner,
                "method": rng.pick(("upi", "cash")),
                "proof_url": rng.pick(LINKS),
                "legible": rng.chance(0.8),
                "payee_name": rng.pick(NAMES),
                "amount": rng.pick(MONEY),
                "paid_on": "2026-11-20",
                "service_date": "2026-11-20",
            },
        ),
    ]


def _other(rng: Rng, partners: list[str]) -> Fact:
    """Return an event that changes earlier decisions."""
    partner = rng.pick(partners)
    ticket = rng.pick(("t1", "t1", "t2", "r1", "o1"))
    marked = rng.pick(("partner", "none", "customer"))
    others: tuple[Fact, ...] = (
        _booked(rng),
        ("job.assigned", {"partner_id": partner}),
        ("job.started", {"partner_id": partner}),
        ("job.closed", {"partner_id": partner, "closure": rng.pick(("bpc", "completed"))}),
        ("job.line_item_added", {"line_id": "l1", "amount": rng.pick(MONEY)}),
        ("cancellation.recorded", {"by": "customer", "reason": "other", "marked_against": marked}),
        ("cancellation.recorded", {"by": "partner", "reason": "cant_deliver", "marked_against": marked}),
        ("ticket.created", {"ticket_id": "t2", "kind": "out_of_scope", "opened_by": "partner", "partner_id": partner}),
        ("ticket.media_added", {"ticket_id": ticket, "added_by": "partner", "url": "https://media.example/2.jpg"}),
        (
            "ticket.validated",
            {"ticket_id": ticket, "verdict": rng.pick(("genuine", "not_genuine")), "channel": "other"},
        ),
        ("ticket.call_logged", {"ticket_id": ticket, "party": "partner", "outcome": rng.pick(CALLS)}),
        ("ticket.closed", {"ticket_id": ticket}),
    )
    return rng.pick(others)
