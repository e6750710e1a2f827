"""What happened: the data of every inbound event type, one frozen struct each (contracts.md, "Events in").

A struct is the one definition of its fields: names, types, lists of values, bounds, required or optional. The codec
checks inbound data against it, and the JSON Schemas are made from it. Limits on the length of text are settings.

Times inside data stay text (`scheduled_for`, dates), since no rule orders by them. Checkpoints hold the structs as
tagged arrays, so the order of fields must not change: add new fields last. Where the contract has another order, the
struct has a `contract_order`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Generic, Literal, TypeVar, get_args

from msgspec import Struct

from schemas.fields import Field, FullDate, Integer, Number, Pattern, Text, fields_of

Premises = Literal["residential", "commercial"]
ApplianceUse = Literal["domestic", "commercial"]
StartBlockedReason = Literal["otp_refused", "payment_refused"]
Closure = Literal["completed", "bpc"]
TicketKind = Literal["out_of_scope", "rating_reversal", "offline_service", "poor_service"]
Opener = Literal["partner", "customer", "agent"]
TicketReason = Literal["out_of_scope", "commercial_premises", "otp_refused", "payment_refused"]
CallParty = Literal["partner", "customer"]
CallOutcome = Literal[
    "will_visit",
    "refuses_visit",
    "will_serve",
    "refuses_serve",
    "will_cancel",
    "refuses_cancel",
    "resolution_confirmed",
    "unreachable",
]
VerdictValue = Literal["genuine", "not_genuine"]
Channel = Literal["video_call", "images", "other"]
PaymentMethod = Literal["upi", "bank_transfer", "card", "wallet", "cash", "other"]
Canceller = Literal["customer", "partner", "platform"]
CancellationReason = Literal[
    "incorrect_service_booked",
    "out_of_scope",
    "pro_cannot_deliver",
    "cant_deliver",
    "commercial_premises",
    "otp_refused",
    "payment_refused",
    "other",
]
MarkedAgainst = Literal["partner", "customer", "none"]

Latitude = Annotated[float, Number(-90.0, 90.0)]
Longitude = Annotated[float, Number(-180.0, 180.0)]
BlankableText = Annotated[str, Text(blank="absent")]
Day = Annotated[str, FullDate()]
Amount = Annotated[
    str,
    Pattern(
        r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$",
        "a decimal string of at most 12 digits before and 4 after the point",
    ),
]
Currency = Annotated[str, Pattern(r"^[A-Z]{3}$", "three capital letters")]


class Money(Struct, frozen=True):
    """An amount as a decimal string and its ISO 4217 currency."""

    amount: Amount
    currency: Currency


class Site(Struct, frozen=True):
    """A WGS84 point in degrees."""

    lat: Latitude
    lon: Longitude


class JobBooked(Struct, frozen=True, array_like=True, tag="job.booked"):
    """A customer booked a job, or corrected the booking."""

    contract_order: ClassVar = (
        *("customer_id", "category", "city", "site", "premises", "appliance_use", "scheduled_for", "amount"),
    )

    customer_id: str
    category: str
    city: str
    site: Site
    premises: Premises
    scheduled_for: str
    appliance_use: ApplianceUse = "domestic"
    amount: Money | None = None


class JobAssigned(Struct, frozen=True, array_like=True, tag="job.assigned"):
    """The job was assigned to a partner."""

    partner_id: str
    partner_group: BlankableText | None = None


class JobStarted(Struct, frozen=True, array_like=True, tag="job.started"):
    """The partner started the job."""

    partner_id: str


class JobStartBlocked(Struct, frozen=True, array_like=True, tag="job.start_blocked"):
    """The customer withheld the start code or the payment."""

    partner_id: str
    reason: StartBlockedReason


class LineItemAdded(Struct, frozen=True, array_like=True, tag="job.line_item_added"):
    """An extra was added to the booking."""

    line_id: str
    amount: Money
    description: Annotated[str, Text(limit="value_bytes", blank="absent")] | None = None


class JobClosed(Struct, frozen=True, array_like=True, tag="job.closed"):
    """The partner closed the job."""

    partner_id: str
    closure: Closure


class JobRated(Struct, frozen=True, array_like=True, tag="job.rated"):
    """The customer rated the job, one to five stars."""

    stars: Annotated[int, Integer(1, 5)]


class LocationReported(Struct, frozen=True, array_like=True, tag="location.reported"):
    """A partner's device reported its location."""

    lat: Latitude
    lon: Longitude
    accuracy_m: Annotated[float, Number(0.0)]
    mocked: bool = False
    job_id: str | None = None


