"""Hypothesis strategies for the events of one case, close to the bounds of time and distance.

They draw from few names and times, so that facts interact: partners are reassigned, tickets are created twice, facts
have the same time, reports lie on both sides of the radius.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.events import AnyEvent
from schemas.policy.model import HOUR, MINUTE, SECOND
from tests.scenario import destination, instant, line

LIMITS: Final = Limits()
PARTNERS: Final = ("p1", "p2", "p3")
TICKETS: Final = ("t1", "t1", "t1", "t2", "r1", "o1", "o2")
OFFLINE_TICKETS: Final = ("o1", "o1", "o2", "t1")
SOURCES: Final = ("/desk", "/app#2")
NAMES: Final = ("Ravi Kumar Sharma", "Shri Ravi Sharma", None, "Ravi", "Asha Rao", " ", "Mr.")
PHONES: Final = ("+919876543210", "98765 43210", None, "+12025550100", "none", "98765XxXxX")
LINKS: Final = (
    "https://media.example/proof/1.jpg",
    "https://media.example/2.pdf",
    "https://media.example/page",
    "https://[bad/1.jpg",
    "T1",
    " ",
)
CALLS: Final = (
    "will_visit",
    "refuses_visit",
    "will_serve",
    "refuses_serve",
    "will_cancel",
    "refuses_cancel",
    "resolution_confirmed",
    "unreachable",
)
MONEY: Final = (
    {"amount": "1499.00", "currency": "INR"},
    {"amount": "0.125", "currency": "INR"},
    {"amount": "0", "currency": "INR"},
    {"amount": "999999999999.9999", "currency": "INR"},
    {"amount": "100", "currency": "USD"},
)
DISTANCES_M: Final = (100.0, 0.0, 499.9, 500.1, 2_000.0, 40_000.0)
ACCURACIES_M: Final = (10.0, 5.0, 200.0, 200.1, 0.0)
HOURS: Final = ("10:00", "10:00", "10:00", "10:00", "08:00", "12:00", "13:00")
OFFSETS_US: Final = (
    0,
    0,
    0,
    1,
    10 * SECOND,
    5 * MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    48 * HOUR,
    72 * HOUR,
)

EventDraft = tuple[str, dict[str, Any]]
"""An event's type and data; absent fields are None."""


@dataclass(frozen=True)
class GeneratedCase:
    """A case's facts and its partners' location reports, in no particular order; decide it at `now` (microseconds)."""

    case_id: str
    facts: tuple[AnyEvent, ...]
    reports: tuple[AnyEvent, ...]
    lines: tuple[bytes, ...]
    """Facts and reports as JSON envelopes; some occur twice."""
    now: int


