"""The fields of every inbound event type in the order of the contract (contracts, "Events in").

One table: what the codec checks and what the published JSON Schemas say are both made from it. The structs of
`schemas.events` say what the checked values become.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

from schemas import events
from schemas.events import Money, Site


class Text(Struct, frozen=True):
    """A string: how long it may be, and whether a blank one is refused, kept or the same as absent."""

    limit: Literal["name", "url", "value"] = "name"
    blank: Literal["refused", "kept", "absent"] = "refused"


class Pattern(Struct, frozen=True):
    """A string that matches an expression as a whole; `meaning` is what a refusal calls it."""

    expression: str
    meaning: str


class FullDate(Struct, frozen=True):
    """An RFC 3339 full-date."""


class Choice(Struct, frozen=True):
    """One of a list of strings."""

    values: tuple[str, ...]


class Boolean(Struct, frozen=True):
    """True or false."""


class Number(Struct, frozen=True):
    """A finite number within inclusive bounds (`None`: unbounded)."""

    low: float
    high: float | None = None


class Integer(Struct, frozen=True):
    """A number written as an integer, within inclusive bounds."""

    low: int
    high: int


class Object(Struct, frozen=True):
    """An object with fields of its own, which becomes a struct."""

    fields: tuple[Field, ...]
    becomes: type[Money | Site]


Kind: TypeAlias = Text | Pattern | FullDate | Choice | Boolean | Number | Integer | Object


class Field(Struct, frozen=True):
    """One field of an object."""

    name: str
    kind: Kind
    required: bool = True


AMOUNT_PATTERN: Final = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$"
CURRENCY_PATTERN: Final = r"^[A-Z]{3}$"

_NAME: Final = Text()
_BLANKABLE: Final = Text(blank="absent")
_LATITUDE: Final = Number(-90.0, 90.0)
_LONGITUDE: Final = Number(-180.0, 180.0)
_SITE: Final = Object((Field("lat", _LATITUDE), Field("lon", _LONGITUDE)), Site)
MONEY: Final = Object(
    (
        Field("amount", Pattern(AMOUNT_PATTERN, "a decimal string of at most 12 digits before and 4 after the point")),
        Field("currency", Pattern(CURRENCY_PATTERN, "three capital letters")),
    ),
    Money,
)
_TICKET: Final = Field("ticket_id", _NAME)
_PARTNER: Final = Field("partner_id", _NAME)
_NAMED_PARTNER: Final = Field("partner_id", _NAME, required=False)


def _choice(literal: object) -> Choice:
    return Choice(get_args(literal))


FIELDS: Final[dict[str, tuple[Field, ...]]] = {
    "job.booked": (
        Field("customer_id", _NAME),
        Field("category", _NAME),
        Field("city", _NAME),
        Field("site", _SITE),
        Field("premises", _choice(events.Premises)),
        Field("appliance_use", _choice(events.ApplianceUse), required=False),
        Field("scheduled_for", _NAME),
        Field("amount", MONEY, required=False),
    ),
    "job.assigned": (_PARTNER, Field("partner_group", _BLANKABLE, required=False)),
    "job.started": (_PARTNER,),
    "job.start_blocked": (_PARTNER, Field("reason", _choice(events.StartBlockedReason))),
    "job.line_item_added": (
        Field("line_id", _NAME),
        Field("amount", MONEY),
        Field("description", Text(limit="value", blank="absent"), required=False),
    ),
    "job.closed": (_PARTNER, Field("closure", _choice(events.Closure))),
    "job.rated": (Field("stars", Integer(1, 5)),),
    "location.reported": (
        Field("lat", _LATITUDE),
        Field("lon", _LONGITUDE),
        Field("accuracy_m", Number(0.0)),
        Field("mocked", Boolean(), required=False),
        Field("job_id", _NAME, required=False),
    ),
    "ticket.created": (
        _TICKET,
        Field("kind", _choice(events.TicketKind)),
        Field("opened_by", _choice(events.Opener)),
        Field("reason", _choice(events.TicketReason), required=False),
        Field("refund_requested", Boolean(), required=False),
        Field("offline_suspected", Boolean(), required=False),
        _NAMED_PARTNER,
    ),
    "ticket.media_added": (
        _TICKET,
        Field("added_by", _choice(events.Opener)),
        Field("url", Text(limit="url")),
        Field("sha256", _NAME, required=False),
    ),
    "ticket.call_logged": (
        _TICKET,
        Field("party", _choice(events.CallParty)),
        Field("outcome", _choice(events.CallOutcome)),
    ),
    "ticket.validated": (
        _TICKET,
        Field("verdict", _choice(events.VerdictValue)),
        Field("channel", _choice(events.Channel)),
    ),
    "ticket.partner_identified": (
        _TICKET,
        _PARTNER,
        Field("name", _BLANKABLE, required=False),
        Field("phone", _BLANKABLE, required=False),
    ),
    "ticket.payment_proof_added": (
        _TICKET,
        Field("claimed_partner_id", _NAME),
        Field("method", _choice(events.PaymentMethod)),
        Field("proof_url", Text(limit="url", blank="kept")),
        Field("legible", Boolean()),
        Field("payee_name", _BLANKABLE, required=False),
        Field("payee_phone", _BLANKABLE, required=False),
        Field("amount", MONEY),
        Field("paid_on", FullDate()),
        Field("service_date", FullDate()),
        Field("sha256", _NAME, required=False),
    ),
    "ticket.refund_requested": (_TICKET,),
    "ticket.closed": (_TICKET,),
    "cancellation.recorded": (
        Field("by", _choice(events.Canceller)),
        Field("reason", _choice(events.CancellationReason)),
        Field("marked_against", _choice(events.MarkedAgainst)),
        _NAMED_PARTNER,
    ),
}
"""Every accepted event type and its fields, in the order in which a reason names the first offending one."""
