"""Compares the payee on a proof with the identified partner (DIS-4, DIS-7; domain.md, "Offline service")."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import phonenumbers
from rapidfuzz import fuzz

from agents.sops.offline_service.policy import Offline
from schemas.events import PartnerIdentified, PaymentProofAdded

MASKS: Final = "*•#"
_NUMBER: Final = re.compile(r"(?:\+\W*)?\d(?:.*\d)?", re.DOTALL)
_CROSSES: Final = re.compile(r"(?<![^\W\d_])[xX](?:[\s-]*[xX])+(?![^\W\d_])")
"""Two or more `x` in a row that are not part of a word: crossed-out digits."""
_LABEL: Final = re.compile(
    r"(?<!\S)[^\s\d]*[^\W\d_][^\s\d]*(?!\S)"  # a word
    r"|[(\[{][^\d()\[\]{}]*[^\W\d_][^\d()\[\]{}]*[)\]}]"  # brackets around words
)
"""Text with letters and without digits: a `#` in it masks no digit, as in "Mob# 9876543210"."""


def has_payee(proof: PaymentProofAdded, policy: Offline) -> bool:
    """Return whether the proof shows a payee's name or phone (DIS-5)."""
    return bool(_name(proof.payee_name, policy) or phone_number(proof.payee_phone))


def payee_differs(proof: PaymentProofAdded, identified: PartnerIdentified, policy: Offline) -> bool:
    """Return whether the payee differs from the identified partner, or cannot be compared with it (DIS-4, DIS-7).

    If both sides have a phone, the phones decide, whatever the names; otherwise, if both have a name, the names do.
    """
    payee_phone, partner_phone = phone_number(proof.payee_phone), phone_number(identified.phone)
    if payee_phone and partner_phone:
        payee_e164 = e164(payee_phone, policy.default_region)
        return payee_e164 is None or payee_e164 != e164(partner_phone, policy.default_region)
    payee_name, partner_name = _name(proof.payee_name, policy), _name(identified.name, policy)
    if payee_name and partner_name:
        return name_score(payee_name, partner_name, policy.honorifics) < policy.name_similarity
    return True


def phone_number(phone: str | None) -> str | None:
    """Return the number in a phone, without words and brackets around it; None if it is blank or has a masked digit.

    A digit is masked by `* • #` outside those words and brackets, by a letter among or next to the digits, or by a row
    of x (domain.md, "Offline service"). Text without any digit is returned as it is.
    """
    written = unicodedata.normalize("NFKC", phone or "").strip()
    if _CROSSES.search(written):
        return None
    unlabelled = _LABEL.sub("", written)
    if any(mask in unlabelled for mask in MASKS):
        return None
    number = _NUMBER.search(written)
    if number is None:
        return written or None
    first, after = number.span()
    if any(map(str.isalpha, written[max(first - 1, 0) : after + 1])):
        return None
    return number[0]


@lru_cache(maxsize=4096)
def e164(phone: str, region: str) -> str | None:
    """Return a phone in E.164, parsed as dialled in `region` (two letters); None if it cannot be parsed.

    The number need not be in use.
    """
    try:
        parsed = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def name_score(one: str, other: str, honorifics: tuple[str, ...]) -> float:
    """Return how similar two names are, from 0 to 1, in any order of their words (domain.md, "Name score").

    If both have two words or more, words that only one of them has count less. The score is 0 if a name has no word
    besides honorifics.
    """
    words, other_words = _words(one, honorifics), _words(other, honorifics)
    if not words or not other_words:
        return 0.0
    both_have_two = len(words) >= 2 and len(other_words) >= 2
    ratio = fuzz.token_set_ratio if both_have_two else fuzz.token_sort_ratio
    return ratio(" ".join(words), " ".join(other_words)) / 100


def _name(name: str | None, policy: Offline) -> str | None:
    """Return a name; None if no word of it is left after normalisation."""
    return name if name and _words(name, policy.honorifics) else None


def _words(name: str, honorifics: tuple[str, ...]) -> list[str]:
    folded = unicodedata.normalize("NFKC", name).casefold()
    spaced = "".join(" " if unicodedata.category(char).startswith("P") else char for char in folded)
    dropped = {honorific.casefold() for honorific in honorifics}
    return [word for word in spaced.split() if word not in dropped]
