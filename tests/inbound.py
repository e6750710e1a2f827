"""One valid data object per inbound event type, all fields filled in, and envelopes around them."""

import copy
import json
from typing import Any

from agents.case.case import Case
from agents.case_state import pack_case, unpack_case
from schemas.codec.decoder import decode_record
from schemas.codec.limits import Limits
from schemas.events import AnyEvent

MONEY = {"amount": "1499.00", "currency": "INR"}

DATA: dict[str, dict[str, Any]] = {
    "job.booked": {
        "customer_id": "c-1",
        "category": "ac",
        "city": "Pune",
        "site": {"lat": 18.52, "lon": 73.85},
        "premises": "residential",
        "appliance_use": "domestic",
        "scheduled_for": "2026-11-22T10:00:00+05:30",
        "amount": MONEY,
    },
    "job.assigned": {"partner_id": "p-1", "partner_group": "rwm"},
    "job.started": {"partner_id": "p-1"},
    "job.start_blocked": {"partner_id": "p-1", "reason": "otp_refused"},
    "job.line_item_added": {"line_id": "l-1", "amount": MONEY, "description": "gas"},
    "job.closed": {"partner_id": "p-1", "closure": "bpc"},
    "job.rated": {"stars": 1},
    "location.reported": {"lat": 18.5, "lon": 73, "accuracy_m": 12.5, "mocked": False, "job_id": "job-1"},
    "ticket.created": {
        "ticket_id": "t-1",
        "kind": "out_of_scope",
        "opened_by": "partner",
        "reason": "out_of_scope",
        "refund_requested": False,
        "offline_suspected": True,
        "partner_id": "p-1",
    },
    "ticket.media_added": {"ticket_id": "t-1", "added_by": "partner", "url": "https://x.example/a.jpg", "sha256": "ab"},
    "ticket.call_logged": {"ticket_id": "t-1", "party": "partner", "outcome": "will_visit"},
    "ticket.validated": {"ticket_id": "t-1", "verdict": "genuine", "channel": "video_call"},
    "ticket.partner_identified": {"ticket_id": "t-1", "partner_id": "p-1", "name": "Ravi", "phone": "+91 98765 43210"},
    "ticket.payment_proof_added": {
        "ticket_id": "t-1",
        "claimed_partner_id": "p-1",
        "method": "upi",
        "proof_url": "https://x.example/proof.png",
        "legible": True,
        "payee_name": "Ravi",
        "payee_phone": "9876543210",
        "amount": MONEY,
        "paid_on": "2026-11-20",
        "service_date": "2026-11-21",
        "sha256": "ab",
    },
    "ticket.refund_requested": {"ticket_id": "t-1"},
    "ticket.closed": {"ticket_id": "t-1"},
    "cancellation.recorded": {
        "by": "customer",
        "reason": "incorrect_service_booked",
        "marked_against": "none",
        "partner_id": "p-1",
    },
    "case.erased": {},
    "partner.erased": {},
}


def envelope(event_type: str, **members: Any) -> dict[str, Any]:
    """Return a valid envelope of a type, with members replaced."""
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/apps/partner",
        "type": event_type,
        "subject": "job-1",
        "time": "2026-11-21T10:00:00Z",
        "datacontenttype": "application/json",
        "data": copy.deepcopy(DATA.get(event_type, {})),
        **members,
    }


def encoded(value: Any) -> bytes:
    """Return a value as the bytes of a record."""
    return json.dumps(value).encode()


def decoded(value: Any) -> AnyEvent:
    """Return the event that an envelope contains."""
    return decode_record(encoded(value), None, Limits())


def changed(event_type: str, path: str, value: Any) -> dict[str, Any]:
    """Return a valid envelope with the value at a path (`data.site.lat`) replaced; `...` removes it."""
    found = envelope(event_type)
    *parents, last = path.split(".")
    inner = found
    for name in parents:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return found


def packed_and_unpacked(event: AnyEvent) -> AnyEvent:
    """Return an event after its case was packed and unpacked."""
    case = Case(event.subject)
    case.add_fact(event, facts_max=1)
    return unpack_case(pack_case(case)).facts[event.identity]
