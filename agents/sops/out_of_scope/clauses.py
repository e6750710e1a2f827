"""The clauses and words of the out-of-scope SOP, in our own words (domain.md, "Clauses")."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Clause

CLAUSES: Final = {
    "OOS-1": Clause(
        "out of scope: no partner of the category can deliver the work",
        "Work is out of scope when no partner of the category can deliver it.",
    ),
    "OOS-2": Clause(
        "certain partner groups close at BPC in certain cities and may not cancel",
        "A partner of the group `rwm` in Delhi or Mumbai may not use the visited-cancellation flow "
        "and is advised to close the job at BPC.",
    ),
    "OOS-3": Clause(
        "a bad rating of a genuine job closed at BPC is reversed after the ticket was verified",
        "When a partner asks for the rating of a genuine out-of-scope job closed at BPC to be "
        "reversed, the agent verifies the ticket that the partner created, then files the reversal.",
    ),
    "OOS-4": Clause(
        "no start code or no payment: a ticket first, the cancellation after validation",
        "Where the customer does not share the start code or does not pay, the partner creates an "
        "out-of-scope ticket; the job is cancelled once it is validated.",
    ),
    "OOS-5": Clause(
        "an established case is tagged as partner-led cancellation, out of scope",
        "An established out-of-scope case is tagged partner-led cancellation / out of scope (tag "
        "code 4.2, on the job).",
    ),
    "OOS-6": Clause(
        "commercial premises are served, commercial appliances are not",
        "Commercial premises are served. Commercial appliances are out of scope.",
    ),
    "OOS-7": Clause(
        "the ticket needs the partner at the site",
        "The in-app ticket is open to a partner at the site, that is within 500 m of it.",
    ),
    "OOS-8": Clause(
        "where in the app the ticket is created",
        "The partner creates the ticket in the app under Help > Need Help with Job > This Job is out of scope.",
    ),
    "OOS-9": Clause(
        "the partner hears that the team will connect, the ticket is parked",
        "Once the ticket is confirmed the partner hears that the team will connect, and the ticket "
        "is parked for 3 hours.",
    ),
    "OOS-10": Clause(
        "after parking the partner is called and the confirmed ticket closed",
        "After these 3 hours the partner is called. The ticket is closed when the resolution is confirmed.",
    ),
    "OOS-11": Clause(
        "a willing partner is guided to serve commercial premises",
        "On commercial premises a partner who is willing is guided to serve.",
    ),
    "OOS-12": Clause(
        "commercial premises outside the ticket flow: who is asked to cancel, and the reversal",
        "On commercial premises outside of the ticket flow the customer is asked to cancel; one who "
        "declines leads to the partner being asked to serve; a partner who declines too cancels "
        "under can't-deliver, and the PAF is reversed after validation, at the training or review "
        "date.",
    ),
    "OOS-13": Clause(
        "images must show the work that cannot be delivered",
        "The partner shows the work that cannot be delivered in images (Help > Profile > App Issue > "
        "Upload Media); validation needs them.",
    ),
    "OOS-14": Clause(
        "a partner who will not go is warned and guided to can't-deliver",
        "A partner who is not at the site and will not go is warned that the cancellation will be "
        "marked and will count in the metrics, and is guided to can't-deliver.",
    ),
    "OOS-15": Clause(
        "a partner who will go continues as at the site",
        "A partner who is not at the site and will go continues as one at the site.",
    ),
    "OOS-16": Clause(
        "work that cannot be done: the customer is asked to cancel",
        "Where the work cannot be done the customer is asked to cancel as incorrect service booked.",
    ),
    "OOS-17": Clause(
        "the customer will not cancel: the partner does, as cannot deliver",
        "Where the customer refuses to, the partner cancels under Pro Cannot Deliver (Help > Pro Cannot Deliver).",
    ),
    "OOS-18": Clause(
        "a cancellation marked against the partner is reviewed for a genuine reason",
        "A cancellation that was marked against the partner goes through the genuine-PAF procedure; "
        "a partner not at fault has it reversed at the training or review date.",
    ),
    "OOS-19": Clause(
        "a partner who cancelled unseen is told to visit next time",
        "A partner who cancelled before visiting is told to visit next time: the ticket option appears within 500 m.",
    ),
    "OOS-20": Clause(
        "a validated ticket: cancelled without penalty, mark or count",
        "With a validated ticket the booking is cancelled without PAF and without a mark, and does "
        "not count in the MG plan.",
    ),
    "OOS-21": Clause(
        "the team validates by video call",
        "The team validates over a video call.",
    ),
}

WORDS: Final = {
    "OOS": "Out of scope: work that no partner of the booked category can deliver.",
    "PAF": "The penalty that a cancellation marked against the partner carries. The source does not "
    "spell the letters out, and neither do we.",
    "BPC": "A way of closing a job instead of cancelling it (closure `bpc`). The source does not spell "
    "the letters out, and neither do we.",
    "MG": "The partner's guaranteed-earnings plan (MG plan), in which a job counts or does not count. "
    "The source does not spell the letters out, and neither do we.",
    "RWM": "A group of partners (`rwm`) who close at BPC in Delhi and Mumbai and may not cancel there. "
    "The source does not spell the letters out, and neither do we.",
    "RO": "A category of jobs (`ro`); on commercial premises it is outside of the ticket flow. The "
    "source does not spell the letters out, and neither do we.",
    "OTP": "One-time password: the code with which the customer lets the partner start the job.",
    "appliance use": "What kind of appliance it is: `domestic` or `commercial`.",
    "visited cancellation": "A cancellation after the partner has reached the site.",
    "mark": "A cancellation that is marked against the partner counts against that partner.",
    "live city": "A city in which the in-app ticket flow is live (policy key `ticket_flow.live_cities`).",
    "engagement": "One partner's part in a case. A job can change hands, and a penalty is about one partner.",
    "claim": "The out-of-scope ticket that decides: the one that the latest validation names, else the earliest.",
    "route": "Which part of the procedure applies: `unknown`, `bpc_only`, `commercial`, `ticketed` or `manual`.",
    "training or review date": "When a penalty of a partner who is not at fault is reversed (`resolve_at: "
    "training_or_review`); the source names the date and does not say when it is.",
}
"""The words of the SOP, for the glossary."""
