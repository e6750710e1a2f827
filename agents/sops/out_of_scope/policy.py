"""The numbers and lists of the out-of-scope SOP (contracts.md, "Policy")."""

from __future__ import annotations

from typing import Annotated, Final

from schemas.policy.model import DURATION, HOUR, Section, key


class Proof(Section, frozen=True):
    """What a claim must show (OOS-13)."""

    min_images: Annotated[
        int,
        key("distinct images that a claim needs", "images", "OOS-13", at_least=1.0),
    ] = 1


class BpcOnly(Section, frozen=True):
    """Whose jobs may only be closed at BPC (OOS-2)."""

    groups: Annotated[
        tuple[str, ...],
        key("partner groups whose jobs may only be closed at BPC", "names", "OOS-2"),
    ] = ("rwm",)
    cities: Annotated[
        tuple[str, ...],
        key("cities in which that holds", "names", "OOS-2"),
    ] = ("Delhi", "Mumbai")


class TicketFlow(Section, frozen=True):
    """Where the in-app ticket flow is open (OOS-7 to OOS-12)."""

    live_cities: Annotated[
        tuple[str, ...],
        key("cities in which the in-app ticket flow is open", "names", "OOS-7", "OOS-8"),
    ] = (
        "Delhi",
        "Mumbai",
        "Hyderabad",
        "Bangalore",
        "Ahmedabad",
        "Pune",
        "Kolkata",
        "Chennai",
    )
    excluded_commercial_categories: Annotated[
        tuple[str, ...],
        key("categories whose commercial premises are outside the flow", "names", "OOS-12"),
    ] = ("ro",)


class Park(Section, frozen=True):
    """How long a ticket is parked before the partner is called (OOS-9, OOS-10)."""

    duration: Annotated[
        int,
        key("how long a ticket is parked before the partner is called", DURATION, "OOS-9", "OOS-10"),
    ] = 3 * HOUR


class Paf(Section, frozen=True):
    """How long a claim may follow a marked cancellation (OOS-18)."""

    claim_window: Annotated[
        int,
        key("how long a claim may follow a marked cancellation before the mark is upheld", DURATION, "OOS-18"),
    ] = 72 * HOUR


SECTIONS: Final = (Proof, BpcOnly, TicketFlow, Park, Paf)
