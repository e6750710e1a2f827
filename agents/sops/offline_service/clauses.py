"""The clauses and words of the offline-service SOP, in our own words (domain.md, "Clauses")."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Clause

CLAUSES: Final = {
    "DIS-1": Clause(
        "a complaint about service that turns out to be about an offline one",
        "An offline service is reported indirectly when a complaint about poor service turns out to be about one.",
    ),
    "DIS-2": Clause(
        "three types of offline service",
        "There are three types: no booking; cancelled on the platform and then served offline; "
        "partial, that is extras paid offline and missing from the booking.",
    ),
    "DIS-3": Clause(
        "no tag without proof of payment, and cash proves nothing",
        "Without proof of payment there is no offline-service tag, and cash is never proof.",
    ),
    "DIS-4": Clause(
        "the partner, the phone and the service date must match the proof",
        "The partner id must be right: found by the phone that the customer gives, with name, phone "
        "and service date as on the proof.",
    ),
    "DIS-5": Clause(
        "the payee is readable on the proof",
        "The partner's name or phone is clearly visible on the proof.",
    ),
    "DIS-6": Clause(
        "the proof's link is the image itself",
        "The link of the proof is the image itself: not blank, and no ticket id.",
    ),
    "DIS-7": Clause(
        "the money went to that same partner",
        "The payment went to that same partner's account.",
    ),
    "DIS-8": Clause(
        "wrong partner or unreadable image: check again first",
        "A wrong partner id or an unclear image is the usual mistake: both are checked again before tagging.",
    ),
    "DIS-9": Clause(
        "what a tag carries",
        "A tag carries the service date, the partner id, that proof was given, and the link of the proof.",
    ),
    "DIS-10": Clause(
        "full, partial or no refund",
        "A genuine full offline service is refunded in full and a genuine partial one in part; one "
        "that is not genuine brings no refund but an apology and an assurance. The amounts are not "
        "spelled out in the source: the proven amount is reported, and the agent confirms it.",
    ),
}

WORDS: Final = {
    "DIS": "Disintermediation: a partner serves a customer outside of the platform. Offline service is "
    "another word for it.",
}
"""The words of the SOP, for the glossary."""
