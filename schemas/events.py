"""What happened: the data of every inbound event type, one frozen struct each (contracts.md, "Events in").

A struct is the one definition of its fields: names, types, lists of values, bounds, required or optional, and what
they mean. The codec checks inbound data against it, and the JSON Schemas are made from it. Limits on the length of text
are settings.

Times inside data stay text (`scheduled_for`, dates), since no rule orders by them. Checkpoints hold the structs as
tagged arrays, so the order of fields must not change: add new fields last. Where the contract has another order, the
struct has a `contract_order`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Generic, Literal, TypeVar, get_args

from msgspec import Meta, Struct

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
LongBlankableText = Annotated[str, Text(limit="value_bytes", blank="absent")]
Day = Annotated[str, FullDate()]
Amount = Annotated[
    str,
    Pattern(
        r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$",
        "a decimal string of at most 12 digits before and 4 after the point",
    ),
]
Currency = Annotated[str, Pattern(r"^[A-Z]{3}$", "three capital letters")]


TicketId = Annotated[str, Meta(description="The ticket.")]


class Money(Struct, frozen=True):
    """An amount as a decimal string and its ISO 4217 currency."""

    amount: Annotated[
        Amount,
        Meta(
            description="In units of the currency: a decimal string, never a number; at most 12 digits and 4 decimals."
        ),
    ]
    currency: Annotated[Currency, Meta(description="ISO 4217, three capital letters.")]


class Site(Struct, frozen=True):
    """A WGS84 point in degrees."""

    lat: Annotated[Latitude, Meta(description="Latitude in degrees, WGS84 (OOS-7).")]
    lon: Annotated[Longitude, Meta(description="Longitude in degrees, WGS84 (OOS-7).")]


class JobBooked(Struct, frozen=True, array_like=True, tag="job.booked"):
    """A customer booked a job, or corrected the booking."""

    contract_order: ClassVar = (
        *("customer_id", "category", "city", "site", "premises", "appliance_use", "scheduled_for", "amount"),
    )

    customer_id: Annotated[str, Meta(description="The customer. No rule rests on it.")]
    category: Annotated[
        str, Meta(description="The kind of work, such as `ac` or `ro`; letter case does not count (OOS-12).")
    ]
    city: Annotated[str, Meta(description="The city, by any of the names that the policy knows (OOS-2, OOS-7).")]
    site: Annotated[Site, Meta(description="Where the work is (OOS-7).")]
    premises: Annotated[
        Premises, Meta(description="Whether the work is at a home or at commercial premises (OOS-6, OOS-12).")
    ]
    scheduled_for: Annotated[
        str, Meta(description="When the job was to take place: free text that nothing interprets.")
    ]
    appliance_use: Annotated[
        ApplianceUse, Meta(description="What the appliance is used for; `domestic` if absent (OOS-6).")
    ] = "domestic"
    amount: Annotated[Money | None, Meta(description="The price of the booking. No rule rests on it.")] = None


class JobAssigned(Struct, frozen=True, array_like=True, tag="job.assigned"):
    """The job was assigned to a partner."""

    partner_id: Annotated[str, Meta(description="The partner who got the job (OOS-2).")]
    partner_group: Annotated[
        BlankableText | None, Meta(description="The partner's group, such as `rwm`; a blank one is absent (OOS-2).")
    ] = None


class JobStarted(Struct, frozen=True, array_like=True, tag="job.started"):
    """The partner started the job."""

    partner_id: Annotated[str, Meta(description="The partner at work (OOS-4).")]


class JobStartBlocked(Struct, frozen=True, array_like=True, tag="job.start_blocked"):
    """The customer withheld the start code or the payment."""

    partner_id: Annotated[str, Meta(description="The partner who could not start (OOS-4).")]
    reason: Annotated[
        StartBlockedReason, Meta(description="What the customer withheld: the start code or the payment (OOS-4).")
    ]


class LineItemAdded(Struct, frozen=True, array_like=True, tag="job.line_item_added"):
    """An extra was added to the booking."""

    line_id: Annotated[str, Meta(description="The extra, unique within its job.")]
    amount: Annotated[Money, Meta(description="Its price; an offline payment for it is no refund (DIS-10).")]
    description: Annotated[
        LongBlankableText | None, Meta(description="What it is, in words. No rule rests on it; a blank one is absent.")
    ] = None


class JobClosed(Struct, frozen=True, array_like=True, tag="job.closed"):
    """The partner closed the job."""

    partner_id: Annotated[str, Meta(description="The partner who closed the job.")]
    closure: Annotated[
        Closure, Meta(description="How: `completed`, or `bpc`, which replaces a cancellation (OOS-2, OOS-3).")
    ]


class JobRated(Struct, frozen=True, array_like=True, tag="job.rated"):
    """The customer rated the job, one to five stars."""

    stars: Annotated[int, Integer(1, 5), Meta(description="Stars, from 1 (bad) to 5 (OOS-3).")]


class LocationReported(Struct, frozen=True, array_like=True, tag="location.reported"):
    """A partner's device reported its location."""

    lat: Annotated[Latitude, Meta(description="Latitude of the device in degrees, WGS84 (OOS-7).")]
    lon: Annotated[Longitude, Meta(description="Longitude of the device in degrees, WGS84 (OOS-7).")]
    accuracy_m: Annotated[
        float,
        Number(0.0),
        Meta(description="How far off it may be, in metres; 0 means that there is no fix (OOS-7)."),
    ]
    mocked: Annotated[
        bool, Meta(description="Whether the device says that the location is made up; false if absent (OOS-7).")
    ] = False
    job_id: Annotated[str | None, Meta(description="The job at hand, as a hint that nothing uses.")] = None


