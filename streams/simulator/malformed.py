"""Spoils events the way faulty producers do: each kind is one that a consumer has to set aside."""

from typing import Final, Literal

from streams.simulator.rng import Rng
from streams.simulator.sim_event import SimEvent, Value, write_json

Fault = Literal[
    "invalid_json", "missing_field", "ill_typed", "unknown_type", "out_of_range", "unusable_time", "conflict"
]
FAULTS: Final[tuple[Fault, ...]] = (
    "invalid_json",
    "missing_field",
    "ill_typed",
    "unknown_type",
    "out_of_range",
    "unusable_time",
    "conflict",
)
CONFLICT_SHIFT_US: Final = 7_000_000
ID_LENGTH: Final = 300

# a field without which the event means nothing
_NEEDED: Final = {
    "job.booked": "site",
    "job.assigned": "partner_id",
    "job.started": "partner_id",
    "job.start_blocked": "reason",
    "job.line_item_added": "amount",
    "job.closed": "closure",
    "job.rated": "stars",
    "location.reported": "lat",
    "ticket.created": "kind",
    "ticket.media_added": "url",
    "ticket.call_logged": "outcome",
    "ticket.validated": "verdict",
    "ticket.partner_identified": "partner_id",
    "ticket.payment_proof_added": "amount",
    "ticket.refund_requested": "ticket_id",
    "ticket.closed": "ticket_id",
    "cancellation.recorded": "by",
}


def spoil(happening: SimEvent, fault: Fault, dice: Rng) -> bytes:
    """Return the line of a faulty twin of ``happening``.

    Only a ``conflict`` is well formed: it claims the identity of ``happening`` for another instant.
    """
    if fault == "conflict":
        shifted = happening.time + CONFLICT_SHIFT_US
        return SimEvent(
            shifted, happening.source, happening.id, happening.type, happening.subject, happening.data
        ).line(indian_time=False)
    envelope = happening.envelope(indian_time=False)
    if fault == "invalid_json":
        line = write_json(envelope)
        return line[: dice.whole(20, len(line) - 2)]
    if fault == "unknown_type":
        envelope["type"] = f"{happening.type}.v2"
    elif fault == "unusable_time":
        envelope["time"] = dice.pick(("yesterday", "2026-11-16 25:00:00", "2026-11-16T10:00:00"))
    else:
        envelope["data"] = _spoilt_data(happening, fault)
        if fault == "out_of_range" and happening.type != "location.reported":
            envelope["id"] = happening.id.ljust(ID_LENGTH, "0")
    return write_json(envelope)


def _spoilt_data(happening: SimEvent, fault: Fault) -> dict[str, Value]:
    data = dict(happening.data)
    needed = _NEEDED[happening.type]
    if fault == "missing_field":
        del data[needed]
    elif fault == "ill_typed":
        data[needed] = 4711 if isinstance(data[needed], str) else str(data[needed])
    elif happening.type == "location.reported":
        data["lat"] = 191.5
    return data
