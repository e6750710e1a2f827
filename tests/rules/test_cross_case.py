"""Alerts over several cases: both sides of each bound, what is compared with what, since when, what they cite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from agents.sops.cross_case_alerts import CROSS_CASE_ALERTS
from schemas.events import AnyEvent
from schemas.outputs import AlertMessage
from schemas.policy.model import PolicySet
from streams.replay.replay import Replay
from tests.scenario import POLICY, Scenario, instant, policy_with, rfc3339

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

NAMES: Final = frozenset(kind.name for kind in CROSS_CASE_ALERTS)
SEVERITIES: Final = {kind.name: kind.severity for kind in CROSS_CASE_ALERTS}


@dataclass(frozen=True)
class Alert:
    """An alert in one of its states: when it started, its labels, and the facts that it cites as `case:name`."""

    name: str
    at: str
    cites: str
    labels: dict[str, str] = field(default_factory=dict)
    resolved: str | None = None


@dataclass(frozen=True)
class Row:
    """Some cases, and the alerts over them that are sent, in their order."""

    cases: Sequence[Scenario]
    expected: tuple[Alert, ...]
    policy: str = ""

    def stated(self) -> list[object]:
        return [
            (
                each.name,
                SEVERITIES[each.name],
                "firing" if each.resolved is None else "resolved",
                rfc3339(instant(each.at)),
                each.labels,
                sorted(each.cites.split()),
            )
            for each in self.expected
        ]

    def found(self) -> list[object]:
        events = [renamed(each, case.case_id) for case in self.cases for each in case.events()]
        policy = policy_with(self.policy) if self.policy else POLICY
        messages = Replay(PolicySet([policy], POLICY)).run(events)
        alerts = [each.body for each in messages if isinstance(each, AlertMessage) and each.body.name in NAMES]
        return [
            (
                body.name,
                body.severity,
                body.state,
                rfc3339(body.starts_at),
                body.labels,
                sorted(ref.removeprefix("/s#") for ref in body.evidence),
            )
            for body in alerts
        ]


def renamed(event: AnyEvent, case_id: str) -> AnyEvent:
    """Return an event whose id is unlike those of other cases: `case:id`."""
    return type(event)(
        **{name: getattr(event, name) for name in event.__struct_fields__} | {"id": f"{case_id}:{event.id}"}
    )


def row(name: str, cases: Sequence[Scenario], *expected: Alert, policy: str = "") -> ParameterSet:
    return pytest.param(Row(cases, expected, policy), id=name)


# Images


def shown(case_id: str, at: str = "10:05", *, sha: str | None = None, url: str = "u1") -> Scenario:
    """A case with an image on an out-of-scope ticket."""
    return Scenario(case_id).ticket().image(at, sha=sha, url=url)


def paid(case_id: str, link: str, at: str = "12:00", *, kind: str = "offline_service") -> Scenario:
    """A case with a payment proof on a ticket of the customer."""
    return Scenario(case_id).complaint(kind=kind).proof(at, proof_url=link)


def media(at: str, cites: str, image: str = "https://media.example/u1.jpg") -> Alert:
    return Alert("media_reused", at, cites, {"image": image})


def proof(at: str, cites: str, image: str = "https://m.example/~x.png") -> Alert:
    return Alert("proof_reused", at, cites, {"image": image})


PROOF = "https://m.example/~x.png"
IMAGES = [
    row("an image in two cases", [shown("a"), shown("b", "10:07")], media("10:07", "a:image b:image")),
    row("an image in one case", [shown("a").image("10:06")]),
    row("two images", [shown("a"), shown("b", url="u2")]),
    row(
        "a third case says nothing new",
        [shown("a"), shown("b"), shown("c", "10:09")],
        media("10:05", "a:image b:image"),
    ),
    row(
        "the earliest use in each case counts",
        [shown("a").image("10:09"), shown("b", "10:07").image("10:08")],
        media("10:07", "a:image b:image"),
    ),
    row(
        "the same hash in other letters",
        [shown("a", sha="AB12"), shown("b", sha="ab12", url="u2")],
        media("10:05", "a:image b:image", "ab12"),
    ),
    row("the same link, one with a hash", [shown("a", sha="ab12"), shown("b")]),
    row("the same link, other hashes", [shown("a", sha="ab12"), shown("b", sha="cd34")]),
    row("on a ticket of another kind", [shown("a"), Scenario("b").rating_ticket("10:00").image("10:05", "r1")]),
    row("on a ticket whose creation is not known", [shown("a"), Scenario("b").image()]),
    row(
        "once the creation is known",
        [shown("a"), Scenario("b").image().ticket("10:30")],
        media("10:05", "a:image b:image"),
    ),
    row("a proof in two cases", [paid("a", PROOF), paid("b", PROOF, "12:01")], proof("12:01", "a:proof b:proof")),
    row(
        "a proof under an equal link",
        [paid("a", " HTTPS://M.example:443/a/../%7Ex.png#f "), paid("b", PROOF)],
        proof("12:00", "a:proof b:proof"),
    ),
    row(
        "a proof on poor service qualifies",
        [paid("a", PROOF), paid("b", PROOF, kind="poor_service")],
        proof("12:00", "a:proof b:proof"),
    ),
    row("a proof on a ticket that never qualifies", [paid("a", PROOF), paid("b", PROOF, kind="out_of_scope")]),
    row("blank links", [paid("a", " "), paid("b", "")]),
    row("a proof and an image", [paid("a", "https://media.example/u1.jpg"), shown("b")]),
]

# Partners


def claimed(
    case_id: str, at: str = "10:00", partner: str = "p1", *, assigned: str | None = "09:00", **data: str
) -> Scenario:
    """A job with an out-of-scope claim of a partner, who was assigned or is only named."""
    case = Scenario(case_id).booked("08:00", **data)
    case = case if assigned is None else case.assigned(assigned, partner)
    return case.ticket(at, f"t-{case_id}", partner_id=partner)


def served(case_id: str, partner: str = "p2", at: str = "09:00", **data: str) -> Scenario:
    """A job without a claim."""
    return Scenario(case_id).booked("08:00", **data).assigned(at, partner)


def three(**data: str) -> list[Scenario]:
    """Three claims of p1 in as many jobs."""
    return [claimed("a", "10:00", **data), claimed("b", "11:00", **data), claimed("c", "12:00", **data)]


def spike(at: str, cites: str, case: str, partner: str = "p1", city: str = "delhi", category: str = "ac") -> Alert:
    labels = {"partner_id": partner, "ticket_id": f"t-{case}", "city": city, "category": category}
    return Alert("partner_oos_spike", at, cites, labels)


THIRD = spike("12:00", "a:t-a b:t-b c:t-c", "c")
OTHERS = [served(f"o{number}") for number in range(20)]
PARTNERS = [
    row("the third claim", three(), THIRD),
    row("two claims", three()[:2]),
    row(
        "the fourth is said too, with the three latest",
        [*three(), claimed("d", "13:00")],
        THIRD,
        spike("13:00", "b:t-b c:t-c d:t-d", "d"),
    ),
    row(
        "seven days apart",
        [claimed("a", "10:00"), claimed("b", "11:00"), claimed("c", "10:00 +7d")],
        spike("10:00 +7d", "a:t-a b:t-b c:t-c", "c"),
    ),
    row("more than seven days apart", [claimed("a", "10:00"), claimed("b", "11:00"), claimed("c", "10:00:01 +7d")]),
    row("the second ticket of an engagement is no claim", [claimed("a").ticket("11:00", "t2").ticket("12:00", "t3")]),
    row(
        "more than four times the others'",
        [*three(), *OTHERS[:8], claimed("x", "09:30", "p2"), claimed("y", "09:40", "p2")],
        spike("12:00", "a:t-a b:t-b c:t-c", "c"),
    ),
    row(
        "exactly four times the others'",
        [*three(), *OTHERS[:6], claimed("x", "09:30", "p2"), claimed("y", "09:40", "p2")],
    ),
    row("the others' are elsewhere", [*three(), *(claimed(each, "09:30", "p2", city="Pune") for each in "xy")], THIRD),
    row(
        "the others' are of another category",
        [*three(), *(claimed(each, "09:30", "p2", category="ro") for each in "xy")],
        THIRD,
    ),
    row("the others' are in the same city by another name", [*three(), claimed("x", "09:30", "p2", city="New Delhi")]),
    row("the partner's own are anywhere", [claimed("a", "10:00", city="Pune"), *three()[1:]], THIRD),
    row("often assigned, few claims", [*three(), *(served(f"s{n}", "p1") for n in range(73))]),
    row("often assigned, one claim for each 25", [*three(), *(served(f"s{n}", "p1") for n in range(72))]),
    row("often assigned, a little more", [*three(), *(served(f"s{n}", "p1") for n in range(71))], THIRD),
    row(
        "assigned after the claim does not count",
        [*three(), *(served(f"s{n}", "p1", "12:01") for n in range(73))],
        THIRD,
    ),
    row(
        "without any assignment, one is taken",
        [claimed(each, at, assigned=None) for each, at in zip("abc", ("10:00", "11:00", "12:00"), strict=True)],
        THIRD,
    ),
    row(
        "nobody is no partner",
        [Scenario(each).booked("08:00").ticket(f"1{at}:00", f"t-{each}") for at, each in enumerate("abcd")],
    ),
    row(
        "nobody is no other partner",
        [*three(), *(Scenario(each).booked("08:00").ticket("09:00", f"t-{each}") for each in "xyz")],
        THIRD,
    ),
    row("without a booking a claim is not judged", [*three()[:2], Scenario("c").assigned().ticket("12:00", "t-c")]),
    row(
        "a booking that comes later",
        [*three()[:2], Scenario("c").assigned().ticket("12:00", "t-c").booked("14:00")],
        THIRD,
    ),
    row(
        "a booking that moves it is not said twice",
        [*three()[:2], claimed("c", "12:00").booked("14:00", city="Pune")],
        THIRD,
    ),
    row(
        "a claim that comes to the partner later",
        [*three()[:2], Scenario("c").booked("08:00").ticket("12:00", "t-c").assigned("15:00")],
        THIRD,
    ),
]

# Cities


def hour(count: int, at: str = "10", day: str = "", city: str = "Delhi") -> list[Scenario]:
    """So many claims in an hour, each of another partner, a minute apart."""
    return [
        claimed(f"{day}{at}.{n}", f"{day}{at}:{n:02d}", f"q{day}{at}.{n}", assigned=None, city=city)
        for n in range(count)
    ]


def surge(
    at: str, first: int, last: int, label: str = "2026-11-21T10:00:00Z", at_hour: str = "10", day: str = ""
) -> Alert:
    ids = [f"{day}{at_hour}.{n}" for n in range(first, last)]
    return Alert("city_oos_surge", at, " ".join(f"{each}:t-{each}" for each in ids), {"city": "delhi", "hour": label})


CITIES = [
    row("twenty claims in an hour", hour(20), surge("10:19", 0, 20)),
    row("nineteen", hour(19)),
    row("said once", hour(25), surge("10:19", 0, 20)),
    row("over two hours", [*hour(19), *hour(19, "11")]),
    row("two cities", [*hour(19), claimed("x", "10:30", "z", city="Pune")]),
    row(
        "a city by two names",
        [*hour(19), claimed("x", "10:30", "z", city="New Delhi")],
        Alert(
            "city_oos_surge",
            "10:30",
            "x:t-x " + " ".join(f"10.{n}:t-10.{n}" for n in range(19)),
            {"city": "delhi", "hour": "2026-11-21T10:00:00Z"},
        ),
    ),
    row(
        "claims of nobody count",
        [*hour(19), Scenario("x").booked("08:00").ticket("10:30", "t-x")],
        Alert(
            "city_oos_surge",
            "10:30",
            "x:t-x " + " ".join(f"10.{n}:t-10.{n}" for n in range(19)),
            {"city": "delhi", "hour": "2026-11-21T10:00:00Z"},
        ),
    ),
    row("a claim without a booking does not", [*hour(19), Scenario("x").ticket("10:30", "t-x")]),
]

FEW = "alert.surge_claims = 3\nalert.surge_hours = 2\nalert.surge_deviations = 1.0"
"""After hours with 2 and 4 claims the bound is 4: a mean of 3 and a deviation of 1."""
BEFORE = [*hour(2, "08"), *hour(4, "09")]
SURGE_AT_9 = surge("09:02", 0, 3, "2026-11-21T09:00:00Z", "09")
DEVIATIONS = [
    row("exactly the bound", [*BEFORE, *hour(4)], SURGE_AT_9, policy=FEW),
    row("one more, with the latest claims", [*BEFORE, *hour(5)], SURGE_AT_9, surge("10:04", 2, 5), policy=FEW),
]
UNDER_OTHER_POLICIES = [
    row(
        "a shorter window",
        [claimed("a", "10:00"), claimed("b", "11:00"), claimed("c", "12:00:01")],
        policy='alert.spike_window = "2 h"',
    ),
    row("fewer claims", three()[:2], spike("11:00", "a:t-a b:t-b", "b"), policy="alert.spike_claims = 2"),
    row(
        "a smaller ratio",
        [*three(), *OTHERS[:6], claimed("x", "09:30", "p2"), claimed("y", "09:40", "p2")],
        THIRD,
        policy="alert.spike_ratio = 3.9",
    ),
    row("a higher floor", three(), policy="alert.spike_floor = 0.25"),
    row("fewer claims in a city", hour(3), surge("10:02", 0, 3), policy="alert.surge_claims = 3"),
    row(
        "fewer deviations",
        [*hour(20), *hour(20, "11")],
        surge("10:19", 0, 20),
        surge("11:19", 0, 20, "2026-11-21T11:00:00Z", "11"),
        policy="alert.surge_deviations = 1.0",
    ),
    row(
        "fewer hours",
        [*hour(20), *hour(20, "12")],
        surge("10:19", 0, 20),
        surge("12:19", 0, 20, "2026-11-21T12:00:00Z", "12"),
        policy="alert.surge_hours = 1",
    ),
]


OTHER_POLICIES = [each.policy for row in UNDER_OTHER_POLICIES for each in row.values if isinstance(each, Row)]


@pytest.mark.parametrize("row", [*IMAGES, *PARTNERS, *CITIES, *DEVIATIONS, *UNDER_OTHER_POLICIES])
def test_alerts_over_several_cases(row: Row) -> None:
    assert row.found() == row.stated()
