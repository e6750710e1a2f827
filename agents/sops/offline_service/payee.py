"""Whether the payee of a proof is the partner that was identified (DIS-4, DIS-7)."""

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
"""Two or more in a row that are no part of a word: digits crossed out."""
_LABEL: Final = re.compile(
    r"(?<!\S)[^\s\d]*[^\W\d_][^\s\d]*(?!\S)"  # a word
    r"|[(\[{][^\d()\[\]{}]*[^\W\d_][^\d()\[\]{}]*[)\]}]"  # brackets around words
)
"""What has letters and no digits: a `*` in it is no masked digit, as in "Mob# 9876543210"."""


def has_payee(proof: PaymentProofAdded, policy: Offline) -> bool:
    """Tell whether the proof shows a payee's name or phone (DIS-5)."""
    return bool(_name(proof.payee_name, policy) or phone_number(proof.payee_phone))


def payee_differs(proof: PaymentProofAdded, identified: PartnerIdentified, policy: Offline) -> bool:
    """Tell whether the payee on a proof is not, or cannot be seen to be, the identified partner (DIS-4, DIS-7).

    Phones decide where both sides have one, whatever the names; else names where both sides have one; else
    nothing can be compared, which counts as different.
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
    """Return the number that a phone is, without words and brackets around it; None where it is absent.

    It is where it is blank or where a digit is masked: by `* • #` outside of those words and brackets, a letter among
    its digits or next to them, or a row of x beside them (domain, "Offline service"). What has no digits at all is
    returned as it is.
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
    """Return a phone in E.164, read as dialled in `region` (two letters); None if it cannot be read.

    Whether such a number was ever given out is not asked.
    """
    try:
        parsed = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def name_score(one: str, other: str, honorifics: tuple[str, ...]) -> float:
    """Return how alike two names are, 0 to 1, in whatever order their words stand (domain, "Name score").

    Between two names of two words or more, words that only one of them has weigh less. A name of which no word
    is left, honorifics and punctuation only, is like no other.
    """
    words, other_words = _words(one, honorifics), _words(other, honorifics)
    if not words or not other_words:
        return 0.0
    both_have_two = len(words) >= 2 and len(other_words) >= 2
    ratio = fuzz.token_set_ratio if both_have_two else fuzz.token_sort_ratio
    return ratio(" ".join(words), " ".join(other_words)) / 100


def _name(name: str | None, policy: Offline) -> str | None:
    """Return a name, None where it is absent: no word of it is left once it is normalised."""
    return name if name and _words(name, policy.honorifics) else None


def _words(name: str, honorifics: tuple[str, ...]) -> list[str]:
    folded = unicodedata.normalize("NFKC", name).casefold()
    spaced = "".join(" " if unicodedata.category(char).startswith("P") else char for char in folded)
    dropped = {honorific.casefold() for honorific in honorifics}
    return [word for word in spaced.split() if word not in dropped]
