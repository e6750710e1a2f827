"""Every clause of the two SOPs, by id, in a few words of our own (domain, "Clauses")."""

from __future__ import annotations

from typing import Final

CLAUSES: Final[dict[str, str]] = {
    "OOS-1": "out of scope: no partner of the category can deliver the work",
    "OOS-2": "certain partner groups close at BPC in certain cities and may not cancel",
    "OOS-3": "a bad rating of a genuine job closed at BPC is reversed after the ticket was verified",
    "OOS-4": "no start code or no payment: a ticket first, the cancellation after validation",
    "OOS-5": "an established case is tagged as partner-led cancellation, out of scope",
    "OOS-6": "commercial premises are served, commercial appliances are not",
    "OOS-7": "the ticket needs the partner at the site",
    "OOS-8": "where in the app the ticket is created",
    "OOS-9": "the partner hears that the team will connect, the ticket is parked",
    "OOS-10": "after parking the partner is called and the confirmed ticket closed",
    "OOS-11": "a willing partner is guided to serve commercial premises",
    "OOS-12": "commercial premises outside the ticket flow: who is asked to cancel, and the reversal",
    "OOS-13": "images must show the work that cannot be delivered",
    "OOS-14": "a partner who will not go is warned and guided to can't-deliver",
    "OOS-15": "a partner who will go continues as at the site",
    "OOS-16": "work that cannot be done: the customer is asked to cancel",
    "OOS-17": "the customer will not cancel: the partner does, as cannot deliver",
    "OOS-18": "a cancellation marked against the partner is reviewed for a genuine reason",
    "OOS-19": "a partner who cancelled unseen is told to visit next time",
    "OOS-20": "a validated ticket: cancelled without penalty, mark or count",
    "OOS-21": "the team validates by video call",
    "DIS-1": "a complaint about service that turns out to be about an offline one",
    "DIS-2": "three types of offline service",
    "DIS-3": "no tag without proof of payment, and cash proves nothing",
    "DIS-4": "the partner, the phone and the service date must match the proof",
    "DIS-5": "the payee is readable on the proof",
    "DIS-6": "the proof's link is the image itself",
    "DIS-7": "the money went to that same partner",
    "DIS-8": "wrong partner or unreadable image: check again first",
    "DIS-9": "what a tag carries",
    "DIS-10": "full, partial or no refund",
}
