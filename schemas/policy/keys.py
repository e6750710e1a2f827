"""What every key of a policy document means: one line each, with its unit and the clause that it serves."""

from __future__ import annotations

import re
from typing import Final

KEY_NOTES: Final[dict[str, str]] = {
    "presence.radius_m": "metres from the site within which a partner is on site, inclusive (OOS-7)",
    "presence.max_accuracy_m": "metres; a report less accurate than this says nothing (OOS-7)",
    "presence.before": "how long before a moment a report may be and still speak for it (OOS-7)",
    "presence.after": "how long after a moment a report may be and still speak for it (OOS-7)",
    "presence.linger": "how long after a cancellation a partner's stay at the site is watched (DIS-3)",
    "presence.retention": "how long reports are kept behind the partner's latest (OOS-7)",
    "presence.slot": "of each partner and slot of this length the most accurate report counts (OOS-7)",
    "presence.reading_wait": "how long a live decision waits for the first word on a partner's whereabouts (OOS-7)",
    "proof.min_images": "distinct images that a claim needs (OOS-13)",
    "bpc_only.groups": "partner groups whose jobs may only be closed at BPC (OOS-2)",
    "bpc_only.cities": "cities in which that holds (OOS-2)",
    "ticket_flow.live_cities": "cities in which the in-app ticket flow is open (OOS-7, OOS-8)",
    "ticket_flow.excluded_commercial_categories": "categories whose commercial premises are outside the flow (OOS-12)",
    "city.aliases": "other names of a city, each with the name it is compared as (OOS-2, OOS-7)",
    "park.duration": "how long a ticket is parked before the partner is called (OOS-9, OOS-10)",
    "paf.claim_window": "how long a claim may follow a marked cancellation before the mark is upheld (OOS-18)",
    "offline.ticket_id_pattern": "regular expression (RE2) of a link that is only a ticket id (DIS-6)",
    "offline.image_link_pattern": "regular expression (RE2) found in the path of a link to an image (DIS-6)",
    "offline.default_region": "region of a phone number without a country code, ISO 3166 (DIS-4)",
    "offline.name_similarity": "score from 0 to 1 from which on two names are taken for the same (DIS-4, DIS-7)",
    "offline.honorifics": "words left out of a name before it is compared (DIS-4)",
    "offline.date_tolerance_days": "days between payment and service that are still a match (DIS-4)",
    "alert.moment_ttl": "how long an alert about a moment fires (OOS-7)",
    "alert.stay": "how long after a cancellation a partner on site is suspected of serving offline (DIS-2)",
    "alert.park_overdue": "how long after its due time a call to the partner is overdue (OOS-10)",
    "alert.mocked_window": "how near to a moment a mocked report is told (OOS-7)",
    "alert.travel_speed_kmh": "kilometres an hour above which a journey is impossible (OOS-7)",
    "alert.travel_distance_m": "metres below which no journey is judged (OOS-7)",
    "alert.stuck": "how long a decision may be provisional (OOS-10, OOS-18)",
    "alert.spike_window": "how far back a partner's claims are counted (OOS-1)",
    "alert.spike_claims": "claims from which on a partner can stand out (OOS-1)",
    "alert.spike_ratio": "times the others' claims per assignment above which a partner stands out (OOS-1)",
    "alert.spike_floor": "the least that the others' claims per assignment are taken as (OOS-1)",
    "alert.surge_claims": "claims in an hour from which on a city can stand out (OOS-1)",
    "alert.surge_deviations": "standard deviations above the mean at which a city stands out (OOS-1)",
    "alert.surge_hours": "hours before, with which the hour is compared (OOS-1)",
}

DURATION_UNIT: Final = "duration"

KEY_UNITS: Final[dict[str, str]] = {
    "presence.radius_m": "m",
    "presence.max_accuracy_m": "m",
    "presence.before": DURATION_UNIT,
    "presence.after": DURATION_UNIT,
    "presence.linger": DURATION_UNIT,
    "presence.retention": DURATION_UNIT,
    "presence.slot": DURATION_UNIT,
    "presence.reading_wait": DURATION_UNIT,
    "proof.min_images": "images",
    "bpc_only.groups": "names",
    "bpc_only.cities": "names",
    "ticket_flow.live_cities": "names",
    "ticket_flow.excluded_commercial_categories": "names",
    "city.aliases": "names",
    "park.duration": DURATION_UNIT,
    "paf.claim_window": DURATION_UNIT,
    "offline.ticket_id_pattern": "pattern",
    "offline.image_link_pattern": "pattern",
    "offline.default_region": "ISO 3166",
    "offline.name_similarity": "0 to 1",
    "offline.honorifics": "words",
    "offline.date_tolerance_days": "days",
    "alert.moment_ttl": DURATION_UNIT,
    "alert.stay": DURATION_UNIT,
    "alert.park_overdue": DURATION_UNIT,
    "alert.mocked_window": DURATION_UNIT,
    "alert.travel_speed_kmh": "km/h",
    "alert.travel_distance_m": "m",
    "alert.stuck": DURATION_UNIT,
    "alert.spike_window": DURATION_UNIT,
    "alert.spike_claims": "claims",
    "alert.spike_ratio": "times",
    "alert.spike_floor": "claims per assignment",
    "alert.surge_claims": "claims",
    "alert.surge_deviations": "standard deviations",
    "alert.surge_hours": "h",
}
"""In what each key is given; a duration is text with units ("15 min", "1h30m") or whole seconds."""


def clauses_of(key: str) -> tuple[str, ...]:
    """Return the ids of the clauses that a key serves, as its note names them."""
    return tuple(_CLAUSE.findall(KEY_NOTES[key]))


_CLAUSE: Final = re.compile(r"(?:OOS|DIS)-\d+")
