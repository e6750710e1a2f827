"""The cases of the test kit: events in the order in which they arrive, some of them long after they happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Self

import msgspec

from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.events import AnyEvent
from schemas.timestamps import DAY_US, format_instant, parse_instant

MINUTE_US: Final = 60_000_000
START_US: Final = parse_instant("2025-01-06T08:00:00Z")
SITE: Final = (28.6139, 77.2090)
DEGREES_PER_M: Final = 1 / 111_195
"""Of latitude."""
Value = str | int | float | bool | Mapping[str, object] | None
"""A field of an event's data; None leaves it out."""


class Arrival(NamedTuple):
    """An event, and the instant (microseconds) at which it arrives."""

    at: int
    line: bytes
    event: AnyEvent


class Case:
    """The events of one case. Times are minutes since the start of its day; days begin one after the other.

    `late` is how many minutes after its time an event arrives.
    """

    def __init__(self, case_id: str, day: int, partner: str = "") -> None:
        self.case_id = case_id
        self.events: list[Arrival] = []
        self._start = START_US + day * DAY_US
        self._partner = partner

    def add(self, minute: int, event_type: str, /, *, late: int = 0, subject: str | None = None, **data: Value) -> Self:
        """Add any event."""
        time = self._start + minute * MINUTE_US
        members = {
            "specversion": "1.0",
            "id": f"{self.case_id}-{len(self.events) + 1:02}",
            "source": f"/{event_type.partition('.')[0]}",
            "type": event_type,
            "subject": self.case_id if subject is None else subject,
            "time": format_instant(time),
            "datacontenttype": "application/json",
            "data": {name: value for name, value in data.items() if value is not None},
        }
        line = msgspec.json.encode(members)
        self.events.append(Arrival(time + late * MINUTE_US, line, decode_record(line, None, Limits())))
        return self

    def booked(self, minute: int = 0, city: str = "Delhi") -> Self:
        """A booking for an air conditioner in a home."""
        return self.add(
            minute,
            "job.booked",
            customer_id=f"customer of {self.case_id}",
            category="ac",
            city=city,
            site={"lat": SITE[0], "lon": SITE[1]},
            premises="residential",
            scheduled_for="the same day",
        )

    def assigned(self, minute: int = 5, partner: str | None = None, group: str | None = None, late: int = 0) -> Self:
        """An assignment, by default of the partner of the case."""
        return self.add(minute, "job.assigned", late=late, partner_id=partner or self._partner, partner_group=group)

    def reported(self, minute: int, metres: float = 50, late: int = 0) -> Self:
        """A location report of the partner, so far from the site."""
        lat = SITE[0] + metres * DEGREES_PER_M
        return self.add(
            minute, "location.reported", late=late, subject=self._partner, lat=lat, lon=SITE[1], accuracy_m=10
        )

    def ticket(
        self, minute: int, kind: str = "out_of_scope", by: str = "partner", *, refund_requested: bool | None = None
    ) -> Self:
        """A ticket, named by the case and its kind."""
        ticket = self._ticket(kind)
        return self.add(
            minute, "ticket.created", ticket_id=ticket, kind=kind, opened_by=by, refund_requested=refund_requested
        )

    def image(self, minute: int) -> Self:
        """An image that the partner adds to the OOS ticket."""
        link = f"https://media.example/images/{minute}.jpg"
        return self.add(
            minute, "ticket.media_added", ticket_id=self._ticket("out_of_scope"), added_by="partner", url=link
        )

    def validated(self, minute: int, verdict: str = "genuine") -> Self:
        """A validation of the OOS ticket."""
        ticket = self._ticket("out_of_scope")
        return self.add(minute, "ticket.validated", ticket_id=ticket, verdict=verdict, channel="video_call")

    def cancelled(self, minute: int, by: str = "partner", marked: str = "partner") -> Self:
        """A cancellation, by the partner as work that cannot be delivered."""
        reason = "pro_cannot_deliver" if by == "partner" else "incorrect_service_booked"
        return self.add(minute, "cancellation.recorded", by=by, reason=reason, marked_against=marked)

    def closed(self, minute: int, closure: str = "bpc") -> Self:
        """The partner closes the job."""
        return self.add(minute, "job.closed", partner_id=self._partner, closure=closure)

    def complaint(self, minute: int = 0) -> Self:
        """A customer's ticket about an offline service, with the request for a refund."""
        return self.ticket(minute, "offline_service", "customer", refund_requested=True)

    def identified(self, minute: int, partner: str | None = None) -> Self:
        """The partner whom the desk identified."""
        ticket, partner = self._ticket("offline_service"), partner or self._partner
        return self.add(minute, "ticket.partner_identified", ticket_id=ticket, partner_id=partner, name="Ravi Sharma")

    def proof(self, minute: int, amount: str, currency: str = "INR", method: str = "upi") -> Self:
        """A payment proof that passes every check, unless it was cash."""
        return self.add(
            minute,
            "ticket.payment_proof_added",
            ticket_id=self._ticket("offline_service"),
            claimed_partner_id=self._partner,
            method=method,
            proof_url=f"https://media.example/proofs/{minute}.jpg",
            legible=True,
            payee_name="Ravi Sharma",
            amount={"amount": amount, "currency": currency},
            paid_on="2025-01-05",
            service_date="2025-01-05",
        )

    def line_item(self, minute: int, amount: str, currency: str = "INR") -> Self:
        """An extra on the booking."""
        money = {"amount": amount, "currency": currency}
        return self.add(minute, "job.line_item_added", line_id=f"line at {minute}", amount=money)

    def _ticket(self, kind: str) -> str:
        return self.case_id if self.case_id.startswith("ticket") else f"{kind} of {self.case_id}"


