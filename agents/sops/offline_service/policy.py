"""The numbers and lists of the offline-service SOP (contracts.md, "Policy")."""

from __future__ import annotations

from typing import Annotated, Final

import phonenumbers

from schemas.policy.model import Section, key
from schemas.policy.patterns import pattern_error

IMAGE_PATH_PATTERN: Final = (
    r"(\.(jpe?g|png|webp|gif|hei[cf]|avif|bmp|tiff?|pdf)$)"
    r"|(/(images?|img|media|photos?|attachments?|uploads?|files?|proofs?|screenshots?)/.)"
)
TICKET_ID_PATTERN: Final = r"^#?(?:[A-Za-z]{1,12}[-_# ]?)?\d{1,20}$"


def _not_a_pattern(value: object) -> str | None:
    error = pattern_error(str(value))
    return f"is not a regular expression: {error}" if error else None


def _unknown_region(value: object) -> str | None:
    if value in phonenumbers.SUPPORTED_REGIONS:
        return None
    return "is not a region of ISO 3166 with telephone numbers of its own"


class Offline(Section, frozen=True):
    """How a proof of an offline payment is checked (DIS-3 to DIS-8)."""

    ticket_id_pattern: Annotated[
        str,
        key("regular expression (RE2) of a link that is only a ticket id", "pattern", "DIS-6", check=_not_a_pattern),
    ] = TICKET_ID_PATTERN
    image_link_pattern: Annotated[
        str,
        key(
            "regular expression (RE2) found in the path of a link to an image", "pattern", "DIS-6", check=_not_a_pattern
        ),
    ] = IMAGE_PATH_PATTERN
    default_region: Annotated[
        str,
        key("region of a phone number without a country code, ISO 3166", "ISO 3166", "DIS-4", check=_unknown_region),
    ] = "IN"
    name_similarity: Annotated[
        float,
        key(
            "score from 0 to 1 from which on two names are taken for the same",
            "0 to 1",
            "DIS-4",
            "DIS-7",
            at_least=0.0,
            at_most=1.0,
        ),
    ] = 0.85
    honorifics: Annotated[
        tuple[str, ...],
        key("words left out of a name before it is compared", "words", "DIS-4"),
    ] = (
        "mr",
        "mrs",
        "ms",
        "dr",
        "shri",
        "sri",
        "smt",
        "kumari",
    )
    date_tolerance_days: Annotated[
        int,
        key("days between payment and service that are still a match", "days", "DIS-4", at_least=0.0, at_most=366.0),
    ] = 1


SECTIONS: Final = (Offline,)
