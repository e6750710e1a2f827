"""The policy: every number and list of the SOPs' reading, with its default and the clause it serves.

A field is named as its key in a policy document (`schemas.policy.document` reads those): group, dot, field. Durations
are microseconds here and text with a unit in a document ("15 min", "72 h").
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct, field

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_ALWAYS: Final = -(2**63)  # before every instant

Duration = Annotated[int, Meta(ge=0, description="microseconds")]

IMAGE_PATH_PATTERN: Final = (
    r"(\.(jpe?g|png|webp|gif|hei[cf]|avif|bmp|tiff?|pdf)$)"
    r"|(/(images?|img|media|photos?|attachments?|uploads?|files?|proofs?|screenshots?)/.)"
)
TICKET_ID_PATTERN: Final = r"^#?(?:[A-Za-z]{1,12}[-_# ]?)?\d{1,20}$"


class Presence(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a partner was at the site (OOS-7, OOS-14, OOS-15)."""

    radius_m: float = 500.0
    max_accuracy_m: float = 200.0
    before: Duration = 15 * MINUTE
    after: Duration = 5 * MINUTE
    linger: Duration = 2 * HOUR
    retention: Duration = 72 * HOUR
    slot: Duration = 10 * SECOND
    reading_wait: Duration = 10 * SECOND


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """What a claim must show (OOS-13)."""

    min_images: int = 1


class BpcOnly(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose jobs may only be closed at BPC (OOS-2)."""

    groups: tuple[str, ...] = ("rwm",)
    cities: tuple[str, ...] = ("Delhi", "Mumbai")


class TicketFlow(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the in-app ticket flow is open (OOS-7 to OOS-12)."""

    live_cities: tuple[str, ...] = (
        "Delhi",
        "Mumbai",
        "Hyderabad",
        "Bangalore",
        "Ahmedabad",
        "Pune",
        "Kolkata",
        "Chennai",
    )
    excluded_commercial_categories: tuple[str, ...] = ("ro",)


class City(Struct, frozen=True, forbid_unknown_fields=True):
    """Other names of a city, each with the one it is compared as."""

    aliases: dict[str, str] = field(
        default_factory=lambda: {
            "Bengaluru": "Bangalore",
            "New Delhi": "Delhi",
            "Bombay": "Mumbai",
            "Calcutta": "Kolkata",
            "Madras": "Chennai",
        }
    )


class Park(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a ticket is parked before the partner is called (OOS-9, OOS-10)."""

    duration: Duration = 3 * HOUR


class Paf(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a claim may follow a marked cancellation (OOS-18)."""

    claim_window: Duration = 72 * HOUR


class Offline(Struct, frozen=True, forbid_unknown_fields=True):
    """How a proof of an offline payment is checked (DIS-3 to DIS-8)."""

    ticket_id_pattern: str = TICKET_ID_PATTERN
    image_link_pattern: str = IMAGE_PATH_PATTERN
    default_region: str = "IN"
    name_similarity: float = 0.85
    honorifics: tuple[str, ...] = ("mr", "mrs", "ms", "dr", "shri", "sri", "smt", "kumari")
    date_tolerance_days: int = 1


class Alert(Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds of what ops is told."""

    moment_ttl: Duration = 24 * HOUR
    stay: Duration = 30 * MINUTE
    park_overdue: Duration = HOUR
    mocked_window: Duration = 15 * MINUTE
    travel_speed_kmh: float = 150.0
    travel_distance_m: float = 1000.0
    stuck: Duration = 48 * HOUR
    spike_window: Duration = 7 * DAY
    spike_claims: int = 3
    spike_ratio: float = 4.0
    spike_floor: float = 0.01
    surge_claims: int = 20
    surge_deviations: float = 4.0
    surge_hours: int = 336


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """One version of the policy; `effective_from` in microseconds since the epoch (None: always)."""

    label: str = "default"
    effective_from: int | None = None
    presence: Presence = Presence()
    proof: Proof = Proof()
    bpc_only: BpcOnly = BpcOnly()
    ticket_flow: TicketFlow = TicketFlow()
    city: City = City()
    park: Park = Park()
    paf: Paf = Paf()
    offline: Offline = Offline()
    alert: Alert = Alert()
    hash: str = ""
    """Of the canonical form; set by whoever reads or builds the policy (`schemas.policy.document.hashed`)."""

    @property
    def name(self) -> str:
        """How a decision names the policy it was made under: `label@hash`."""
        return f"{self.label}@{self.hash}"


class PolicySet:
    """The policies known, and which one is in force at an instant."""

    def __init__(self, policies: Iterable[Policy], default: Policy) -> None:
        """Take dated policies in any order and the one that holds before the first of them."""
        starts = [(_ALWAYS if policy.effective_from is None else policy.effective_from, policy) for policy in policies]
        starts.sort(key=lambda start: start[0])
        self._policies = [policy for _, policy in starts]
        self._starts = [start for start, _ in starts]
        self._default = default

    def at(self, time: int | None) -> Policy:
        """Return the policy in force at an instant in microseconds (None: no fact yet, the default)."""
        if time is None:
            return self._default
        index = bisect.bisect_right(self._starts, time)
        return self._policies[index - 1] if index else self._default