class TicketCreated(Struct, frozen=True, array_like=True, tag="ticket.created"):
    """A support ticket was opened."""

    ticket_id: Annotated[str, Meta(description="The ticket; the case id too where nothing was ever booked.")]
    kind: Annotated[TicketKind, Meta(description="What it is about: which SOP it belongs to (OOS-3, OOS-8, DIS-1).")]
    opened_by: Annotated[
        Opener, Meta(description="Who opened it; only a partner's ticket can reverse a rating (OOS-3, OOS-8).")
    ]
    reason: Annotated[TicketReason | None, Meta(description="Why it was opened (OOS-4, OOS-12).")] = None
    refund_requested: Annotated[
        bool, Meta(description="Whether the customer asks for a refund with it; false if absent (DIS-10).")
    ] = False
    offline_suspected: Annotated[
        bool, Meta(description="Whether a complaint about poor service hides an offline one; false if absent (DIS-1).")
    ] = False
    partner_id: Annotated[
        str | None, Meta(description="The partner concerned; absent: the one who has the job at that time.")
    ] = None


class MediaAdded(Struct, frozen=True, array_like=True, tag="ticket.media_added"):
    """An image was added to a ticket."""

    ticket_id: TicketId
    added_by: Annotated[Opener, Meta(description="Who added the image (OOS-13).")]
    url: Annotated[str, Text(limit="url_chars"), Meta(description="The link of the image (OOS-13).")]
    sha256: Annotated[
        str | None,
        Meta(description="SHA-256 of the image in hexadecimal digits; tells equal images at different links (OOS-13)."),
    ] = None


class CallLogged(Struct, frozen=True, array_like=True, tag="ticket.call_logged"):
    """The desk called the partner or the customer."""

    ticket_id: TicketId
    party: Annotated[CallParty, Meta(description="Whom the desk called (OOS-10, OOS-12, OOS-16).")]
    outcome: Annotated[CallOutcome, Meta(description="What the party said (OOS-10 to OOS-17).")]


class TicketValidated(Struct, frozen=True, array_like=True, tag="ticket.validated"):
    """The team judged an out-of-scope claim."""

    ticket_id: TicketId
    verdict: Annotated[VerdictValue, Meta(description="Whether the claim is genuine (OOS-20, OOS-21).")]
    channel: Annotated[Channel, Meta(description="How it was judged (OOS-21).")]


