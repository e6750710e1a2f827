"""The clauses and words of the offline-service SOP, in our own words (domain.md, "Clauses")."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Clause

CLAUSES: Final = {
    "DIS-1": Clause(
        "a complaint about service that turns out to be about an offline one",
        "A report is indirect if the customer complains about poor service and an offline service "
        "turns out to be behind it.",
        "ख़राब सेवा की शिकायत, जो असल में प्लेटफ़ॉर्म के बाहर की सेवा के बारे में निकले",
    ),
    "DIS-2": Clause(
        "three types of offline service",
        "There are three types: never booked; cancelled on the platform and then served offline; "
        "partial, where extras were paid offline and are missing from the booking.",
        "प्लेटफ़ॉर्म के बाहर की सेवा के तीन प्रकार",
    ),
    "DIS-3": Clause(
        "no tag without proof of payment, and cash proves nothing",
        "No proof of payment, no offline-service tag. Cash never counts as proof.",
        "भुगतान के प्रमाण के बिना टैग नहीं, और नकद भुगतान प्रमाण नहीं है",
    ),
    "DIS-4": Clause(
        "the partner, the phone and the service date must match the proof",
        "The partner id has to be right: it is looked up by the phone that the customer gives, and "
        "name, phone and service date agree with the proof.",
        "पार्टनर, फ़ोन और सेवा की तारीख़ प्रमाण से मेल खानी चाहिए",
    ),
    "DIS-5": Clause(
        "the payee is readable on the proof",
        "The proof clearly shows the partner's name or phone.",
        "प्रमाण में भुगतान पाने वाला साफ़ दिखता हो",
    ),
    "DIS-6": Clause(
        "the proof's link is the image itself",
        "The proof link leads to the image. It is neither blank nor a ticket id.",
        "प्रमाण का लिंक सीधे तस्वीर का हो",
    ),
    "DIS-7": Clause(
        "the money went to that same partner",
        "The money went to the account of that same partner.",
        "पैसा उसी पार्टनर के खाते में गया हो",
    ),
    "DIS-8": Clause(
        "wrong partner or unreadable image: check again first",
        "The usual mistakes are a wrong partner id and an unclear image; both are checked again before tagging.",
        "ग़लत पार्टनर या अस्पष्ट तस्वीर: पहले दोबारा जाँच",
    ),
    "DIS-9": Clause(
        "what a tag carries",
        "A tag states when the service took place, by which partner id, that there was proof, and its link.",
        "टैग में क्या-क्या दर्ज होता है",
    ),
    "DIS-10": Clause(
        "full, partial or no refund",
        "A genuine full offline service is refunded in full, a genuine partial one in part. A "
        "request that is not genuine brings no refund, but an apology and an assurance. The SOP "
        "names no amounts (reading: the proven amount is reported, and the agent confirms it).",
        "पूरा, आंशिक या कोई रिफ़ंड नहीं",
    ),
}

WORDS: Final = {
    "DIS": "Disintermediation: a partner serves a customer and is paid outside the platform. Also "
    "called offline service.",
}
"""The words of the SOP, for the glossary."""
