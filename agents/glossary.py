"""The glossary: the words that all SOPs share, and those that each SOP declares."""

from __future__ import annotations

from typing import Final

from agents.sops.catalogue import CLAUSES
from agents.sops.registry import SOPS

SHARED_WORDS: Final = {
    "SOP": "Standard operating procedure: the written steps that a support agent follows. The product "
    "covers two: out of scope with visited cancellation (clauses OOS-…), and disintermediation, "
    "also called offline service (clauses DIS-…).",
    "job": "One customer's booking of one home service; it has a category, a city and a site.",
    "partner": "The professional assigned to the job; also called pro or provider.",
    "agent": "The support person who works by the SOP.",
    "site": "Where the customer is, as a WGS84 point.",
    "premises": "What kind of place the site is: `residential` or `commercial`.",
    "case": "Everything known about one job or, if nothing was ever booked, about one ticket.",
    "presence": "Where the partner was at a given time, by location reports: `on_site`, `off_site` or `unknown`.",
    "provisional": "The status of a decision while a step of the SOP is outstanding; otherwise it is `final`. A "
    "late fact can still lead to a new revision of a final decision.",
    "withdrawn": "The outcome of the last revision of a decision once no rule applies any more.",
    "dead letter": "A record that was rejected, kept with its bytes, its position in Kafka and the reason.",
}

WORDS: Final[dict[str, str]] = SHARED_WORDS | {name: text for sop in SOPS for name, text in sop.words.items()}
"""The meaning of each word."""

CLAUSE_TEXTS: Final = {name: clause.text for name, clause in CLAUSES.items()}
"""The text of each clause, in our own words."""

ENTRIES: Final[dict[str, str]] = {**WORDS, **CLAUSE_TEXTS}
