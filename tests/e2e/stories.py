"""A visit to a site with an out-of-scope ticket, as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.policy.model import HOUR, MINUTE
from tests.scenario import SITE, destination, line, rfc3339

LONG_AGO = 1_736_150_400_000_000  # 2025-01-06T08:00:00Z: every deadline has passed


@dataclass(frozen=True)
class Visit:
    """A job in a live city, whose partner opens the ticket at `ticket_at`, `metres` from the site."""

    case_id: str
    partner_id: str
    ticket_at: int = LONG_AGO
    metres: float = 100.0

    @property
    def ticket_id(self) -> str:
        return f"ticket-of-{self.case_id}"

    @property
    def booking(self) -> list[bytes]:
        site = {"lat": SITE[0], "lon": SITE[1]}
        booked = {
            "customer_id": "customer-1",
            "category": "ac",
            "city": "Delhi",
            "site": site,
            "premises": "residential",
            "scheduled_for": rfc3339(self.ticket_at),
        }
        return [
            self._line("job.booked", -5 * HOUR, booked),
            self._line("job.assigned", -4 * HOUR, {"partner_id": self.partner_id}),
        ]

    @property
    def report(self) -> list[bytes]:
        lat, lon = destination(self.metres)
        data = {"lat": lat, "lon": lon, "accuracy_m": 10.0}
        return [line("location.reported", self.partner_id, self.ticket_at - MINUTE, f"at-{self.case_id}", data)]

    @property
    def ticket(self) -> list[bytes]:
        opened = {"ticket_id": self.ticket_id, "kind": "out_of_scope", "opened_by": "partner"}
        return [self._line("ticket.created", 0, opened)]

    @property
    def claim(self) -> list[bytes]:
        """The ticket, what makes it genuine, and the customer's cancellation."""
        image = {"ticket_id": self.ticket_id, "added_by": "partner", "url": "https://media.example/a.jpg"}
        verdict = {"ticket_id": self.ticket_id, "verdict": "genuine", "channel": "video_call"}
        cancelled = {"by": "customer", "reason": "incorrect_service_booked", "marked_against": "none"}
        return [
            *self.ticket,
            self._line("ticket.media_added", MINUTE, image),
            self._line("ticket.validated", 2 * MINUTE, verdict),
            self._line("cancellation.recorded", 3 * MINUTE, cancelled),
        ]

    def _line(self, kind: str, after: int, data: dict[str, Any]) -> bytes:
        return line(kind, self.case_id, self.ticket_at + after, f"{kind}-of-{self.case_id}", data)
