"""The clauses and words of the SOP, in our own words."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Clause

CLAUSES: Final = {
    "CNA-1": Clause(
        "the visit fee stands if the partner waited at the site and called in vain",
        "A partner who waited at the site for 15 minutes and called the customer twice in vain keeps the visit fee.",
        "पार्टनर ने साइट पर इंतज़ार किया और कॉल का जवाब नहीं मिला, तो विज़िट फ़ीस बनी रहती है",
    ),
    "CNA-2": Clause(
        "a partner who was not at the site keeps no visit fee",
        "Without having been at the site there is no visit fee, however often the partner called.",
        "जो पार्टनर साइट पर नहीं था, उसे विज़िट फ़ीस नहीं मिलती",
    ),
}

WORDS: Final = {
    "visit fee": "What a partner gets for a visit at which the customer was not available.",
}