DAY: Final = 24 * 60
AFTER_CLAIM_WINDOW: Final = 4 * DAY
"""Minutes after which a cancellation without a claim is final."""


def cases() -> tuple[Case, ...]:
    """Return the cases of the kit, each with a name that says what is special about it."""
    return (*_penalties(), *_ratings(), *_refunds())


def arriving_events() -> Iterator[Arrival]:
    """Yield the events of all cases in the order in which they arrive."""
    yield from sorted((each for case in cases() for each in case.events), key=lambda each: each.at)


def _penalties() -> Iterator[Case]:
    marked = Case("job-upheld", 0, "p-1").booked().assigned().cancelled(60)
    yield marked
    yield (
        Case("job-waived", 0, "p-1")
        .booked()
        .assigned()
        .reported(59)
        .ticket(60)
        .image(65)
        .validated(90)
        .cancelled(120, "customer", "none")
    )
    yield Case("job-not-genuine", 0, "p-2").booked().assigned().ticket(60).validated(90, "not_genuine").cancelled(120)
    yield Case("job-bpc-only", 1, "p-3").booked().assigned(group="rwm").cancelled(60)
    yield (
        Case("job-not-marked", 1, "p-2")
        .booked(city="Jaipur")
        .assigned()
        .ticket(60)
        .validated(90, "not_genuine")
        .cancelled(120, "customer", "none")
    )
    yield (
        Case("job-claimed-late", 1, "p-1")
        .booked()
        .assigned()
        .cancelled(60)
        .reported(AFTER_CLAIM_WINDOW)
        .ticket(AFTER_CLAIM_WINDOW)
        .image(AFTER_CLAIM_WINDOW + 5)
        .validated(AFTER_CLAIM_WINDOW + 60)
    )
    yield (
        Case("job-upheld-then-waived", 2, "p-2")
        .booked()
        .assigned()
        .reported(58, metres=2000)
        .ticket(60)
        .cancelled(75, marked="none")
        .reported(75, late=DAY)
        .image(2 * DAY)
        .validated(3 * DAY)
    )
    yield (
        Case("job-verdict-changed", 2, "p-3")
        .booked()
        .assigned()
        .reported(59)
        .ticket(60)
        .image(65)
        .validated(90, "not_genuine")
        .cancelled(120)
        .validated(2 * DAY)
    )
    yield (
        Case("job-of-another-partner", 2, "p-4")
        .booked()
        .assigned()
        .cancelled(60)
        .assigned(30, "p-5", late=AFTER_CLAIM_WINDOW)
    )
    yield Case("job-of-nobody", 3).booked().cancelled(60)
    yield Case("job-assigned-late", 3).booked().cancelled(60).assigned(5, "p-4", late=AFTER_CLAIM_WINDOW)
    yield Case("job|ü/50%#", 3, "p|ß 1").booked().assigned().cancelled(60)


def _ratings() -> Iterator[Case]:
    for name, day, partner in (("job-rating-granted", 4, "p-1"), ("job-rating-denied-later", 4, "p-2")):
        rated = Case(name, day, partner).booked().assigned().reported(59).ticket(60).closed(70)
        rated.ticket(80, "rating_reversal").image(85).validated(90)
        yield rated.validated(DAY, "not_genuine") if name.endswith("later") else rated
    yield Case("job-rating-denied", 4, "p-3").booked().assigned().closed(60, "completed").ticket(80, "rating_reversal")


def _refunds() -> Iterator[Case]:
    yield Case("ticket-refund", 5, "p-1").complaint().identified(10).proof(20, "1500.00")
    yield Case("ticket-refused", 5, "p-1").complaint().identified(10).proof(20, "800.00", method="cash")
    yield (
        Case("ticket-refund-taken-back", 5, "p-2").complaint().identified(10).proof(20, "999.99").identified(DAY, "p-3")
    )
    yield Case("ticket-other-currency", 6, "p-2").complaint().identified(10).proof(20, "2500").proof(DAY, "30.5", "USD")
    yield (
        Case("job-partial-refund", 6, "p-3")
        .booked()
        .assigned()
        .closed(60, "completed")
        .line_item(50, "400.00")
        .complaint(70)
        .identified(80)
        .proof(90, "1500.5")
        .line_item(DAY, "300.25")
    )
    yield (
        Case("job-nothing-left", 6, "p-4")
        .booked()
        .assigned()
        .closed(60, "completed")
        .line_item(50, "400.00")
        .complaint(70)
        .identified(80)
        .proof(90, "300.00")
    )
