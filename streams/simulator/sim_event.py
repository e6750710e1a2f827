"""A simulated event before its delivery, and its encoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from typing import Final

import msgspec

from schemas.timestamps import EPOCH, format_instant

Value = str | int | float | bool | Mapping[str, "str | float"]
"""A JSON value in an event's data."""

INDIA: Final = timezone(timedelta(hours=5, minutes=30))
MINUTE_US: Final = 60_000_000
DESK: Final = "/desk"
BOOKING: Final = "/booking"
PARTNER_APP: Final = "/apps/partner"
CUSTOMER_APP: Final = "/apps/customer"


@dataclass(slots=True)
class SimEvent:
    """An event; `time` is in microseconds since the epoch, `delay_us` an extra delay of its delivery."""

    time: int
    source: str
    id: str
    type: str
    subject: str
    data: dict[str, Value] = field(default_factory=dict)
    delay_us: int = 0

    def envelope(self, *, indian_time: bool) -> dict[str, object]:
        """Return the CloudEvent as a JSON object, with its time in India's offset or in UTC."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": indian_text(self.time) if indian_time else format_instant(self.time),
            "datacontenttype": "application/json",
            "data": self.data,
        }

    def line(self, *, indian_time: bool) -> bytes:
        """Return the CloudEvent as one line of JSON, without a line break."""
        return msgspec.json.encode(self.envelope(indian_time=indian_time))


def indian_text(instant_us: int) -> str:
    """Return an instant as RFC 3339 text with India's offset."""
    return (EPOCH + timedelta(microseconds=instant_us)).astimezone(INDIA).isoformat()


def indian_date(instant_us: int) -> str:
    """Return the date in India at an instant, as YYYY-MM-DD."""
    return (EPOCH + timedelta(microseconds=instant_us)).astimezone(INDIA).date().isoformat()
