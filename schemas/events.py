"""What happened: the data of every inbound event type, one frozen struct each (contracts, "Events in").

Field names, optionality and lists of values are the contract that producers rely on; the codec checks what types alone
cannot say (lengths, patterns, ranges). Times inside data stay text (`scheduled_for`, dates), since no rule orders by
them. Tags and array form serve checkpoints alone (`agents.case.case`): there the order of fields counts, so new ones go
last.
"""

from __future__ import annotations

from typing import Final, Generic, Literal, TypeVar

from msgspec import Struct

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


class Money(Struct, frozen=True):
    """An amount as a decimal string and its ISO 4217 currency."""

    amount: str
    currency: str


class Site(Struct, frozen=True):
    """A WGS84 point in degrees."""

    lat: float
    lon: float


class JobBooked(Struct, frozen=True, array_like=True, tag="job.booked"):
    """A customer booked a job, or corrected the booking."""

    customer_id: str
    category: str
    city: str
    site: Site
    premises: Premises
    scheduled_for: str
    appliance_use: ApplianceUse = "domestic"
    amount: Money | None = None


class JobAssigned(Struct, frozen=True, array_like=True, tag="job.assigned"):
    """A partner was given the job."""

    partner_id: str
    partner_group: str | None = None


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
    description: str | None = None


class JobClosed(Struct, frozen=True, array_like=True, tag="job.closed"):
    """The partner closed the job."""

    partner_id: str
    closure: Closure


class JobRated(Struct, frozen=True, array_like=True, tag="job.rated"):
    """The customer rated the job, one to five stars."""

    stars: int


class LocationReported(Struct, frozen=True, array_like=True, tag="location.reported"):
    """Where a partner's device said it was."""

    lat: float
    lon: float
    accuracy_m: float
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
    url: str
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
    name: str | None = None
    phone: str | None = None


class PaymentProofAdded(Struct, frozen=True, array_like=True, tag="ticket.payment_proof_added"):
    """The customer's proof of an offline payment."""

    ticket_id: str
    claimed_partner_id: str
    method: PaymentMethod
    proof_url: str
    legible: bool
    amount: Money
    paid_on: str
    service_date: str
    payee_name: str | None = None
    payee_phone: str | None = None
    sha256: str | None = None


class RefundRequested(Struct, frozen=True, array_like=True, tag="ticket.refund_requested"):
    """The customer asked for the money back."""

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

LOCATION_REPORT: Final = "location.reported"
"""The type of location reports, which outnumber all others and go to the location agent."""

EVENT_TYPES: Final[dict[str, type[EventData]]] = {
    "job.booked": JobBooked,
    "job.assigned": JobAssigned,
    "job.started": JobStarted,
    "job.start_blocked": JobStartBlocked,
    "job.line_item_added": LineItemAdded,
    "job.closed": JobClosed,
    "job.rated": JobRated,
    "location.reported": LocationReported,
    "ticket.created": TicketCreated,
    "ticket.media_added": MediaAdded,
    "ticket.call_logged": CallLogged,
    "ticket.validated": TicketValidated,
    "ticket.partner_identified": PartnerIdentified,
    "ticket.payment_proof_added": PaymentProofAdded,
    "ticket.refund_requested": RefundRequested,
    "ticket.closed": TicketClosed,
    "cancellation.recorded": CancellationRecorded,
}
"""Every accepted event type and the struct of its data, in the order of the contract."""


D_co = TypeVar("D_co", bound=EventData, covariant=True)


class Event(Struct, Generic[D_co], frozen=True, array_like=True, gc=False):
    """One accepted event: who said what happened to which subject, and when.

    `time` is event time in microseconds since the Unix epoch (UTC). `digest` is over of type, subject, instant and
    data as a JSON value, by which a duplicate is told from a conflict. Nothing in it can refer back to it, so that the
    garbage collector need not look at the hundred thousands of them.
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
        """The pair that identifies the event: (source, id)."""
        return (self.source, self.id)

    @property
    def order(self) -> tuple[int, str, str]:
        """The one order of facts: (time, id, source)."""
        return (self.time, self.id, self.source)

    @property
    def ref(self) -> str:
        """How evidence names the event: `source#id`, a `#` in the source written `%23`."""
        return f"{self.source.replace('#', '%23')}#{self.id}"


AnyEvent = Event[EventData]
"""An event of whatever type."""
