"""What statements say about the penalty (PAF); the rows are those of `agents.sops.out_of_scope.paf`."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope.statements.shared import (
    A_TICKET_IS_VALIDATED,
    A_TICKET_IS_VALIDATED_AND_SHOWN,
    FOUND_GENUINE,
    REASONS,
    REFUSED_LATER,
    SHOWN_AT_THE_SITE,
    TICKET_STEPS,
    VALIDATED_AND_SHOWN,
    VALIDATED_LATER_AND_SHOWN,
)
from agents.sops.tables.statements import Change, KindStatements, Text, Wording

NO_TICKET: Final = Text(
    "the cancellation that is marked against you",
    "आपके ख़िलाफ़ दर्ज कैंसिलेशन",
)
MARKED: Final = Text(
    "If a cancellation is marked against you",
    "अगर कोई कैंसिलेशन आपके ख़िलाफ़ दर्ज किया जाए",
)
TICKET_CREATED: Final = Change(
    Text(
        "If an out-of-scope ticket for this job is created while a location report shows you at the site",
        "अगर इस काम का आउट ऑफ़ स्कोप टिकट बने और लोकेशन रिपोर्ट से पता चले कि उस समय आप साइट पर थे",
    ),
    ("under_review",),
    "provisional",
)
TICKET_VALIDATED: Final = Change(
    Text(
        "If that ticket is then validated as genuine and has the images that it needs",
        "अगर वह टिकट जाँच में सही भी पाया जाए और उसमें ज़रूरी तस्वीरें हों",
    ),
    ("reversal_scheduled",),
)


def _review(
    reason: str, rests_on: Text, better: Text, *, if_marked: tuple[Change, ...] = (), else_: tuple[Change, ...] = ()
) -> tuple[Wording, Wording]:
    """Return the wordings of a review, by whether a cancellation is marked: what `better` leads to depends on it."""
    marked = Wording(
        outcome="under_review",
        reason=reason,
        fields={"cancellation_marked": True},
        rests_on=rests_on,
        changes=(Change(better, ("reversal_scheduled",)), *if_marked),
    )
    not_marked = Wording(
        outcome="under_review",
        reason=reason,
        rests_on=rests_on,
        changes=(Change(better, ("waived",)), *else_),
    )
    return marked, not_marked


PAF_STATEMENTS: Final = KindStatements(
    title=Text("the penalty (PAF) for a cancellation", "कैंसिलेशन की पेनल्टी (PAF)"),
    outcomes={
        "under_review": Text("the penalty is under review", "पेनल्टी समीक्षा में है"),
        "upheld": Text("the penalty stands", "पेनल्टी लागू रहेगी"),
        "reversal_scheduled": Text(
            "the penalty is reversed at your training or review date",
            "आपकी ट्रेनिंग या समीक्षा की तारीख़ पर पेनल्टी हटा दी जाएगी",
        ),
        "waived": Text("no penalty, since it is waived", "कोई पेनल्टी नहीं, वह माफ़ है"),
        "not_applicable": Text(
            "no penalty, since none was due",
            "कोई पेनल्टी नहीं, क्योंकि वह बनती ही नहीं थी",
        ),
    },
    reasons=REASONS,
    fields={
        "cancellation_marked": {
            True: Text(
                "The cancellation counts as marked against you.",
                "कैंसिलेशन आपके ख़िलाफ़ दर्ज माना जाता है।",
            ),
            False: Text(
                "No cancellation is marked against you.",
                "आपके ख़िलाफ़ कोई कैंसिलेशन दर्ज नहीं है।",
            ),
        },
        "counts_in_mg": {
            True: Text("The job counts in your MG plan.", "यह काम आपके MG प्लान में गिना जाता है।"),
            False: Text("The job does not count in your MG plan.", "यह काम आपके MG प्लान में नहीं गिना जाता।"),
            None: Text(
                "Whether the job counts in your MG plan is not decided.",
                "यह काम आपके MG प्लान में गिना जाएगा या नहीं, यह तय नहीं है।",
            ),
        },
    },
    wordings=(
        *_review(  # P0
            "booking_missing",
            Text("the cancellation", "कैंसिलेशन"),
            Text(
                "If the booking reaches us and allows your group to cancel, an out-of-scope ticket for this job is "
                "validated as genuine and has the images that it needs, and a location report shows you at the site "
                "when it was created, when you added an image or when you cancelled",
                "अगर बुकिंग की जानकारी मिल जाए और उसके अनुसार आपका ग्रुप काम कैंसिल कर सकता हो, इस काम का कोई आउट ऑफ़ स्कोप टिकट "
                "जाँच में सही पाया जाए, उसमें ज़रूरी तस्वीरें हों, और किसी लोकेशन रिपोर्ट से पता चले कि टिकट बनने, आपके तस्वीर जोड़ने या "
                "आपके कैंसिल करने के समय आप साइट पर थे",
            ),
        ),
        Wording(  # P1
            outcome="upheld",
            reason="cancellation_not_allowed",
            rests_on=Text(
                "the booking, your assignment to the job, and your cancellation",
                "बुकिंग, काम आपको दिए जाने का रिकॉर्ड, और आपका कैंसिलेशन",
            ),
            changes=(
                Change(
                    Text(
                        "If the city of the booking or your group was recorded wrongly and is corrected, an "
                        "out-of-scope ticket for this job is validated as genuine and has the images that it needs, "
                        "and a location report shows you at the site when it was created, when you added an image or "
                        "when you cancelled",
                        "अगर बुकिंग का शहर या आपका ग्रुप ग़लत दर्ज हुआ था और उसे सुधारा जाए, इस काम का कोई आउट ऑफ़ स्कोप टिकट जाँच "
                        "में सही पाया जाए, उसमें ज़रूरी तस्वीरें हों, और किसी लोकेशन रिपोर्ट से पता चले कि टिकट बनने, आपके तस्वीर जोड़ने "
                        "या आपके कैंसिल करने के समय आप साइट पर थे",
                    ),
                    ("reversal_scheduled", "waived"),
                ),
            ),
        ),
        Wording(  # P2
            outcome="upheld",
            reason="not_genuine",
            rests_on=Text(
                "the out-of-scope ticket, its validation, and the cancellation that is marked against you",
                "आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, और आपके ख़िलाफ़ दर्ज कैंसिलेशन",
            ),
            changes=(Change(VALIDATED_LATER_AND_SHOWN, ("reversal_scheduled",)),),
        ),
        *_review(  # P3
            "presence_conflict",
            Text(
                "the out-of-scope ticket, its validation, the images that it needed, the cancellation, and a location "
                "report, compared with the booking",
                "आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, उसके लिए ज़रूरी तस्वीरें, कैंसिलेशन, और बुकिंग से मिलाई गई लोकेशन रिपोर्ट",
            ),
            SHOWN_AT_THE_SITE,
        ),
        Wording(  # P4
            outcome="upheld",
            reason="not_on_site",
            rests_on=Text(
                "your cancellation, and a location report, compared with the booking",
                "आपका कैंसिलेशन, और बुकिंग से मिलाई गई लोकेशन रिपोर्ट",
            ),
            changes=(
                Change(A_TICKET_IS_VALIDATED, ("under_review",), "provisional"),
                Change(A_TICKET_IS_VALIDATED_AND_SHOWN, ("reversal_scheduled", "waived")),
            ),
        ),
        Wording(  # P5, while a claim is awaited
            outcome="upheld",
            status="provisional",
            reason="no_claim",
            rests_on=NO_TICKET,
            changes=(TICKET_CREATED, TICKET_VALIDATED),
        ),
        Wording(  # P5, afterwards: a claim still counts
            outcome="upheld",
            reason="no_claim",
            rests_on=Text(
                "the cancellation that is marked against you, and the end of the time for a ticket; a ticket that is "
                "created now still counts",
                "आपके ख़िलाफ़ दर्ज कैंसिलेशन, और टिकट के लिए तय समय का पूरा हो जाना; अब बना टिकट भी गिना जाएगा",
            ),
            changes=(TICKET_CREATED, TICKET_VALIDATED),
        ),
        *_review(  # P6
            "awaiting_validation",
            Text(
                "the out-of-scope ticket, its validation if there is one, and the cancellation",
                "आउट ऑफ़ स्कोप टिकट, अगर जाँच हुई है तो उसका नतीजा, और कैंसिलेशन",
            ),
            VALIDATED_AND_SHOWN,
            if_marked=(Change(REFUSED_LATER, ("upheld",)),),
            else_=(Change(REFUSED_LATER, ("not_applicable",)),),
        ),
        *_review(  # P7
            "presence_unknown",
            Text(
                "the out-of-scope ticket, its validation, the images that it needed, and the cancellation",
                "आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, उसके लिए ज़रूरी तस्वीरें, और कैंसिलेशन",
            ),
            SHOWN_AT_THE_SITE,
        ),
        Wording(  # P8-commercial
            outcome="reversal_scheduled",
            clause="OOS-12",
            why=FOUND_GENUINE,
            rests_on=Text(
                "the out-of-scope ticket, its validation, the images that it needed, the cancellation that is marked "
                "against you, and what shows commercial premises",
                "आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, उसके लिए ज़रूरी तस्वीरें, आपके ख़िलाफ़ दर्ज कैंसिलेशन, और वह रिकॉर्ड जिससे "
                "व्यावसायिक जगह का पता चलता है",
            ),
            is_favourable=True,
            changes=(Change(REFUSED_LATER, ("upheld",)),),
        ),
        Wording(  # P8-elsewhere
            outcome="reversal_scheduled",
            why=FOUND_GENUINE,
            rests_on=Text(
                "the out-of-scope ticket, its validation, the images that it needed, the cancellation that is marked "
                "against you, and a location report that shows you at the site",
                "आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, उसके लिए ज़रूरी तस्वीरें, आपके ख़िलाफ़ दर्ज कैंसिलेशन, और आपको साइट पर "
                "दिखाने वाली लोकेशन रिपोर्ट",
            ),
            is_favourable=True,
            changes=(Change(REFUSED_LATER, ("upheld",)),),
        ),
        Wording(  # P9; its evidence alone tells the two rows apart
            outcome="waived",
            why=FOUND_GENUINE,
            rests_on=Text(
                "the out-of-scope ticket, its validation, the images that it needed, the cancellation, and either a "
                "location report that shows you at the site or, at commercial premises, the booking",
                "आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, उसके लिए ज़रूरी तस्वीरें, कैंसिलेशन, और आपको साइट पर दिखाने वाली लोकेशन "
                "रिपोर्ट या, व्यावसायिक जगह पर, बुकिंग",
            ),
            is_favourable=True,
            changes=(Change(REFUSED_LATER, ("not_applicable",)),),
        ),
        Wording(  # P10
            outcome="not_applicable",
            why=Text(
                "No cancellation is marked against you, and no out-of-scope ticket was found genuine.",
                "आपके ख़िलाफ़ कोई कैंसिलेशन दर्ज नहीं है, और कोई आउट ऑफ़ स्कोप टिकट सही नहीं पाया गया।",
            ),
            rests_on=Text(
                "the cancellation, and the out-of-scope ticket and its validation if there are any",
                "कैंसिलेशन, और अगर हों तो आउट ऑफ़ स्कोप टिकट और उसकी जाँच का नतीजा",
            ),
            changes=(
                Change(A_TICKET_IS_VALIDATED_AND_SHOWN, ("waived",)),
                Change(MARKED, ("upheld",), None),
            ),
        ),
    ),
    contest=(
        Text(
            "If a cancellation is marked against you and you had a genuine reason, ask for the genuine-PAF procedure. "
            "For a partner who is not at fault, the penalty is reversed at the training or review date.",
            "अगर कोई कैंसिलेशन आपके ख़िलाफ़ दर्ज है और आपके पास सही वजह थी, तो genuine PAF प्रक्रिया के लिए कहें। जिस पार्टनर की ग़लती "
            "नहीं होती, उसकी पेनल्टी ट्रेनिंग या समीक्षा की तारीख़ पर हटा दी जाती है।",
        ),
        TICKET_STEPS,
    ),
)
