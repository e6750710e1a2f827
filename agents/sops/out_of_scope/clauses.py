"""The clauses and words of the out-of-scope SOP, in our own words (domain.md, "Clauses")."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Clause

CLAUSES: Final = {
    "OOS-1": Clause(
        "out of scope: no partner of the category can deliver the work",
        "Work is out of scope if no partner of the category can deliver it.",
    ),
    "OOS-2": Clause(
        "certain partner groups close at BPC in certain cities and may not cancel",
        "A partner of group `rwm` in Delhi or Mumbai cannot use the visited-cancellation flow; the "
        "desk advises closing the job at BPC.",
    ),
    "OOS-3": Clause(
        "a bad rating of a genuine job closed at BPC is reversed after the ticket was verified",
        "A partner may ask to have the rating of a genuine OOS job closed at BPC reversed. The agent "
        "verifies the partner's OOS ticket, then files the reversal.",
    ),
    "OOS-4": Clause(
        "no start code or no payment: a ticket first, the cancellation after validation",
        "If the customer withholds the start OTP or the payment, the partner opens an OOS ticket, and "
        "its validation leads to the cancellation of the job.",
    ),
    "OOS-5": Clause(
        "an established case is tagged as partner-led cancellation, out of scope",
        "An established OOS case gets the tag partner-led cancellation / out of scope (tag code 4.2, on the job).",
    ),
    "OOS-6": Clause(
        "commercial premises are served, commercial appliances are not",
        "Commercial premises are served. Commercial appliances are out of scope.",
    ),
    "OOS-7": Clause(
        "the ticket needs the partner at the site",
        "The app opens the OOS ticket only to a partner at the site, meaning no more than 500 m away.",
    ),
    "OOS-8": Clause(
        "where in the app the ticket is created",
        "The ticket is created in the app: Help > Need Help with Job > This Job is out of scope.",
    ),
    "OOS-9": Clause(
        "the partner hears that the team will connect, the ticket is parked",
        "When a ticket is confirmed, the partner learns that the team will get in touch, and the "
        "ticket is parked for 3 hours.",
    ),
    "OOS-10": Clause(
        "after parking the partner is called and the confirmed ticket closed",
        "When these 3 hours are over, the desk calls the partner, and closes the ticket once the "
        "resolution is confirmed.",
    ),
    "OOS-11": Clause(
        "a willing partner is guided to serve commercial premises",
        "At commercial premises, a willing partner is guided to serve.",
    ),
    "OOS-12": Clause(
        "commercial premises outside the ticket flow: who is asked to cancel, and the reversal",
        "At commercial premises outside the ticket flow, the customer is asked to cancel. If the "
        "customer declines, the partner is asked to serve. A partner who declines as well cancels "
        "under can't-deliver. Once validated, the PAF is reversed at the training or review date.",
    ),
    "OOS-13": Clause(
        "images must show the work that cannot be delivered",
        "Images must show the work that cannot be done (Help > Profile > App Issue > Upload Media); "
        "validation depends on them.",
    ),
    "OOS-14": Clause(
        "a partner who will not go is warned and guided to can't-deliver",
        "A partner who is away from the site and refuses to go there is warned about the mark and its "
        "effect on the metrics, and is guided to can't-deliver.",
    ),
    "OOS-15": Clause(
        "a partner who will go continues as at the site",
        "A partner who is away from the site but agrees to go there is treated as one at the site.",
    ),
    "OOS-16": Clause(
        "work that cannot be done: the customer is asked to cancel",
        "If the work cannot be done, the customer is asked to cancel with the reason incorrect service booked.",
    ),
    "OOS-17": Clause(
        "the customer will not cancel: the partner does, as cannot deliver",
        "A customer's refusal to cancel leaves the cancellation to the partner, under Pro Cannot "
        "Deliver (Help > Pro Cannot Deliver).",
    ),
    "OOS-18": Clause(
        "a cancellation marked against the partner is reviewed for a genuine reason",
        "A cancellation marked against the partner goes through the genuine-PAF procedure. It is "
        "reversed at the training or review date for a partner who is not at fault.",
    ),
    "OOS-19": Clause(
        "a partner who cancelled unseen is told to visit next time",
        "A partner who cancelled without visiting is told to visit next time, since the ticket "
        "option appears within 500 m.",
    ),
    "OOS-20": Clause(
        "a validated ticket: cancelled without penalty, mark or count",
        "With a validated OOS ticket, the booking is cancelled with no PAF and no mark, and does not "
        "count in the MG plan.",
    ),
    "OOS-21": Clause(
        "the team validates by video call",
        "Validation takes place in a video call with the team.",
    ),
}

WORDS: Final = {
    "OOS": "Out of scope: work that no partner of the booked category can do.",
    "PAF": "The penalty attached to a cancellation that is marked against the partner. The SOP does not "
    "expand the letters, so neither do we.",
    "BPC": "A closure that replaces a cancellation (closure code `bpc`). The SOP does not expand the "
    "letters, so neither do we.",
    "MG": "The partner's guaranteed-earnings plan (MG plan); a job counts in it or does not. The SOP "
    "does not expand the letters, so neither do we.",
    "RWM": "A partner group (`rwm`). In Delhi and Mumbai its partners close jobs at BPC and may not "
    "cancel them. The SOP does not expand the letters, so neither do we.",
    "RO": "A category of jobs (`ro`); on commercial premises it is outside the ticket flow. The SOP "
    "does not expand the letters, so neither do we.",
    "OTP": "One-time password: the code with which the customer lets the partner start the job.",
    "appliance use": "What kind of appliance it is: `domestic` or `commercial`.",
    "visited cancellation": "A cancellation made once the partner was at the site.",
    "mark": "A cancellation marked against the partner counts against that partner.",
    "live city": "A city where the app offers the OOS ticket (policy key `ticket_flow.live_cities`).",
    "engagement": "The part of a case that belongs to one partner. A job can be reassigned, and a penalty "
    "concerns one partner.",
    "claim": "The OOS ticket that decides: the one named by the latest validation, else the earliest one.",
    "route": "Which part of the SOP applies: `unknown`, `bpc_only`, `commercial`, `ticketed` or `manual`.",
    "training or review date": "When the penalty of a partner who is not at fault is reversed (`resolve_at: "
    "training_or_review`). The SOP does not say when that is.",
}
"""The words of the SOP, for the glossary."""
