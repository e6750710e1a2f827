"""The checks on the proof of an offline payment, all of which are made (domain.md, "Offline service")."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final, Literal

from msgspec import Struct

from agents.case.view import CaseView
from agents.sops.offline_service.payee import has_payee, payee_differs
from agents.sops.offline_service.policy import Offline
from agents.sops.offline_service.proof_link import LinkFault, link_fault
from agents.sops.tagging import ProofFault
from schemas.events import Event, PartnerIdentified, PaymentProofAdded
from schemas.policy.model import Policy

ServiceType = Literal["no_booking", "cancelled_then_served", "partial"]


class Examined(Struct, frozen=True):
    """What the checks look at: the case, and one proof and the latest identification if there are any."""

    view: CaseView
    policy: Policy
    service_type: ServiceType
    proof: Event[PaymentProofAdded] | None
    identification: Event[PartnerIdentified] | None


class Check(Struct, frozen=True):
    """A check: the reason it gives when it fails, and the clauses behind it.

    A check whose input is absent does not fail.
    """

    reason: ProofFault
    clauses: tuple[str, ...]
    fails: Callable[[Examined], bool]


def _link_has(fault: LinkFault) -> Callable[[Examined], bool]:
    """Return a predicate for the first fault of the link: of the three only one is reported."""

    def fails(on: Examined) -> bool:
        if on.proof is None:
            return False
        ticket_ids = [ticket.id for ticket in on.view.tickets]
        return link_fault(on.proof.data.proof_url, ticket_ids, on.policy[Offline]) == fault

    return fails


def _payee_mismatch(on: Examined) -> bool:
    """Return whether the payee is not the identified partner, or cannot be compared with it."""
    if on.proof is None or on.identification is None or not has_payee(on.proof.data, on.policy[Offline]):
        return False
    return payee_differs(on.proof.data, on.identification.data, on.policy[Offline])


def _partner_mismatch(on: Examined) -> bool:
    """Return whether the proof's tag claims another partner than the one identified."""
    if on.proof is None or on.identification is None:
        return False
    return on.identification.data.partner_id != on.proof.data.claimed_partner_id


def _date_mismatch(on: Examined) -> bool:
    """Return whether the payment lies too many days before or after the service."""
    if on.proof is None:
        return False
    apart = date.fromisoformat(on.proof.data.paid_on) - date.fromisoformat(on.proof.data.service_date)
    return abs(apart.days) > on.policy[Offline].date_tolerance_days


CHECKS: Final = (
    Check(
        "booking_missing",
        ("DIS-2",),
        lambda on: on.service_type != "no_booking" and on.view.booking is None,
    ),
    Check("proof_missing", ("DIS-3",), lambda on: on.proof is None),
    Check("partner_not_identified", ("DIS-4",), lambda on: on.identification is None),
    Check("cash_payment", ("DIS-3",), lambda on: on.proof is not None and on.proof.data.method == "cash"),
    Check("proof_link_missing", ("DIS-6",), _link_has("proof_link_missing")),
    Check("proof_link_is_ticket", ("DIS-6",), _link_has("proof_link_is_ticket")),
    Check("proof_link_invalid", ("DIS-6",), _link_has("proof_link_invalid")),
    Check("proof_illegible", ("DIS-5", "DIS-8"), lambda on: on.proof is not None and not on.proof.data.legible),
    Check(
        "payee_not_visible",
        ("DIS-5",),
        lambda on: on.proof is not None and not has_payee(on.proof.data, on.policy[Offline]),
    ),
    Check("payee_mismatch", ("DIS-4", "DIS-7"), _payee_mismatch),
    Check("partner_mismatch", ("DIS-4", "DIS-8"), _partner_mismatch),
    Check("date_mismatch", ("DIS-4",), _date_mismatch),
)


def failed_checks(on: Examined) -> tuple[Check, ...]:
    """Return the checks that fail, in the order of the table."""
    return tuple(check for check in CHECKS if check.fails(on))
