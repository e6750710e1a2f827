"""The decision how a case is tagged, which several SOPs make."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from schemas.outputs import DecisionBody, FullDay, NonEmpty, Word, known, one_of

Outcome = Literal[
    "partner_led_cancellation/out_of_scope",
    "partner_led_cancellation/cant_deliver",
    "none",
    "offline_service/no_booking",
    "offline_service/cancelled_then_served",
    "offline_service/partial",
    "offline_service/not_tagged",
]
ProofFault = Literal[
    "booking_missing",
    "proof_missing",
    "partner_not_identified",
    "cash_payment",
    "proof_link_missing",
    "proof_link_is_ticket",
    "proof_link_invalid",
    "proof_illegible",
    "payee_not_visible",
    "payee_mismatch",
    "partner_mismatch",
    "date_mismatch",
]
"""Why an offline service is not proven."""
Reason = Literal["not_genuine", ProofFault]


class TaggingDecision(DecisionBody, frozen=True, kw_only=True, tag="tagging"):
    """How a case is tagged."""

    title: ClassVar[str] = "tagging"

    outcome: Annotated[Word, one_of(Outcome, "The tag (OOS-5, OOS-14, DIS-2).")]
    reasons: Annotated[tuple[Word, ...], known(Reason, "Why it is not tagged, sorted.")] = ()
    tag_code: Annotated[NonEmpty | UnsetType, known(Literal["4.2"], "The code of the tag, on the job (OOS-5).")] = UNSET
    service_date: Annotated[
        FullDay | UnsetType, Meta(description="The day of the service as on the proof, a full date (DIS-9).")
    ] = UNSET
    proof_given: Annotated[bool | UnsetType, Meta(description="Whether a proof was given (DIS-9).")] = UNSET
    proof_url: Annotated[NonEmpty | UnsetType, Meta(description="The link of the proof, as it came (DIS-9).")] = UNSET
    reporting: Annotated[
        Word | UnsetType,
        known(
            Literal["direct", "indirect"],
            "`direct`, or `indirect` where the customer complained of something else at first (DIS-1).",
        ),
    ] = UNSET
