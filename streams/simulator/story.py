"""The story of one job: each method adds an event, timed in minutes after the partner's planned arrival."""

import hashlib
from typing import Final

from streams.simulator.job import Job, Partner
from streams.simulator.people import spell_name, spell_phone
from streams.simulator.rng import Rng
from streams.simulator.sim_event import (
    BOOKING,
    CUSTOMER_APP,
    DESK,
    MINUTE_US,
    PARTNER_APP,
    SimEvent,
    Value,
    indian_date,
    indian_text,
)

JITTER_US: Final = 20_000_000
HOUR_MIN: Final = 60
DAY_MIN: Final = 24 * 60
Overrides = dict[str, Value | None]
"""Fields that differ from the usual ones; None leaves a field out."""

_OPENER_SOURCE: Final = {"partner": PARTNER_APP, "customer": CUSTOMER_APP, "agent": DESK, "platform": BOOKING}
_LINKS: Final = (
    "https://media.example.com/images/{}",
    "https://media.example.com/proofs/{}",
    "https://media.example.com/{}.jpg",
    "https://media.example.com/2026/{}.PNG?w=1080",
    "http://uploads.example.net/files/{}.pdf",
    "https://photos.example.net/u/{}.heic",
)


class Story:
    """The events of one job in the order of the calls; `case_id` is their subject."""

    def __init__(self, job: Job, rng: Rng) -> None:
        self.job = job
        self.rng = rng
        self.case_id = job.job_id
        self.sim_events: list[SimEvent] = []
        self._tickets = 0

    def instant(self, minute: float) -> int:
        """Return the instant `minute` minutes after the planned arrival, plus up to 20 random seconds."""
        return self.job.arrive_at + int(minute * MINUTE_US) + self.rng.whole(0, JITTER_US)

    def booked(self, *, again_at: int | None = None, scheduled_at: int | None = None, delay_us: int = 0) -> None:
        """The customer books the job, or corrects the date with another booking at `again_at`."""
        job = self.job
        data: dict[str, Value] = {
            "customer_id": job.customer_id,
            "category": job.category,
            "city": job.city_spelling,
            "site": {"lat": job.site.lat, "lon": job.site.lon},
            "premises": "commercial" if job.commercial_premises else "residential",
            "scheduled_for": indian_text(scheduled_at or job.scheduled_at),
            "amount": rupees(self.rng.whole(299, 2_499)),
        }
        if job.commercial_appliance or self.rng.chance(0.5):
            data["appliance_use"] = "commercial" if job.commercial_appliance else "domestic"
        self._add(again_at or job.booked_at, BOOKING, "job.booked", data, delay_us=delay_us)

    def assigned(self, partner: Partner | None = None, *, at: int | None = None, delay_us: int = 0) -> None:
        """The job is assigned to `partner`, by default to the first partner, some minutes after the booking."""
        chosen = partner or self.job.partner
        data: dict[str, Value] = {"partner_id": chosen.partner_id}
        if chosen.group:
            data["partner_group"] = chosen.group
        when = at or self.job.booked_at + self.rng.whole(60, 600) * 1_000_000
        self._add(when, BOOKING, "job.assigned", data, delay_us=delay_us)

    def opening(self) -> None:
        """Booking and assignment, as in nearly every job."""
        self.booked()
        self.assigned()

    def started(self, minute: float, partner: Partner | None = None) -> None:
        """The partner starts the job."""
        self._by_partner(minute, "job.started", {}, partner)

    def start_blocked(self, minute: float, reason: str) -> None:
        """The customer withholds the start OTP or the payment."""
        self._by_partner(minute, "job.start_blocked", {"reason": reason})

    def closed(self, minute: float, closure: str = "completed", partner: Partner | None = None) -> None:
        """The partner closes the job."""
        self._by_partner(minute, "job.closed", {"closure": closure}, partner)

    def line_item(self, minute: float, line: str, amount: dict[str, str], description: str) -> None:
        """An extra is added to the booking."""
        data: dict[str, Value] = {"line_id": line, "amount": amount, "description": description}
        self._add(self.instant(minute), BOOKING, "job.line_item_added", data)

    def rated(self, minute: float, stars: int) -> None:
        """The customer rates the job."""
        self._add(self.instant(minute), CUSTOMER_APP, "job.rated", {"stars": stars})

    def next_ticket_id(self) -> str:
        """Return the id that the next ticket of this job will have."""
        return f"TKT-{self.job.run}-{self.job.number:06d}{self._tickets + 1}"

    def ticket(self, minute: float, kind: str, opened_by: str, **optional: str | bool) -> str:
        """`opened_by` opens a ticket; returns its id."""
        ticket_id = self.next_ticket_id()
        self._tickets += 1
        data: dict[str, Value] = {"ticket_id": ticket_id, "kind": kind, "opened_by": opened_by, **optional}
        self._add(self.instant(minute), _OPENER_SOURCE[opened_by], "ticket.created", data)
        return ticket_id

    def image(self, minute: float, ticket_id: str, added_by: str = "partner", *, reused_of: str = "") -> None:
        """An image is added to a ticket; `reused_of` names a picture that several cases share."""
        name = hashlib.sha256((reused_of or f"{self.case_id}/{len(self.sim_events)}").encode()).hexdigest()
        data: dict[str, Value] = {
            "ticket_id": ticket_id,
            "added_by": added_by,
            "url": self.rng.pick(_LINKS).format(name[:24]),
        }
        if reused_of or self.rng.chance(0.8):
            data["sha256"] = name
        self._add(self.instant(minute), _OPENER_SOURCE[added_by], "ticket.media_added", data)

    def call(self, minute: float, ticket_id: str, party: str, outcome: str) -> None:
        """The desk logs a call."""
        data: dict[str, Value] = {"ticket_id": ticket_id, "party": party, "outcome": outcome}
        self._add(self.instant(minute), DESK, "ticket.call_logged", data)

    def validated(self, minute: float, ticket_id: str, verdict: str = "genuine") -> None:
        """The team validates a claim, mostly by video call."""
        channel = self.rng.pick(("video_call", "video_call", "video_call", "images", "other"))
        data: dict[str, Value] = {"ticket_id": ticket_id, "verdict": verdict, "channel": channel}
        self._add(self.instant(minute), DESK, "ticket.validated", data)

    def ticket_closed(self, minute: float, ticket_id: str) -> None:
        """The desk closes a ticket."""
        self._add(self.instant(minute), DESK, "ticket.closed", {"ticket_id": ticket_id})

    def cancelled(self, minute: float, by: str, reason: str, marked_against: str = "none") -> None:
        """`by` cancels the job."""
        data: dict[str, Value] = {"by": by, "reason": reason, "marked_against": marked_against}
        self._add(self.instant(minute), _OPENER_SOURCE[by], "cancellation.recorded", data)

    def identified(self, minute: float, ticket_id: str) -> None:
        """The desk identifies the partner."""
        partner = self.job.partner
        data: dict[str, Value] = {
            "ticket_id": ticket_id,
            "partner_id": partner.partner_id,
            "name": partner.person.name,
            "phone": f"+91{partner.person.phone}",
        }
        self._add(self.instant(minute), DESK, "ticket.partner_identified", data)

    def proof(self, minute: float, ticket_id: str, overrides: Overrides | None = None, *, reused_of: str = "") -> None:
        """The customer adds a proof of payment that is good except for `overrides`."""
        person, day = self.job.partner.person, indian_date(self.job.arrive_at)
        name = hashlib.sha256((reused_of or f"{self.case_id}/{len(self.sim_events)}").encode()).hexdigest()
        data: Overrides = {
            "ticket_id": ticket_id,
            "claimed_partner_id": self.job.partner.partner_id,
            "method": self.rng.pick(("upi", "upi", "upi", "upi", "bank_transfer", "wallet", "card")),
            "proof_url": self.rng.pick(_LINKS).format(name[:24]),
            "legible": True,
            "payee_name": spell_name(person.name, self.rng),
            "payee_phone": spell_phone(person.phone, self.rng) if self.rng.chance(0.6) else None,
            "amount": rupees(self.rng.whole(800, 6_500)),
            "paid_on": day,
            "service_date": day,
            "sha256": name if reused_of or self.rng.chance(0.7) else None,
        }
        given = {key: value for key, value in (data | (overrides or {})).items() if value is not None}
        self._add(self.instant(minute), CUSTOMER_APP, "ticket.payment_proof_added", given)

    def refund_requested(self, minute: float, ticket_id: str) -> None:
        """The customer requests a refund."""
        self._add(self.instant(minute), CUSTOMER_APP, "ticket.refund_requested", {"ticket_id": ticket_id})

    def _by_partner(self, minute: float, kind: str, data: dict[str, Value], partner: Partner | None = None) -> None:
        named: dict[str, Value] = {"partner_id": (partner or self.job.partner).partner_id, **data}
        self._add(self.instant(minute), PARTNER_APP, kind, named)

    def _add(self, at: int, source: str, kind: str, data: dict[str, Value], *, delay_us: int = 0) -> None:
        # apps report milliseconds, the back office whole seconds
        grain_us = 1_000 if source in {PARTNER_APP, CUSTOMER_APP} else 1_000_000
        event_id = f"{self.case_id}-{len(self.sim_events) + 1:02d}"
        self.sim_events.append(SimEvent(at - at % grain_us, source, event_id, kind, self.case_id, data, delay_us))


def rupees(amount: int) -> dict[str, str]:
    """Return a whole number of rupees as money."""
    return {"amount": f"{amount}.00", "currency": "INR"}
