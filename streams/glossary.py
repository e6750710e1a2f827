"""The words, letters and clauses of the two SOPs, for `sop glossary` and `docs/glossary.md`.

The clauses are whole sentences here; `agents.clauses` has the short form that explanations use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

NOT_SPELLED_OUT: Final = "The SOP does not expand the letters, so neither do we."

WORDS: Final[dict[str, str]] = {
    "SOP": "Standard operating procedure: the written steps that a support agent follows. The product covers two: "
    "out of scope with visited cancellation (clauses OOS-…), and disintermediation, also called offline service "
    "(clauses DIS-…).",
    "OOS": "Out of scope: work that no partner of the booked category can do.",
    "PAF": f"The penalty attached to a cancellation that is marked against the partner. {NOT_SPELLED_OUT}",
    "BPC": f"A closure that replaces a cancellation (closure code `bpc`). {NOT_SPELLED_OUT}",
    "MG": f"The partner's guaranteed-earnings plan (MG plan); a job counts in it or does not. {NOT_SPELLED_OUT}",
    "RWM": "A partner group (`rwm`). In Delhi and Mumbai its partners close jobs at BPC and may not cancel them. "
    f"{NOT_SPELLED_OUT}",
    "RO": f"A category of jobs (`ro`); on commercial premises it is outside the ticket flow. {NOT_SPELLED_OUT}",
    "OTP": "One-time password: the code with which the customer lets the partner start the job.",
    "DIS": "Disintermediation: a partner serves a customer and is paid outside the platform. Also called offline "
    "service.",
    "job": "One customer's booking of one home service; it has a category, a city and a site.",
    "partner": "The professional assigned to the job; also called pro or provider.",
    "agent": "The support person who works by the SOP.",
    "site": "Where the customer is, as a WGS84 point.",
    "premises": "What kind of place the site is: `residential` or `commercial`.",
    "appliance use": "What kind of appliance it is: `domestic` or `commercial`.",
    "visited cancellation": "A cancellation made after the partner has reached the site.",
    "mark": "A cancellation marked against the partner counts against that partner.",
    "live city": "A city where the app offers the OOS ticket (policy key `ticket_flow.live_cities`).",
    "case": "Everything known about one job or, where nothing was ever booked, about one ticket.",
    "engagement": "The part of a case that belongs to one partner. A job can be reassigned, and a penalty concerns "
    "one partner.",
    "claim": "The OOS ticket that decides: the one named by the latest validation, else the earliest one.",
    "presence": "Where the partner was at a moment, by location reports: `on_site`, `off_site` or `unknown`.",
    "route": "Which part of the SOP applies: `unknown`, `bpc_only`, `commercial`, `ticketed` or `manual`.",
    "training or review date": "When the penalty of a partner who is not at fault is reversed (`resolve_at: "
    "training_or_review`). The SOP does not say when that is.",
    "provisional": "The status of a decision while a step of the SOP is outstanding; otherwise it is `final`. A late "
    "fact can still lead to a new revision of a final decision.",
    "withdrawn": "The outcome of the last revision of a decision to which no rule applies any more.",
    "dead letter": "A record that could not be accepted, kept with its bytes, its place and the reason.",
}
"""What each word stands for."""

CLAUSE_TEXTS: Final[dict[str, str]] = {
    "OOS-1": "Work is out of scope if no partner of the category can deliver it.",
    "OOS-2": "A partner of group `rwm` in Delhi or Mumbai cannot use the visited-cancellation flow; the desk advises "
    "closing the job at BPC.",
    "OOS-3": "A partner may ask to have the rating of a genuine OOS job closed at BPC reversed. The agent verifies "
    "the partner's OOS ticket, then files the reversal.",
    "OOS-4": "If the customer withholds the start OTP or the payment, the partner creates an OOS ticket. The job is "
    "cancelled once the ticket is validated.",
    "OOS-5": "An established OOS case gets the tag partner-led cancellation / out of scope (tag code 4.2, on the job).",
    "OOS-6": "Commercial premises are served. Commercial appliances are out of scope.",
    "OOS-7": "The app opens the OOS ticket only to a partner at the site, meaning no more than 500 m away.",
    "OOS-8": "The ticket is created in the app: Help > Need Help with Job > This Job is out of scope.",
    "OOS-9": "When a ticket is confirmed, the partner learns that the team will get in touch, and the ticket is "
    "parked for 3 hours.",
    "OOS-10": "When these 3 hours are over, the desk calls the partner, and closes the ticket once the resolution is "
    "confirmed.",
    "OOS-11": "At commercial premises, a willing partner is guided to serve.",
    "OOS-12": "At commercial premises outside the ticket flow, the customer is asked to cancel. If the customer "
    "declines, the partner is asked to serve. If the partner declines too, the partner cancels under can't-deliver, "
    "and the PAF is reversed after validation, at the training or review date.",
    "OOS-13": "Images must show the work that cannot be done (Help > Profile > App Issue > Upload Media); validation "
    "depends on them.",
    "OOS-14": "A partner who is away from the site and refuses to go there is warned that the cancellation will be "
    "marked and will count in the metrics, and is guided to can't-deliver.",
    "OOS-15": "A partner who is away from the site but agrees to go there is treated as one at the site.",
    "OOS-16": "If the work cannot be done, the customer is asked to cancel with the reason incorrect service booked.",
    "OOS-17": "If the customer refuses to cancel, the partner cancels under Pro Cannot Deliver (Help > Pro Cannot "
    "Deliver).",
    "OOS-18": "A cancellation marked against the partner goes through the genuine-PAF procedure. If the partner is "
    "not at fault, it is reversed at the training or review date.",
    "OOS-19": "A partner who cancelled without visiting is told to visit next time, since the ticket option appears "
    "within 500 m.",
    "OOS-20": "With a validated OOS ticket, the booking is cancelled with no PAF and no mark, and does not count in "
    "the MG plan.",
    "OOS-21": "Validation takes place in a video call with the team.",
    "DIS-1": "A report is indirect if the customer complains about poor service and an offline service turns out to "
    "be behind it.",
    "DIS-2": "There are three types: never booked; cancelled on the platform and then served offline; partial, where "
    "extras were paid offline and are missing from the booking.",
    "DIS-3": "No proof of payment, no offline-service tag. Cash never counts as proof.",
    "DIS-4": "The partner id has to be right: it is looked up by the phone that the customer gives, and name, phone "
    "and service date agree with the proof.",
    "DIS-5": "The proof clearly shows the partner's name or phone.",
    "DIS-6": "The proof link leads to the image. It is neither blank nor a ticket id.",
    "DIS-7": "The money went to the account of that same partner.",
    "DIS-8": "The usual mistakes are a wrong partner id and an unclear image; both are checked again before tagging.",
    "DIS-9": "A tag states the service date, the partner id, that proof was given, and the proof link.",
    "DIS-10": "A genuine full offline service is refunded in full, a genuine partial one in part. A request that is "
    "not genuine brings no refund, but an apology and an assurance. The SOP names no amounts (reading: the proven "
    "amount is reported, and the agent confirms it).",
}
"""What each clause says, as in domain.md, "Clauses"."""

ENTRIES: Final[dict[str, str]] = {**WORDS, **CLAUSE_TEXTS}


def page() -> Iterator[str]:
    """Yield the lines of the glossary as a Markdown page."""
    yield "# Glossary"
    yield ""
    yield "The words, letters and clauses of the two SOPs, in our own words. `sop glossary` shows the same, and"
    yield "`sop glossary --markdown` writes this page."
    yield ""
    for title, entries in (("Words", WORDS), ("Clauses", CLAUSE_TEXTS)):
        yield f"## {title}"
        yield ""
        yield "| | |"
        yield "| --- | --- |"
        yield from (f"| {name} | {text} |" for name, text in entries.items())
        yield ""
