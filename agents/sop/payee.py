"""Whether the payee of a proof is the partner that was identified (DIS-4, DIS-7)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import phonenumbers
from rapidfuzz import fuzz

from schemas.events import PartnerIdentified, PaymentProofAdded
from schemas.policy import Offline


def has_payee(proof: PaymentProofAdded) -> bool:
    """Tell whether the proof shows a payee's name or phone; a blank one is absent (DIS-5)."""
    return bool(_present(proof.payee_name) or _present(proof.payee_phone))


def payee_differs(proof: PaymentProofAdded, identified: PartnerIdentified, policy: Offline) -> bool:
    """Tell whether the payee on a proof is not, or cannot be seen to be, the identified partner (DIS-4, DIS-7).

    Phones decide where both sides have one, whatever the names; else names where both sides have one; else
    nothing can be compared, which counts as different.
    """
    payee_phone, partner_phone = _present(proof.payee_phone), _present(identified.phone)
    if payee_phone and partner_phone:
        payee_e164 = e164(payee_phone, policy.default_region)
        return payee_e164 is None or payee_e164 != e164(partner_phone, policy.default_region)
    payee_name, partner_name = _present(proof.payee_name), _present(identified.name)
    if payee_name and partner_name:
        return name_score(payee_name, partner_name, policy.honorifics) < policy.name_similarity
    return True


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


def _words(name: str, honorifics: tuple[str, ...]) -> list[str]:
    folded = unicodedata.normalize("NFKC", name).casefold()
    spaced = "".join(" " if unicodedata.category(char).startswith("P") else char for char in folded)
    dropped = {honorific.casefold() for honorific in honorifics}
    return [word for word in spaced.split() if word not in dropped]


def _present(text: str | None) -> str:
    """The text without white space around it; empty where absent or blank."""
    return text.strip() if text else ""