class TicketCreated(Struct, frozen=True, array_like=True, tag="ticket.created"):
    """A support ticket was opened."""

    ticket_id: str
    kind: TicketKind
    opened_by: Opener
    reason: TicketReason | None = None
    refund_requested: bool = False
    offline_suspected: bool = False
    partner_id: str | None = None


class MediaAdded(Struct, frozen=True, array_like=True, tag="ticket.media_added"):
    """An image was added to a ticket."""

    ticket_id: str
    added_by: Opener
    url: Annotated[str, Text(limit="url_chars")]
    sha256: str | None = None


class CallLogged(Struct, frozen=True, array_like=True, tag="ticket.call_logged"):
    """The desk called the partner or the customer."""

    ticket_id: str
    party: CallParty
    outcome: CallOutcome


class TicketValidated(Struct, frozen=True, array_like=True, tag="ticket.validated"):
    """The team judged an out-of-scope claim."""

    ticket_id: str
    verdict: VerdictValue
    channel: Channel


class PartnerIdentified(Struct, frozen=True, array_like=True, tag="ticket.partner_identified"):
    """The desk found out which partner served offline."""

    ticket_id: str
    partner_id: str
    name: BlankableText | None = None
    phone: BlankableText | None = None


class PaymentProofAdded(Struct, frozen=True, array_like=True, tag="ticket.payment_proof_added"):
    """The customer's proof of an offline payment; `proof_url` may be blank."""

    contract_order: ClassVar = (
        *("ticket_id", "claimed_partner_id", "method", "proof_url", "legible", "payee_name", "payee_phone"),
        *("amount", "paid_on", "service_date", "sha256"),
    )

    ticket_id: str
    claimed_partner_id: str
    method: PaymentMethod
    proof_url: Annotated[str, Text(limit="url_chars", blank="kept")]
    legible: bool
    amount: Money
    paid_on: Day
    service_date: Day
    payee_name: BlankableText | None = None
    payee_phone: BlankableText | None = None
    sha256: str | None = None


class RefundRequested(Struct, frozen=True, array_like=True, tag="ticket.refund_requested"):
    """The customer asked for a refund."""

    ticket_id: str


class TicketClosed(Struct, frozen=True, array_like=True, tag="ticket.closed"):
    """A ticket was closed."""

    ticket_id: str


class CancellationRecorded(Struct, frozen=True, array_like=True, tag="cancellation.recorded"):
    """The job was cancelled."""

    by: Canceller
    reason: CancellationReason
    marked_against: MarkedAgainst
    partner_id: str | None = None


EventData = (
    JobBooked
    | JobAssigned
    | JobStarted
    | JobStartBlocked
    | LineItemAdded
    | JobClosed
    | JobRated
    | LocationReported
    | TicketCreated
    | MediaAdded
    | CallLogged
    | TicketValidated
    | PartnerIdentified
    | PaymentProofAdded
    | RefundRequested
    | TicketClosed
    | CancellationRecorded
)

EVENT_TYPES: Final[dict[str, type[EventData]]] = {
    str(struct.__struct_config__.tag): struct for struct in get_args(EventData)
}
"""The struct of the data of every accepted event type, in the order of the contract."""

FIELDS: Final[dict[str, tuple[Field, ...]]] = {name: fields_of(struct) for name, struct in EVENT_TYPES.items()}
"""The fields of every event type, in the order in which errors name the first offending one."""

LOCATION_REPORT: Final = "location.reported"
"""The type of location reports, which outnumber all other events and go to the location agent."""

D_co = TypeVar("D_co", bound=EventData, covariant=True)


class Event(Struct, Generic[D_co], frozen=True, array_like=True, gc=False):
    """An accepted event: which source said what happened to which subject, and when.

    `time` is the event time in microseconds since the Unix epoch (UTC). `digest` is over type, subject, instant and
    data as a JSON value; it tells a duplicate from a conflict. An event is in no reference cycle, so the garbage
    collector does not track the hundreds of thousands of them (`gc=False`).
    """

    source: str
    id: str
    type: str
    subject: str
    time: int
    data: D_co
    digest: bytes

    @property
    def identity(self) -> tuple[str, str]:
        """The pair (source, id), which identifies the event."""
        return (self.source, self.id)

    @property
    def order(self) -> tuple[int, str, str]:
        """The sort key of facts: (time, id, source)."""
        return (self.time, self.id, self.source)

    @property
    def ref(self) -> str:
        """The name of the event in evidence: `source#id`, a `#` in the source written `%23`."""
        return f"{self.source.replace('#', '%23')}#{self.id}"


AnyEvent = Event[EventData]
"""An event of any type."""
