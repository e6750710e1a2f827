"""The clauses and words of the offline-service SOP, in our own words (domain.md, "Clauses")."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Clause

CLAUSES: Final = {
    "DIS-1": Clause(
        "a complaint about service that turns out to be about an offline one",
        "A report is indirect if the customer complains about poor service and an offline service "
        "turns out to be behind it.",
    ),
    "DIS-2": Clause(
        "three types of offline service",
        "There are three types: never booked; cancelled on the platform and then served offline; "
        "partial, where extras were paid offline and are missing from the booking.",
    ),
    "DIS-3": Clause(
        "no tag without proof of payment, and cash proves nothing",
        "No proof of payment, no offline-service tag. Cash never counts as proof.",
    ),
    "DIS-4": Clause(
        "the partner, the phone and the service date must match the proof",
        "The partner id has to be right: it is looked up by the phone that the customer gives, and "
        "name, phone and service date agree with the proof.",
    ),
    "DIS-5": Clause(
        "the payee is readable on the proof",
        "The proof clearly shows the partner's name or phone.",
    ),
    "DIS-6": Clause(
        "the proof's link is the image itself",
        "The proof link leads to the image. It is neither blank nor a ticket id.",
    ),
    "DIS-7": Clause(
        "the money went to that same partner",
        "The money went to the account of that same partner.",
    ),
    "DIS-8": Clause(
        "wrong partner or unreadable image: check again first",
        "The usual mistakes are a wrong partner id and an unclear image; both are checked again before tagging.",
    ),
    "DIS-9": Clause(
        "what a tag carries",
        "A tag states when the service took place, by which partner id, that there was proof, and its link.",
    ),
    "DIS-10": Clause(
        "full, partial or no refund",
        "A genuine full offline service is refunded in full, a genuine partial one in part. A "
        "request that is not genuine brings no refund, but an apology and an assurance. The SOP "
        "names no amounts (reading: the proven amount is reported, and the agent confirms it).",
    ),
}

WORDS: Final = {
    "DIS": "Disintermediation: a partner serves a customer and is paid outside the platform. Also "
    "called offline service.",
}
"""The words of the SOP, for the glossary."""
