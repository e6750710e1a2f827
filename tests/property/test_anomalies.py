"""The anomaly agent raises, at each instant, what the definitions say of all facts up to it (domain.md, "Alerts")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean, pstdev
from typing import Any, Final

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from agents.anomalies.image_key import image_key
from agents.case.cities import compared
from agents.case.view import CaseView, build_case_view
from agents.sops.cross_case_alerts import CROSS_CASE_ALERTS
from agents.sops.offline_service.assessment import qualifies
from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.events import AnyEvent
from schemas.outputs import AlertMessage
from schemas.policy.model import HOUR, MINUTE, Alert, Policy, PolicySet
from schemas.timestamps import format_instant
from streams.replay.replay import Replay
from tests.scenario import MIDNIGHT, SITE, line

NAMES: Final = frozenset(kind.name for kind in CROSS_CASE_ALERTS)
RULES: Final = Alert(
    spike_window=2 * HOUR,
    spike_claims=2,
    spike_ratio=1.5,
    spike_floor=0.25,
    surge_claims=2,
    surge_hours=3,
    surge_deviations=1.0,
)
POLICY: Final = Policy(hash="h", alert=RULES)
CASES: Final = ("a", "b", "c", "d", "e")
Draft = tuple[str, int, str, dict[str, Any]]
"""Case, minutes since midnight, type and data."""
Said = tuple[str, str, tuple[tuple[str, str], ...], int]
"""Name, state, labels and since when."""


def booking(city: str, category: str) -> tuple[str, dict[str, Any]]:
    site = {"lat": SITE[0], "lon": SITE[1]}
    more = {"customer_id": "c", "premises": "residential", "scheduled_for": "soon", "site": site}
    return "job.booked", {"city": city, "category": category, **more}


def proof(ticket: str, link: str, sha: str | None) -> tuple[str, dict[str, Any]]:
    paid = {"paid_on": "2026-11-20", "service_date": "2026-11-20", "amount": {"amount": "1.00", "currency": "INR"}}
    claimed = {"claimed_partner_id": "p1", "method": "upi", "legible": True}
    return "ticket.payment_proof_added", {"ticket_id": ticket, "proof_url": link, "sha256": sha, **paid, **claimed}


PARTNERS = st.sampled_from(["p1", "p2", "p3"])
TICKETS = st.sampled_from(["t1", "t2"])
LINKS = st.sampled_from(["https://m.example/1.jpg", "HTTPS://m.example:443/./1.jpg#f", " "])
HASHES = st.sampled_from([None, None, "ab", "AB"])
FACTS = st.one_of(
    st.builds(booking, st.sampled_from(["Delhi", "New Delhi", "Pune"]), st.sampled_from(["ac", "ro"])),
    st.builds(lambda partner: ("job.assigned", {"partner_id": partner}), PARTNERS),
    st.builds(
        lambda ticket, kind, partner: (
            "ticket.created",
            {"ticket_id": ticket, "kind": kind, "opened_by": "partner", "partner_id": partner},
        ),
        TICKETS,
        st.sampled_from(["out_of_scope"] * 4 + ["poor_service"]),
        st.one_of(st.none(), PARTNERS),
    ),
    st.builds(
        lambda ticket, link, sha: (
            "ticket.media_added",
            {"ticket_id": ticket, "added_by": "partner", "url": link.strip() or "u", "sha256": sha},
        ),
        TICKETS,
        LINKS,
        HASHES,
    ),
    st.builds(proof, TICKETS, LINKS, HASHES),
)
DRAFTS = st.lists(
    st.builds(
        lambda case_id, minutes, fact: (case_id, minutes, *fact),
        st.sampled_from(CASES),
        st.sampled_from([0, 1, 59, 60, 61, 119, 120, 121, 180, 181, 240, 300]),
        FACTS,
    ),
    max_size=40,
)


def events(drafts: Sequence[Draft]) -> list[AnyEvent]:
    lines = (
        line(kind, case_id, MIDNIGHT + minutes * MINUTE, f"e{number}", data)
        for number, (case_id, minutes, kind, data) in enumerate(drafts)
    )
    return [decode_record(each, None, Limits()) for each in lines]


def said(facts: Sequence[AnyEvent], until: int) -> set[Said]:
    """Return what a replay says up to an instant."""
    messages = Replay(PolicySet((), POLICY)).run(facts, until)
    bodies = [each.body for each in messages if isinstance(each, AlertMessage) and each.body.name in NAMES]
    found = [(each.name, each.state, tuple(sorted(each.labels.items())), each.starts_at) for each in bodies]
    assert len(set(found)) == len(found)
    return set(found)


def reuses(views: Sequence[CaseView]) -> Iterator[Said]:
    uses: dict[tuple[str, str], dict[str, int]] = {}
    for view in views:
        for ticket in view.tickets:
            shown = [(e.time, e.data.sha256, e.data.url) for e in ticket.media if ticket.kind == "out_of_scope"]
            given = [(e.time, e.data.sha256, e.data.proof_url) for e in ticket.proofs if qualifies(ticket)]
            for name, images in (("media_reused", shown), ("proof_reused", given)):
                for time, sha, link in images:
                    if image := image_key(sha, link):
                        of_cases = uses.setdefault((name, image), {})
                        of_cases[view.case_id] = min(of_cases.get(view.case_id, time), time)
    for (name, image), of_cases in uses.items():
        if len(of_cases) > 1:
            yield name, "firing", (("image", image),), sorted(of_cases.values())[1]


Claim = tuple[int, str | None, str, tuple[str, str] | None]
"""Time, partner, ticket, and the place of its case."""


def claims_of(view: CaseView) -> Iterator[Claim]:
    for engagement in view.engagements:
        tickets = [each for each in engagement.tickets if each.kind == "out_of_scope"]
        if tickets:
            first = min(tickets, key=lambda each: each.created.order)
            yield first.created.time, engagement.partner_id, first.id, place(view)


def place(view: CaseView) -> tuple[str, str] | None:
    if view.booking is None:
        return None
    return compared(view.booking.data.city, POLICY), view.booking.data.category


def spikes(views: Sequence[CaseView]) -> Iterator[Said]:
    claims = [each for view in views for each in claims_of(view)]
    assigned = [(each.time, each.data.partner_id, place(view)) for view in views for each in view.assignments]
    for time, partner, ticket, where in claims:
        if partner is None or where is None:
            continue
        window = range(time - RULES.spike_window, time + 1)
        own = sum(each[1] == partner and each[0] in window for each in claims)
        own_rate = own / (sum(each[1] == partner and each[0] in window for each in assigned) or 1)
        theirs = [each for each in claims if each[1] not in (None, partner) and each[3] == where and each[0] in window]
        base = [each for each in assigned if each[1] != partner and each[2] == where and each[0] in window]
        bound = RULES.spike_ratio * max(len(theirs) / (len(base) or 1), RULES.spike_floor)
        if own >= RULES.spike_claims and own_rate > bound:
            labels = {"partner_id": partner, "ticket_id": ticket, "city": where[0], "category": where[1]}
            yield "partner_oos_spike", "firing", tuple(sorted(labels.items())), time


def surges(views: Sequence[CaseView]) -> Iterator[Said]:
    claims = [(each[3][0], each[0]) for view in views for each in claims_of(view) if each[3] is not None]
    for city, hour in {(city, time // HOUR) for city, time in claims}:
        counts = [claims_in(claims, city, each) for each in range(hour - RULES.surge_hours, hour)]
        bound = mean(counts) + RULES.surge_deviations * pstdev(counts)
        for number, time in enumerate(sorted(at for name, at in claims if (name, at // HOUR) == (city, hour)), 1):
            if number >= RULES.surge_claims and number > bound + 1e-9:
                labels = (("city", city), ("hour", format_instant(hour * HOUR)))
                yield "city_oos_surge", "firing", labels, time
                break


def claims_in(claims: Sequence[tuple[str, int]], city: str, hour: int) -> int:
    return sum((name, time // HOUR) == (city, hour) for name, time in claims)


def key_of(alert: Said) -> object:
    """Return what identifies an alert: a partner's claim, a city's hour, an image."""
    name, _, labels, _ = alert
    names = {"partner_oos_spike": ("partner_id", "ticket_id"), "city_oos_surge": ("city", "hour")}
    return name, tuple(each for each in labels if each[0] in names.get(name, ("image",)))


@settings(max_examples=300)
@for_all(DRAFTS)
def test_each_instant_says_what_is_true_of_all_facts_up_to_it(drafts: list[Draft]) -> None:
    facts = events(drafts)
    before: set[Said] = set()
    known_keys: set[object] = set()
    for now in sorted({each.time for each in facts}):
        views = [
            build_case_view(case_id, some)
            for case_id in CASES
            if (some := [fact for fact in facts if fact.subject == case_id and fact.time <= now])
        ]
        after = said(facts, now)
        true = [*reuses(views), *spikes(views), *surges(views)]
        new = {each for each in true if key_of(each) not in known_keys}
        assert {key_of(each) for each in after - before} == {key_of(each) for each in new}
        assert after - before <= new
        known_keys |= {key_of(each) for each in true}
        before = after