def _variants(**choices: Sequence[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings with one of the choices for each name, from a single draw, which is far cheaper than several."""

    def pick(index: int) -> dict[str, Any]:
        picked = {}
        for name, values in choices.items():
            index, place = divmod(index, len(values))
            picked[name] = values[place]
        return picked

    return st.integers(0, math.prod(map(len, choices.values())) - 1).map(pick)


def _drafts(kind: str, /, **choices: Sequence[Any]) -> st.SearchStrategy[EventDraft]:
    return _variants(**choices).map(lambda data: (kind, data))


def instants(offsets_us: Sequence[int] = OFFSETS_US) -> st.SearchStrategy[int]:
    """Instants (microseconds) that lie on, just before or just after a bound seen from each other."""
    return _variants(hour=HOURS, sign=(1, 1, -1), offset=offsets_us, edge=(0, 0, 0, -1, 1)).map(
        lambda of: instant(of["hour"]) + of["sign"] * of["offset"] + of["edge"]
    )


def bookings() -> st.SearchStrategy[EventDraft]:
    """Bookings for every route, at one of two nearby sites."""
    sites = tuple({"lat": lat, "lon": lon} for lat, lon in map(destination, (0.0, 0.0, 300.0)))
    return _drafts(
        "job.booked",
        customer_id=("c1",),
        category=("ac", "ro"),
        city=("Delhi", " bengaluru ", "Jaipur"),
        site=sites,
        premises=("residential", "commercial"),
        appliance_use=(None, "domestic", "commercial"),
        scheduled_for=("2026-11-21T10:00:00Z",),
    )


def assignments() -> st.SearchStrategy[EventDraft]:
    """Assignments to one of three partners."""
    return _drafts("job.assigned", partner_id=("p1", "p1", *PARTNERS), partner_group=(None, None, "rwm"))


def cancellations() -> st.SearchStrategy[EventDraft]:
    """Cancellations by anyone, marked against anyone."""
    return _drafts(
        "cancellation.recorded",
        by=("partner", "customer", "partner", "platform"),
        reason=("out_of_scope", "cant_deliver", "pro_cannot_deliver", "incorrect_service_booked", "other"),
        marked_against=("partner", "none", "partner", "customer"),
        partner_id=(None, None, None, *PARTNERS),
    )


def job_facts() -> st.SearchStrategy[EventDraft]:
    """Facts about a job: bookings, assignments, starts, line items, closings, ratings, cancellations."""
    return st.one_of(
        bookings(),
        assignments(),
        _drafts("job.started", partner_id=PARTNERS),
        _drafts("job.start_blocked", partner_id=PARTNERS, reason=("otp_refused", "payment_refused")),
        _drafts("job.line_item_added", line_id=("l1", "l2"), amount=MONEY),
        _drafts("job.closed", partner_id=("p1", *PARTNERS), closure=("bpc", "completed")),
        _drafts("job.rated", stars=(1, 5)),
        cancellations(),
        cancellations(),
    )


def tickets() -> st.SearchStrategy[EventDraft]:
    """Creations of tickets; the first letter of an id suggests its kind, which can be another."""
    return _drafts(
        "ticket.created",
        ticket_id=TICKETS,
        kind=("out_of_scope", "out_of_scope", "rating_reversal", "offline_service", "poor_service"),
        opened_by=("partner", "partner", "customer", "agent"),
        reason=(None, "out_of_scope", "commercial_premises", "otp_refused", "payment_refused"),
        refund_requested=(None, True),
        offline_suspected=(None, True),
        partner_id=(None, None, None, *PARTNERS),
    )


def images() -> st.SearchStrategy[EventDraft]:
    """Images by anyone, some of them identical."""
    return _drafts(
        "ticket.media_added",
        ticket_id=TICKETS,
        added_by=("partner", "partner", "customer", "agent"),
        url=("https://media.example/1.jpg", "https://media.example/2.jpg"),
        sha256=(None, "a", "b"),
    )


def validations() -> st.SearchStrategy[EventDraft]:
    """Validations, genuine or not."""
    return _drafts(
        "ticket.validated",
        ticket_id=TICKETS,
        verdict=("genuine", "genuine", "not_genuine"),
        channel=("video_call", "images", "other"),
    )


def identifications() -> st.SearchStrategy[EventDraft]:
    """Identifications of the partner by the desk."""
    return _drafts(
        "ticket.partner_identified",
        ticket_id=OFFLINE_TICKETS,
        partner_id=("p1", *PARTNERS),
        name=NAMES,
        phone=PHONES,
    )


def proofs() -> st.SearchStrategy[EventDraft]:
    """Proofs of payment, good and bad."""
    return _drafts(
        "ticket.payment_proof_added",
        ticket_id=OFFLINE_TICKETS,
        claimed_partner_id=("p1", "p1", "p2"),
        method=("upi", "card", "wallet", "cash"),
        proof_url=LINKS,
        legible=(True, True, True, False),
        payee_name=NAMES,
        payee_phone=PHONES,
        amount=MONEY,
        paid_on=("2026-11-20", "2026-11-21", "2026-11-22"),
        service_date=("2026-11-20",),
    )


def ticket_facts() -> st.SearchStrategy[EventDraft]:
    """Tickets of every kind and what is added to them, including to tickets that were never created."""
    return st.one_of(
        tickets(),
        tickets(),
        images(),
        validations(),
        identifications(),
        proofs(),
        _drafts("ticket.call_logged", ticket_id=TICKETS, party=("partner", "customer"), outcome=CALLS),
        _drafts("ticket.closed", ticket_id=TICKETS),
        _drafts("ticket.refund_requested", ticket_id=OFFLINE_TICKETS),
    )


def reports() -> st.SearchStrategy[EventDraft]:
    """Location reports around the site."""

    def draft(of: dict[str, Any]) -> EventDraft:
        lat, lon = destination(of["metres"], of["bearing"])
        return "location.reported", {"lat": lat, "lon": lon, "accuracy_m": of["accuracy"], "mocked": of["mocked"]}

    return _variants(
        metres=DISTANCES_M,
        bearing=(0.0, 90.0, 215.0),
        accuracy=ACCURACIES_M,
        mocked=(None, False, False, True),
    ).map(draft)


def claims() -> st.SearchStrategy[list[EventDraft]]:
    """An out-of-scope claim by p1 with everything a decision needs, and the end of the job."""
    created = {"ticket_id": "t1", "kind": "out_of_scope", "opened_by": "partner"}
    image = {"ticket_id": "t1", "added_by": "partner", "url": "https://media.example/1.jpg"}
    reversal = {"ticket_id": "r1", "kind": "rating_reversal", "opened_by": "partner", "partner_id": "p1"}
    ends = st.one_of(cancellations(), st.just(("job.closed", {"partner_id": "p1", "closure": "bpc"})))
    drafts = st.tuples(
        bookings(),
        _drafts("job.assigned", partner_id=("p1",), partner_group=(None, None, "rwm")),
        st.just(("ticket.created", created)),
        st.just(("ticket.media_added", image)),
        _drafts("ticket.validated", ticket_id=("t1",), verdict=("genuine", "not_genuine"), channel=("video_call",)),
        ends,
        st.just(("ticket.created", reversal)),
    )
    return drafts.map(lambda each: [*each])


def offline_payments() -> st.SearchStrategy[list[EventDraft]]:
    """A proven offline service with a requested refund."""
    created = {"ticket_id": "o1", "kind": "offline_service", "opened_by": "customer", "refund_requested": True}
    identified = {"ticket_id": "o1", "partner_id": "p1", "name": NAMES[0], "phone": PHONES[0]}
    proof = {
        "ticket_id": "o1",
        "claimed_partner_id": "p1",
        "method": "upi",
        "proof_url": LINKS[0],
        "legible": True,
        "payee_name": NAMES[0],
        "amount": MONEY[0],
        "paid_on": "2026-11-20",
        "service_date": "2026-11-20",
    }
    drafts = st.tuples(
        bookings(),
        st.just(("ticket.created", created)),
        st.just(("ticket.partner_identified", identified)),
        st.just(("ticket.payment_proof_added", proof)),
    )
    return drafts.map(lambda each: [*each])


# built once, since building a strategy costs more than drawing from it
_CASE_IDS: Final = st.sampled_from(("job-1", "job-1", "o1"))
_INSTANTS: Final = instants()
_BEGINNINGS: Final[st.SearchStrategy[list[EventDraft]]] = st.one_of(st.just([]), claims(), offline_payments())
_FACTS: Final = st.tuples(st.one_of(job_facts(), ticket_facts()), _INSTANTS)
# all within one retention: beyond it, what counts depends on when a query came
_REPORTS: Final = st.tuples(reports(), instants(OFFSETS_US[:-2]), st.sampled_from(("p1", *PARTNERS)))


@st.composite
def cases(draw: st.DrawFn, max_facts: int = 16, max_reports: int = 10) -> GeneratedCase:
    """Whole cases, in which anything that the contract accepts may meet anything else."""
    case_id = draw(_CASE_IDS)
    facts = [(each, draw(_INSTANTS)) for each in draw(_BEGINNINGS)]
    facts += draw(st.lists(_FACTS, max_size=max_facts))
    located = draw(st.lists(_REPORTS, max_size=max_reports))
    rows = [(kind, case_id, data, at) for (kind, data), at in facts]
    rows += [(kind, partner, data, at) for (kind, data), at, partner in located]
    lines = [
        line(kind, subject, at, f"{number * 7 % 10}-{number}", data, SOURCES[number % 3 == 0])
        for number, (kind, subject, data, at) in enumerate(rows)
    ]
    events = [decode_record(each, None, LIMITS) for each in lines]
    repeated = draw(st.lists(st.sampled_from(lines), max_size=3)) if lines else []
    latest = max((each.time for each in events), default=instant("08:00"))
    now = max(latest, draw(_INSTANTS)) if draw(st.booleans()) else latest + 100 * HOUR
    return GeneratedCase(
        case_id=case_id,
        facts=tuple(events[: len(facts)]),
        reports=tuple(events[len(facts) :]),
        lines=(*lines, *repeated),
        now=now,
    )
