"""The story of one job: each method adds an event, timed in minutes after the partner's planned arrival."""

import hashlib
from typing import Final, Self

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
Fields = dict[str, Value | None]
"""Fields of an event; None leaves a field out."""

_OPENER_SOURCE: Final = {"partner": PARTNER_APP, "customer": CUSTOMER_APP, "agent": DESK, "platform": BOOKING}
_EXTRAS: Final = ("gas refill", "filter cartridge", "drain pipe", "capacitor", "door gasket", "inlet valve", "")
_LINKS: Final = (
    "https://media.example.com/images/{}",
    "https://media.example.com/proofs/{}",
    "https://media.example.com/{}.jpg",
    "https://media.example.com/2026/{}.PNG?w=1080",
    "http://uploads.example.net/files/{}.pdf",
    "https://photos.example.net/u/{}.heic",
)


class Story:
    """The events of one job in the order of the calls; `case_id` is their subject.

    Each method adds events and returns the story. `ticket_id` and `opened_min` belong to the latest ticket, about which
    the methods named after tickets add events.
    """

    def __init__(self, job: Job, rng: Rng) -> None:
        self.job = job
        self.rng = rng
        self.case_id = job.job_id
        self.sim_events: list[SimEvent] = []
        self.ticket_id = ""
        self.opened_min = 0.0
        self._tickets = 0

    def instant(self, minute: float) -> int:
        """Return the instant `minute` minutes after the planned arrival, plus up to 20 random seconds."""
        return self.job.arrive_at + int(minute * MINUTE_US) + self.rng.whole(0, JITTER_US)

    def booked(self, *, again_at: int | None = None, scheduled_at: int | None = None, delay_us: int = 0) -> Self:
        """The customer books the job, or corrects the date with another booking at `again_at`."""
        job = self.job
        data: Fields = {
            "customer_id": job.customer_id,
            "category": job.category,
            "city": job.city_spelling,
            "site": {"lat": job.site.lat, "lon": job.site.lon},
            "premises": "commercial" if job.branch.commercial_premises else "residential",
            "scheduled_for": indian_text(scheduled_at or job.scheduled_at),
            "amount": rupees(self.rng.whole(299, 2_499)),
        }
        if job.branch.commercial_appliance or self.rng.chance(0.5):
            data["appliance_use"] = "commercial" if job.branch.commercial_appliance else "domestic"
        return self._add_at(again_at or job.booked_at, BOOKING, "job.booked", data, delay_us=delay_us)

    def assigned(self, partner: Partner | None = None, *, at: int | None = None, delay_us: int = 0) -> Self:
        """The job is assigned to `partner`, by default to the first partner, some minutes after the booking."""
        chosen = partner or self.job.partner
        data: Fields = {"partner_id": chosen.partner_id, "partner_group": chosen.group or None}
        when = at or self.job.booked_at + self.rng.whole(60, 600) * 1_000_000
        return self._add_at(when, BOOKING, "job.assigned", data, delay_us=delay_us)

    def opening(self) -> Self:
        """Booking and assignment, as in nearly every job."""
        return self.booked().assigned()

    def started(self, minute: float, partner: Partner | None = None) -> Self:
        """The partner starts the job."""
        return self._add(minute, PARTNER_APP, "job.started", partner_id=(partner or self.job.partner).partner_id)

    def start_blocked(self, minute: float, reason: str) -> Self:
        """The customer withholds the start OTP or the payment."""
        partner_id = self.job.partner.partner_id
        return self._add(minute, PARTNER_APP, "job.start_blocked", partner_id=partner_id, reason=reason)

    def closed(self, minute: float, closure: str = "completed", partner: Partner | None = None) -> Self:
        """The partner closes the job."""
        partner_id = (partner or self.job.partner).partner_id
        return self._add(minute, PARTNER_APP, "job.closed", partner_id=partner_id, closure=closure)

    def served(self, started_min: float) -> Self:
        """The partner starts the job and closes it at the end of the visit."""
        return self.started(started_min).closed(self.job.stay_min - 4)

    def line_item(self, minute: float, line: str, amount: dict[str, str], description: str) -> Self:
        """An extra is added to the booking."""
        return self._add(minute, BOOKING, "job.line_item_added", line_id=line, amount=amount, description=description)

    def extras(self) -> Self:
        """One to three extras are added to the booking; sometimes the first one is corrected."""
        for number in range(1, self.rng.whole(1, 3) + 1):
            amount = rupees(self.rng.whole(99, 900))
            self.line_item(8 + 3 * number, f"line-{number}", amount, self.rng.pick(_EXTRAS))
        if self.rng.chance(0.2):
            self.line_item(20, "line-1", rupees(self.rng.whole(99, 900)), "corrected")
        return self

    def rated(self, minute: float, stars: int) -> Self:
        """The customer rates the job."""
        return self._add(minute, CUSTOMER_APP, "job.rated", stars=stars)

    def cancelled(self, minute: float, by: str, reason: str, marked_against: str = "none") -> Self:
        """`by` cancels the job."""
        data: Fields = {"by": by, "reason": reason, "marked_against": marked_against}
        return self._add(minute, _OPENER_SOURCE[by], "cancellation.recorded", **data)

    def partner_cancels(self, reason: str = "out_of_scope", marked_against: str = "partner") -> Self:
        """The partner cancels towards the end of the visit."""
        return self.cancelled(40, "partner", reason, marked_against)

    def next_ticket_id(self) -> str:
        """Return the id that the next ticket of this job will have."""
        return f"TKT-{self.job.run}-{self.job.number:06d}{self._tickets + 1}"

    def ticket(self, minute: float, kind: str, opened_by: str, **optional: str | bool | None) -> Self:
        """`opened_by` opens a ticket."""
        self.ticket_id, self.opened_min = self.next_ticket_id(), minute
        self._tickets += 1
        data: Fields = {"kind": kind, "opened_by": opened_by, **optional}
        return self._add_to_ticket(minute, _OPENER_SOURCE[opened_by], "ticket.created", **data)

    def claim(self, reason: str = "out_of_scope", *, images: int = 1, reused_of: str = "") -> Self:
        """The partner opens a ticket 20 minutes into the visit and adds images."""
        self.ticket(20, "out_of_scope", "partner", reason=reason)
        for number in range(images):
            self.image(22 + number, reused_of=reused_of)
        return self.call(26, "partner", "unreachable") if self.rng.chance(0.5) else self

    def image(self, minute: float, added_by: str = "partner", *, reused_of: str = "") -> Self:
        """An image is added to the ticket; `reused_of` names a picture that several cases share."""
        name = self._picture_name(reused_of)
        data: Fields = {
            "added_by": added_by,
            "url": self.rng.pick(_LINKS).format(name[:24]),
            "sha256": name if reused_of or self.rng.chance(0.8) else None,
        }
        return self._add_to_ticket(minute, _OPENER_SOURCE[added_by], "ticket.media_added", **data)

    def call(self, minute: float, party: str, outcome: str) -> Self:
        """The desk logs a call about the ticket."""
        return self._add_to_ticket(minute, DESK, "ticket.call_logged", party=party, outcome=outcome)

    def customer_cancels(self, reason: str = "incorrect_service_booked") -> Self:
        """The customer agrees to cancel; no cancellation is marked."""
        return self.call(34, "customer", "will_cancel").cancelled(37, "customer", reason)

    def validated(self, minute: float = 30, verdict: str = "genuine") -> Self:
        """The team validates a claim, mostly by video call."""
        channel = self.rng.pick(("video_call", "video_call", "video_call", "images", "other"))
        return self._add_to_ticket(minute, DESK, "ticket.validated", verdict=verdict, channel=channel)

    def ticket_closed(self, minute: float) -> Self:
        """The desk closes the ticket."""
        return self._add_to_ticket(minute, DESK, "ticket.closed")

    def parked(self) -> Self:
        """Three hours after the ticket was opened, the partner confirms the resolution and the desk closes it."""
        due_min = self.opened_min + 3 * HOUR_MIN
        return self.call(due_min + 6, "partner", "resolution_confirmed").ticket_closed(due_min + 14)

    def identified(self) -> Self:
        """The desk identifies the partner, 12 minutes after the ticket was opened."""
        partner = self.job.partner
        data: Fields = {"name": partner.person.name, "phone": f"+91{partner.person.phone}"}
        minute = self.opened_min + 12
        return self._add_to_ticket(minute, DESK, "ticket.partner_identified", partner_id=partner.partner_id, **data)

    def proof(self, overrides: Fields | None = None, *, after_min: float = 25, reused_of: str = "") -> Self:
        """The customer adds a proof of payment, good except for `overrides`, `after_min` after opening the ticket."""
        partner, day = self.job.partner, indian_date(self.job.arrive_at)
        name = self._picture_name(reused_of)
        data: Fields = {
            "claimed_partner_id": partner.partner_id,
            "method": self.rng.pick(("upi", "upi", "upi", "upi", "bank_transfer", "wallet", "card")),
            "proof_url": self.rng.pick(_LINKS).format(name[:24]),
            "legible": True,
            "payee_name": spell_name(partner.person.name, self.rng),
            "payee_phone": spell_phone(partner.person.phone, self.rng) if self.rng.chance(0.6) else None,
            "amount": rupees(self.rng.whole(800, 6_500)),
            "paid_on": day,
            "service_date": day,
            "sha256": name if reused_of or self.rng.chance(0.7) else None,
        }
        minute = self.opened_min + after_min
        return self._add_to_ticket(minute, CUSTOMER_APP, "ticket.payment_proof_added", **(data | (overrides or {})))

    def refund_requested(self, after_min: float = 30) -> Self:
        """The customer requests a refund, `after_min` after opening the ticket."""
        return self._add_to_ticket(self.opened_min + after_min, CUSTOMER_APP, "ticket.refund_requested")

    def _picture_name(self, reused_of: str) -> str:
        return hashlib.sha256((reused_of or f"{self.case_id}/{len(self.sim_events)}").encode()).hexdigest()

    def _add_to_ticket(self, minute: float, source: str, event_type: str, /, **data: Value | None) -> Self:
        return self._add(minute, source, event_type, ticket_id=self.ticket_id, **data)

    def _add(self, minute: float, source: str, event_type: str, /, **data: Value | None) -> Self:
        return self._add_at(self.instant(minute), source, event_type, data)

    def _add_at(self, at: int, source: str, event_type: str, data: Fields, *, delay_us: int = 0) -> Self:
        # apps report milliseconds, the back office whole seconds
        grain_us = 1_000 if source in {PARTNER_APP, CUSTOMER_APP} else 1_000_000
        event_id = f"{self.case_id}-{len(self.sim_events) + 1:02d}"
        given = {name: value for name, value in data.items() if value is not None}
        time = at - at % grain_us
        self.sim_events.append(SimEvent(time, source, event_id, event_type, self.case_id, given, delay_us))
        return self


def rupees(amount: int) -> dict[str, str]:
    """Return a whole number of rupees as money."""
    return {"amount": f"{amount}.00", "currency": "INR"}
