"""The clauses and words of the out-of-scope SOP, in our own words (domain.md, "Clauses")."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import Clause

CLAUSES: Final = {
    "OOS-1": Clause(
        "out of scope: no partner of the category can deliver the work",
        "Work is out of scope if no partner of the category can deliver it.",
        "आउट ऑफ़ स्कोप: ऐसा काम जो इस श्रेणी का कोई भी पार्टनर नहीं कर सकता",
    ),
    "OOS-2": Clause(
        "certain partner groups close at BPC in certain cities and may not cancel",
        "A partner of group `rwm` in Delhi or Mumbai cannot use the visited-cancellation flow; the "
        "desk advises closing the job at BPC.",
        "कुछ ग्रुप के पार्टनर कुछ शहरों में काम BPC पर बंद करते हैं और कैंसिल नहीं कर सकते",
    ),
    "OOS-3": Clause(
        "a bad rating of a genuine job closed at BPC is reversed after the ticket was verified",
        "A partner may ask to have the rating of a genuine OOS job closed at BPC reversed. The agent "
        "verifies the partner's OOS ticket, then files the reversal.",
        "BPC पर बंद हुए सही काम की ख़राब रेटिंग, टिकट की पुष्टि के बाद हटाई जाती है",
    ),
    "OOS-4": Clause(
        "no start code or no payment: a ticket first, the cancellation after validation",
        "If the customer withholds the start OTP or the payment, the partner opens an OOS ticket, and "
        "its validation leads to the cancellation of the job.",
        "स्टार्ट OTP या भुगतान न मिले: पहले टिकट, फिर जाँच के बाद कैंसिलेशन",
    ),
    "OOS-5": Clause(
        "an established case is tagged as partner-led cancellation, out of scope",
        "An established OOS case gets the tag partner-led cancellation / out of scope (tag code 4.2, on the job).",
        "मामला साबित होने पर टैग: पार्टनर की ओर से कैंसिलेशन, आउट ऑफ़ स्कोप",
    ),
    "OOS-6": Clause(
        "commercial premises are served, commercial appliances are not",
        "Commercial premises are served. Commercial appliances are out of scope.",
        "व्यावसायिक जगहों पर काम किया जाता है, व्यावसायिक उपकरणों पर नहीं",
    ),
    "OOS-7": Clause(
        "the ticket needs the partner at the site",
        "The app opens the OOS ticket only to a partner at the site, meaning no more than 500 m away.",
        "टिकट के लिए पार्टनर का साइट पर होना ज़रूरी है",
    ),
    "OOS-8": Clause(
        "where in the app the ticket is created",
        "The ticket is created in the app: Help > Need Help with Job > This Job is out of scope.",
        "ऐप में टिकट कहाँ बनता है",
    ),
    "OOS-9": Clause(
        "the partner hears that the team will connect, the ticket is parked",
        "When a ticket is confirmed, the partner learns that the team will get in touch, and the "
        "ticket is parked for 3 hours.",
        "पार्टनर को बताया जाता है कि टीम संपर्क करेगी, और टिकट कुछ समय के लिए रोका जाता है",
    ),
    "OOS-10": Clause(
        "after parking the partner is called and the confirmed ticket closed",
        "When these 3 hours are over, the desk calls the partner, and closes the ticket once the "
        "resolution is confirmed.",
        "इस समय के बाद पार्टनर को कॉल किया जाता है, और समाधान की पुष्टि होने पर टिकट बंद होता है",
    ),
    "OOS-11": Clause(
        "a willing partner is guided to serve commercial premises",
        "At commercial premises, a willing partner is guided to serve.",
        "व्यावसायिक जगह पर जो पार्टनर काम करने को तैयार है, उसे आगे का रास्ता बताया जाता है",
    ),
    "OOS-12": Clause(
        "commercial premises outside the ticket flow: who is asked to cancel, and the reversal",
        "At commercial premises outside the ticket flow, the customer is asked to cancel. If the "
        "customer declines, the partner is asked to serve. A partner who declines as well cancels "
        "under can't-deliver. Once validated, the PAF is reversed at the training or review date.",
        "टिकट की सुविधा से बाहर की व्यावसायिक जगहें: कैंसिल करने के लिए किससे कहा जाए, और पेनल्टी कब हटे",
    ),
    "OOS-13": Clause(
        "images must show the work that cannot be delivered",
        "Images must show the work that cannot be done (Help > Profile > App Issue > Upload Media); "
        "validation depends on them.",
        "तस्वीरों में वह काम दिखना चाहिए जो नहीं किया जा सकता",
    ),
    "OOS-14": Clause(
        "a partner who will not go is warned and guided to can't-deliver",
        "A partner who is away from the site and refuses to go there is warned about the mark and its "
        "effect on the metrics, and is guided to can't-deliver.",
        "जो पार्टनर साइट पर नहीं जाना चाहता, उसे असर बताकर can't-deliver का रास्ता बताया जाता है",
    ),
    "OOS-15": Clause(
        "a partner who will go continues as at the site",
        "A partner who is away from the site but agrees to go there is treated as one at the site.",
        "जो पार्टनर साइट पर जाने को तैयार है, उसके लिए वही नियम हैं जो साइट पर मौजूद पार्टनर के लिए",
    ),
    "OOS-16": Clause(
        "work that cannot be done: the customer is asked to cancel",
        "If the work cannot be done, the customer is asked to cancel with the reason incorrect service booked.",
        "काम नहीं हो सकता: ग्राहक से कैंसिल करने को कहा जाता है",
    ),
    "OOS-17": Clause(
        "the customer will not cancel: the partner does, as cannot deliver",
        "A customer's refusal to cancel leaves the cancellation to the partner, under Pro Cannot "
        "Deliver (Help > Pro Cannot Deliver).",
        "ग्राहक कैंसिल न करे: पार्टनर Pro Cannot Deliver के तहत कैंसिल करता है",
    ),
    "OOS-18": Clause(
        "a cancellation marked against the partner is reviewed for a genuine reason",
        "A cancellation marked against the partner goes through the genuine-PAF procedure. It is "
        "reversed at the training or review date for a partner who is not at fault.",
        "पार्टनर के ख़िलाफ़ दर्ज कैंसिलेशन की समीक्षा होती है कि वजह सही थी या नहीं",
    ),
    "OOS-19": Clause(
        "a partner who cancelled unseen is told to visit next time",
        "A partner who cancelled without visiting is told to visit next time, since the ticket "
        "option appears within 500 m.",
        "बिना साइट पर पहुँचे कैंसिल करने वाले पार्टनर से कहा जाता है कि अगली बार साइट पर जाए",
    ),
    "OOS-20": Clause(
        "a validated ticket: cancelled without penalty, mark or count",
        "With a validated OOS ticket, the booking is cancelled with no PAF and no mark, and does not "
        "count in the MG plan.",
        "टिकट सही पाया जाए: बिना पेनल्टी कैंसिलेशन, न ख़िलाफ़ दर्ज, न MG प्लान में गिना जाए",
    ),
    "OOS-21": Clause(
        "the team validates by video call",
        "Validation takes place in a video call with the team.",
        "टीम वीडियो कॉल पर जाँच करती है",
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
