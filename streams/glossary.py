"""The words, letters and clauses of the two SOPs; `sop glossary` and `docs/glossary.md` are made from this.

The clauses are told in whole sentences here; `agents.clauses` has the few words on each that explanations carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

NOT_SPELLED_OUT: Final = "The source does not spell the letters out, and neither do we."

WORDS: Final[dict[str, str]] = {
    "SOP": "Standard operating procedure: the written steps that a support agent follows. There are two of them here: "
    "out of scope with visited cancellation (clauses OOS-…), and disintermediation, or offline service (DIS-…).",
    "OOS": "Out of scope: work that no partner of the booked category can deliver.",
    "PAF": f"The penalty that a cancellation marked against the partner carries. {NOT_SPELLED_OUT}",
    "BPC": f"A way of closing a job instead of cancelling it (closure `bpc`). {NOT_SPELLED_OUT}",
    "MG": "The partner's guaranteed-earnings plan (MG plan), in which a job counts or does not count. "
    f"{NOT_SPELLED_OUT}",
    "RWM": "A group of partners (`rwm`) who close at BPC in Delhi and Mumbai and may not cancel there. "
    f"{NOT_SPELLED_OUT}",
    "RO": "A category of jobs (`ro`); on commercial premises it is outside of the ticket flow. " + NOT_SPELLED_OUT,
    "OTP": "One-time password: the code with which the customer lets the partner start the job.",
    "DIS": "Disintermediation: a partner serves a customer outside of the platform. Offline service is another word "
    "for it.",
    "job": "One booking of a home service by a customer, with a category, a city and a site.",
    "partner": "The professional who is to do the job; also called pro or provider.",
    "agent": "A support person who follows the SOP.",
    "site": "Where the customer is, as a point (WGS84).",
    "premises": "What kind of place the site is: `residential` or `commercial`.",
    "appliance use": "What kind of appliance it is: `domestic` or `commercial`.",
    "visited cancellation": "A cancellation after the partner has reached the site.",
    "mark": "A cancellation that is marked against the partner counts against that partner.",
    "live city": "A city in which the in-app ticket flow is live (policy key `ticket_flow.live_cities`).",
    "case": "All that is known about one job or, where there was no booking, about one ticket.",
    "engagement": "One partner's part in a case. A job can change hands, and a penalty is about one partner.",
    "claim": "The out-of-scope ticket that decides: the one that the latest validation names, else the earliest.",
    "presence": "Where the partner was at a moment, from location reports: `on_site`, `off_site` or `unknown`.",
    "route": "Which part of the procedure applies: `unknown`, `bpc_only`, `commercial`, `ticketed` or `manual`.",
    "training or review date": "When a penalty of a partner who is not at fault is reversed "
    "(`resolve_at: training_or_review`); the source names the date and does not say when it is.",
    "provisional": "The status of a decision while a step of the SOP is outstanding; otherwise it is `final`. A late "
    "fact can still bring a new revision of a final one.",
    "withdrawn": "The outcome of a last revision where no rule applies any more.",
    "dead letter": "A record that could not be accepted, kept with its bytes, its place and the reason.",
}
"""What each word stands for."""

CLAUSE_TEXTS: Final[dict[str, str]] = {
    "OOS-1": "Work is out of scope when no partner of the category can deliver it.",
    "OOS-2": "A partner of the group `rwm` in Delhi or Mumbai may not use the visited-cancellation flow and is advised "
    "to close the job at BPC.",
    "OOS-3": "When a partner asks for the rating of a genuine out-of-scope job closed at BPC to be reversed, the agent "
    "verifies the ticket that the partner created, then files the reversal.",
    "OOS-4": "Where the customer does not share the start code or does not pay, the partner creates an out-of-scope "
    "ticket; the job is cancelled once it is validated.",
    "OOS-5": "An established out-of-scope case is tagged partner-led cancellation / out of scope (tag code 4.2, on the "
    "job).",
    "OOS-6": "Commercial premises are served. Commercial appliances are out of scope.",
    "OOS-7": "The in-app ticket is open to a partner at the site, that is within 500 m of it.",
    "OOS-8": "The partner creates the ticket in the app under Help > Need Help with Job > This Job is out of scope.",
    "OOS-9": "Once the ticket is confirmed the partner hears that the team will connect, and the ticket is parked for "
    "3 hours.",
    "OOS-10": "After these 3 hours the partner is called. The ticket is closed when the resolution is confirmed.",
    "OOS-11": "On commercial premises a partner who is willing is guided to serve.",
    "OOS-12": "On commercial premises outside of the ticket flow the customer is asked to cancel; one who declines "
    "leads to the partner being asked to serve; a partner who declines too cancels under can't-deliver, and the PAF is "
    "reversed after validation, at the training or review date.",
    "OOS-13": "The partner shows the work that cannot be delivered in images (Help > Profile > App Issue > Upload "
    "Media); validation needs them.",
    "OOS-14": "A partner who is not at the site and will not go is warned that the cancellation will be marked and "
    "will count in the metrics, and is guided to can't-deliver.",
    "OOS-15": "A partner who is not at the site and will go continues as one at the site.",
    "OOS-16": "Where the work cannot be done the customer is asked to cancel as incorrect service booked.",
    "OOS-17": "Where the customer refuses to, the partner cancels under Pro Cannot Deliver (Help > Pro Cannot "
    "Deliver).",
    "OOS-18": "A cancellation that was marked against the partner goes through the genuine-PAF procedure; a partner "
    "not at fault has it reversed at the training or review date.",
    "OOS-19": "A partner who cancelled before visiting is told to visit next time: the ticket option appears within "
    "500 m.",
    "OOS-20": "With a validated ticket the booking is cancelled without PAF and without a mark, and does not count in "
    "the MG plan.",
    "OOS-21": "The team validates over a video call.",
    "DIS-1": "An offline service is reported indirectly when a complaint about poor service turns out to be about one.",
    "DIS-2": "There are three types: no booking; cancelled on the platform and then served offline; partial, that is "
    "extras paid offline and missing from the booking.",
    "DIS-3": "Without proof of payment there is no offline-service tag, and cash is never proof.",
    "DIS-4": "The partner id must be right: found by the phone that the customer gives, with name, phone and service "
    "date as on the proof.",
    "DIS-5": "The partner's name or phone is clearly visible on the proof.",
    "DIS-6": "The link of the proof is the image itself: not blank, and no ticket id.",
    "DIS-7": "The payment went to that same partner's account.",
    "DIS-8": "A wrong partner id or an unclear image is the usual mistake: both are checked again before tagging.",
    "DIS-9": "A tag carries the service date, the partner id, that proof was given, and the link of the proof.",
    "DIS-10": "A genuine full offline service is refunded in full and a genuine partial one in part; one that is not "
    "genuine brings no refund but an apology and an assurance. The amounts are not spelled out in the source: the "
    "proven amount is reported, and the agent confirms it.",
}
"""What each clause says, in our own words."""

ENTRIES: Final[dict[str, str]] = {**WORDS, **CLAUSE_TEXTS}


def page() -> Iterator[str]:
    """Yield the lines of the glossary as a Markdown page."""
    yield "# Glossary"
    yield ""
    yield "What the words, letters and clauses of the two SOPs stand for, in our own words. `sop glossary` tells the"
    yield "same, and makes this page."
    yield ""
    for title, entries in (("Words", WORDS), ("Clauses", CLAUSE_TEXTS)):
        yield f"## {title}"
        yield ""
        yield "| | |"
        yield "| --- | --- |"
        yield from (f"| {name} | {text} |" for name, text in entries.items())
        yield ""
