"""Cases that raise each alert once, and decoys beside each threshold that raise none, for a week of other events.

Their partners, images and cities occur nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from schemas.outputs import AlertBody
from schemas.policy.model import HOUR
from tests.scenario import Scenario, rfc3339

Labels = tuple[tuple[str, str], ...]
VARYING: Final = {"hour", "revision"}
"""Labels that depend on when the cases are placed, or on the order of arrival."""


@dataclass(frozen=True)
class Planted:
    """Cases, and the alerts that they raise, by name with the labels in their keys."""

    name: str
    cases: tuple[Scenario, ...]
    alerts: tuple[tuple[str, Labels], ...] = ()

    def events(self, ends_at: int) -> Iterator[tuple[int, bytes]]:
        """Yield the events of all cases with their times, each case in order, moved by whole hours to end by then."""
        earlier = -(-(max(case.events()[-1].time for case in self.cases) - ends_at) // HOUR) * HOUR
        for case in self.cases:
            source = f"/planted/{case.case_id}"
            for event, encoded in zip(case.events(), case.lines(), strict=True):
                at = event.time - earlier
                yield at, json.dumps(json.loads(encoded) | {"source": source, "time": rfc3339(at)}).encode()


def raises(name: str, **labels: str) -> tuple[str, Labels]:
    return name, tuple(sorted(labels.items()))


def quiet(case_id: str, at: str = "10:00", partner: str | None = None, city: str = "Jaipur") -> Scenario:
    """A claim that is settled at once: no ticket waits, no decision is provisional."""
    case = Scenario(case_id).booked("08:00", city=city).assigned("09:00", partner or f"{case_id}-p")
    case.ticket(at, f"{case_id}-t").image("+1m", f"{case_id}-t", url=f"{case_id}-i").validated(
        "+1m", ticket=f"{case_id}-t"
    )
    return case.ticket_closed("+1m", f"{case_id}-t")


def job(case_id: str, city: str = "Jaipur", group: str | None = None) -> Scenario:
    """A job of the partner `CASE-p`."""
    return Scenario(case_id).booked("08:00", city=city).assigned("09:00", f"{case_id}-p", group)


def ticketed(case_id: str, metres: float, **data: str) -> Scenario:
    """A job with an open claim of a partner so far from the site."""
    return job(case_id, **data).report("10:00", metres, partner=f"{case_id}-p").ticket("10:00", f"{case_id}-t")


def settled(case: Scenario, at: str = "11:00") -> Scenario:
    """The case with its claim shown, validated as genuine and closed."""
    ticket = f"{case.case_id}-t"
    case.image(at, ticket, url=f"{case.case_id}-i").validated(at, ticket=ticket)
    return case.call(at, "resolution_confirmed", ticket=ticket).ticket_closed(at, ticket)


def cancelled(case: Scenario, by: str, at: str = "12:00") -> Scenario:
    return case.cancelled(at, by, reason="cant_deliver", marked="none")


def paid(case_id: str, link: str, sha: str | None = None) -> Scenario:
    """A case without a booking, with a payment proof that passes every check; the ticket id is the case id."""
    case = Scenario(case_id).complaint("10:00", case_id).identified("11:00", f"{case_id}-p", ticket=case_id)
    return case.proof("12:00", ticket=case_id, claimed_partner_id=f"{case_id}-p", proof_url=link, sha256=sha)


def claims(name: str, partner: str, *times: str, city: str = "Jaipur") -> tuple[Scenario, ...]:
    """Claims of one partner, each in a job of its own, all settled."""
    return tuple(quiet(f"{name}-{number}", at, partner, city) for number, at in enumerate(times))


def on_case(name: str, case_id: str, **more: str) -> tuple[str, Labels]:
    return raises(name, case_id=case_id, **more)


def surge(name: str, city: str, count: int) -> tuple[Scenario, ...]:
    return tuple(quiet(f"{name}-{number}", f"10:{number:02d}", city=city) for number in range(count))


OF_TAGGING: Final = {"kind": "tagging", "subject_of": "out_of_scope"}
PLANTED: Final = (
    Planted(
        "on site when the customer cancels",
        (cancelled(job("stay").report("12:00", partner="stay-p"), "customer"),),
        (raises("stayed_after_cancellation", case_id="stay", partner_id="stay-p"),),
    ),
    Planted(
        "on site for a second too little after another cancels",
        (cancelled(job("gone"), "platform").report("12:00", partner="gone-p").report("12:29:59", partner="gone-p"),),
    ),
    Planted(
        "the partner is not called",
        (
            ticketed("late", 100, city="Pune")
            .image("10:05", "late-t", url="late-i")
            .validated("10:06", ticket="late-t"),
        ),
        (raises("park_overdue", case_id="late", ticket_id="late-t"),),
    ),
    Planted(
        "the partner confirms a second before the call is overdue",
        (settled(ticketed("called", 100, city="Pune"), "13:59:59"),),
    ),
    Planted(
        "off site",
        (settled(ticketed("off", 500.1)),),
        (
            raises("validated_off_site", case_id="off", partner_id="off-p"),
            raises("ticket_outside_geofence", case_id="off", ticket_id="off-t"),
        ),
    ),
    Planted("at the edge of the site", (settled(ticketed("edge", 499.9)),)),
    Planted(
        "a partner who may only close at BPC cancels",
        (cancelled(job("bpc", "Delhi", "rwm"), "partner"),),
        (raises("bpc_only_cancellation", case_id="bpc", partner_id="bpc-p"),),
    ),
    Planted("one of that group in another city", (cancelled(job("pune", "Pune", "rwm"), "partner"),)),
    Planted(
        "a mocked report",
        (settled(ticketed("mock", 100)).report("11:15", partner="mock-p", mocked=True),),
        (raises("mocked_location", case_id="mock", partner_id="mock-p"),),
    ),
    Planted(
        "a mocked report a second too late",
        (settled(ticketed("real", 100)).report("11:15:01", partner="real-p", mocked=True),),
    ),
    Planted(
        "travel at 180 km/h",
        (Scenario("fast").report("10:00", 0, partner="fast-p").report("10:00:20", 1021, partner="fast-p"),),
        (raises("impossible_travel", partner_id="fast-p", report="/planted/fast#report2"),),
    ),
    Planted(
        "the same over a metre less than is judged",
        (Scenario("near").report("10:00", 0, partner="near-p").report("10:00:20", 1019, partner="near-p"),),
    ),
    Planted(
        "a proof in two cases",
        (
            paid("proof-1", "https://media.example/planted/1.jpg"),
            paid("proof-2", "HTTPS://media.example:443/planted/./1.jpg#2"),
        ),
        (raises("proof_reused", image="https://media.example/planted/1.jpg"),),
    ),
    Planted(
        "proofs that differ in their query or hash",
        (
            paid("proof-3", "https://media.example/planted/2.jpg"),
            paid("proof-4", "https://media.example/planted/2.jpg?2"),
            paid("proof-5", "https://media.example/planted/2.jpg", "ab12"),
        ),
    ),
    Planted(
        "an image in two cases",
        (
            quiet("image-1").image("11:30", "image-1-t", url="planted"),
            quiet("image-2").image("11:40", "image-2-t", url="planted"),
        ),
        (raises("media_reused", image="https://media.example/planted.jpg"),),
    ),
    Planted(
        "an image twice in one case",
        (quiet("image-3").image("11:30", "image-3-t", url="twice").image("11:31", "image-3-t", url="twice"),),
    ),
    Planted(
        "three claims in exactly seven days",
        claims("spike", "spike-p", "10:00", "11:00", "10:00 +7d", city="Kota"),
        (raises("partner_oos_spike", partner_id="spike-p", ticket_id="spike-2-t"),),
    ),
    Planted("three claims in a second more", claims("slow", "slow-p", "10:00", "11:00", "10:00:01 +7d", city="Ajmer")),
    Planted(
        "twenty claims in an hour",
        surge("surge", "Mysore", 20),
        (raises("city_oos_surge", city="mysore"),),
    ),
    Planted("nineteen claims in an hour", surge("calm", "Nagpur", 19)),
    Planted(
        "a final decision changes",
        (quiet("flip").validated("13:00", "not_genuine", "flip-t"),),
        (raises("decision_flip", case_id="flip", partner_id="flip-p", **OF_TAGGING),),
    ),
    Planted("a provisional decision becomes final", (quiet("plain"),)),
    Planted(
        "a decision stays provisional",
        (job("stuck").ticket("10:00", "stuck-t").ticket_closed("10:01", "stuck-t"),),
        (raises("stuck_provisional", case_id="stuck", partner_id="stuck-p", **OF_TAGGING),),
    ),
    Planted(
        "a decision is final a second before that counts",
        (settled(job("final").ticket("10:00", "final-t"), "09:59:59 +2d"),),
    ),
)
EXPECTED: Final = sorted(alert for each in PLANTED for alert in each.alerts)
CASES: Final = frozenset(case.case_id for each in PLANTED for case in each.cases)
CITIES: Final = frozenset({"mysore", "nagpur", "kota", "ajmer"})
FLIPPING: Final = b'"source": "/planted/flip"'


def planted_lines(ends_at: int) -> list[bytes]:
    """Return the events of all cases, in the order of their times, the last of each example before `ends_at` (µs)."""
    events = [event for each in PLANTED for event in each.events(ends_at)]
    return [encoded for _, encoded in sorted(events, key=itemgetter(0))]


def without_flip(lines: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    """Return the lines without the one that changes a final decision, and that line.

    A decision flips only if it was published before: live, topics are read side by side.
    """
    flip = next(each for each in reversed(lines) if FLIPPING in each)
    return [each for each in lines if each is not flip], flip


def is_planted(labels: Mapping[str, str]) -> bool:
    """Return whether an alert is about something that was planted, by its labels."""
    return (
        labels.get("case_id") in CASES
        or labels.get("partner_id", "").endswith("-p")
        or labels.get("city") in CITIES
        or labels.get("image", "").startswith("https://media.example/planted")
    )


def named(alert: AlertBody) -> tuple[str, Labels]:
    """Return the name of an alert with the labels in its key, as `EXPECTED` has them."""
    return alert.name, tuple(sorted((name, alert.labels[name]) for name in alert.key if name not in VARYING))