class PartnerIdentified(Struct, frozen=True, array_like=True, tag="ticket.partner_identified"):
    """The desk found out which partner served offline."""

    ticket_id: TicketId
    partner_id: Annotated[str, Meta(description="The partner found, by the phone that the customer gave (DIS-4).")]
    name: Annotated[
        BlankableText | None,
        Meta(description="The partner's name; a blank one is absent. It never goes out (DIS-4, DIS-7)."),
    ] = None
    phone: Annotated[
        BlankableText | None,
        Meta(description="The partner's phone; a blank one is absent. It never goes out (DIS-4, DIS-7)."),
    ] = None


class PaymentProofAdded(Struct, frozen=True, array_like=True, tag="ticket.payment_proof_added"):
    """The customer's proof of an offline payment; `proof_url` may be blank."""

    contract_order: ClassVar = (
        *("ticket_id", "claimed_partner_id", "method", "proof_url", "legible", "payee_name", "payee_phone"),
        *("amount", "paid_on", "service_date", "sha256"),
    )

    ticket_id: TicketId
    claimed_partner_id: Annotated[str, Meta(description="The partner whom the tag of the proof names (DIS-4, DIS-8).")]
    method: Annotated[PaymentMethod, Meta(description="How it was paid; cash proves nothing (DIS-3).")]
    proof_url: Annotated[
        str,
        Text(limit="url_chars", blank="kept"),
        Meta(description="The link of the proof, blank where there is none (DIS-6)."),
    ]
    legible: Annotated[bool, Meta(description="Whether the image can be read (DIS-5, DIS-8).")]
    amount: Annotated[Money, Meta(description="What was paid (DIS-10).")]
    paid_on: Annotated[Day, Meta(description="The day of the payment, a full date (DIS-4).")]
    service_date: Annotated[Day, Meta(description="The day of the service, a full date (DIS-4, DIS-9).")]
    payee_name: Annotated[
        BlankableText | None,
        Meta(description="The payee's name on the proof; a blank one is absent. It never goes out (DIS-5, DIS-7)."),
    ] = None
    payee_phone: Annotated[
        BlankableText | None,
        Meta(description="The payee's phone on the proof; a blank one is absent. It never goes out (DIS-5, DIS-7)."),
    ] = None
    sha256: Annotated[
        str | None,
        Meta(description="SHA-256 of the image in hexadecimal digits; tells equal images at different links (DIS-3)."),
    ] = None


class RefundRequested(Struct, frozen=True, array_like=True, tag="ticket.refund_requested"):
    """The customer asked for a refund."""

    ticket_id: TicketId


class TicketClosed(Struct, frozen=True, array_like=True, tag="ticket.closed"):
    """A ticket was closed."""

    ticket_id: TicketId


class CancellationRecorded(Struct, frozen=True, array_like=True, tag="cancellation.recorded"):
    """The job was cancelled."""

    by: Annotated[Canceller, Meta(description="Who cancelled (OOS-14, OOS-16, OOS-17).")]
    reason: Annotated[CancellationReason, Meta(description="The reason that was chosen (OOS-16, OOS-17, OOS-18).")]
    marked_against: Annotated[MarkedAgainst, Meta(description="Against whom the cancellation counts (OOS-18, OOS-20).")]
    partner_id: Annotated[
        str | None, Meta(description="The partner concerned; absent: the one who has the job at that time.")
    ] = None


class CaseErased(Struct, frozen=True, array_like=True, tag="case.erased"):
    """Somebody whose data the case has was erased: all of it is forgotten, and no further fact is accepted."""


class PartnerErased(Struct, frozen=True, array_like=True, tag="partner.erased"):
    """The partner was erased: location reports up to now are forgotten, and none of that time is accepted."""


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
    | CaseErased
    | PartnerErased
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
