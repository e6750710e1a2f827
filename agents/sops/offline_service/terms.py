"""What the rows of offline-service decisions ask about a case (domain.md, "Offline service").

The properties of the `Assessment` say what each of them means.
"""

from __future__ import annotations

from typing import Final

from agents.sops.offline_service.assessment import Assessment
from agents.sops.tables.terms import Term


def failed_checks(a: Assessment) -> str:
    """Return the reasons of the failed checks."""
    return ", ".join(a.reasons)


def service_type(a: Assessment) -> str:
    """Return the type of the service."""
    return a.service_type


is_proven: Final = Term[Assessment](
    lambda a: a.is_proven,
    "every check of the proof passes",
    "a check of the proof fails",
    failed_checks,
)
was_never_booked: Final = Term[Assessment](
    lambda a: a.service_type == "no_booking",
    "the type is no_booking",
    "the type is not no_booking",
    service_type,
)
was_cancelled_then_served: Final = Term[Assessment](
    lambda a: a.service_type == "cancelled_then_served",
    "the type is cancelled_then_served",
    "the type is not cancelled_then_served",
    service_type,
)
is_partial: Final = Term[Assessment](
    lambda a: a.service_type == "partial",
    "the type is partial",
    "the type is not partial",
    service_type,
)
is_paid_in_cash: Final = Term[Assessment](
    lambda a: a.is_paid_in_cash,
    "the payment was in cash",
    "no proof shows a payment in cash",
)
all_tickets_are_closed: Final = Term[Assessment](
    lambda a: a.all_tickets_are_closed,
    "every qualifying ticket is closed",
    "a qualifying ticket is open",
)
may_get_a_booking: Final = Term[Assessment](
    lambda a: a.may_get_a_booking,
    "the booking is missing",
    "no booking is missing",
)
has_two_currencies: Final = Term[Assessment](
    lambda a: a.has_two_currencies,
    "an extra is in another currency than the proof",
    "no extra is in another currency than the proof",
)
asks_for_refund: Final = Term[Assessment](
    lambda a: a.refund_request is not None,
    "a refund was asked for",
    "no refund was asked for",
)
