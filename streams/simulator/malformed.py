"""Corrupts events the way faulty producers do; a consumer has to refuse every kind."""

from dataclasses import replace
from typing import Final, Literal, get_args

import msgspec

from streams.simulator.rng import Rng
from streams.simulator.sim_event import SimEvent, Value

Defect = Literal[
    "invalid_json", "missing_field", "ill_typed", "unknown_type", "out_of_range", "unusable_time", "conflict"
]
DEFECTS: Final[tuple[Defect, ...]] = get_args(Defect)
CONFLICT_SHIFT_US: Final = 7_000_000
ID_LENGTH: Final = 300

# a required field of each type
_REQUIRED: Final = {
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


def corrupt(sim_event: SimEvent, defect: Defect, rng: Rng) -> bytes:
    """Return the line of a malformed copy of an event.

    Only a `conflict` is well formed: it has the identity of the event, but another time.
    """
    if defect == "conflict":
        return replace(sim_event, time=sim_event.time + CONFLICT_SHIFT_US).line(indian_time=False)
    envelope = sim_event.envelope(indian_time=False)
    if defect == "invalid_json":
        line = msgspec.json.encode(envelope)
        return line[: rng.whole(20, len(line) - 2)]
    if defect == "unknown_type":
        envelope["type"] = f"{sim_event.type}.v2"
    elif defect == "unusable_time":
        envelope["time"] = rng.pick(("yesterday", "2026-11-16 25:00:00", "2026-11-16T10:00:00"))
    else:
        envelope["data"] = _corrupt_data(sim_event, defect)
        if defect == "out_of_range" and sim_event.type != "location.reported":
            envelope["id"] = sim_event.id.ljust(ID_LENGTH, "0")
    return msgspec.json.encode(envelope)


def _corrupt_data(sim_event: SimEvent, defect: Defect) -> dict[str, Value]:
    data = dict(sim_event.data)
    required = _REQUIRED[sim_event.type]
    if defect == "missing_field":
        del data[required]
    elif defect == "ill_typed":
        data[required] = 4711 if isinstance(data[required], str) else str(data[required])
    elif sim_event.type == "location.reported":
        data["lat"] = 191.5
    return data
