"""What statements for partners say about the visit fee."""

from __future__ import annotations

from typing import Final

from agents.sops.tables.statements import Change, KindStatements, Text, Wording

CALLED_AND_WAITED: Final = Change(
    Text(
        "If you go on waiting at the site and call the customer again in vain",
        "अगर आप साइट पर इंतज़ार करते रहें और ग्राहक को फिर कॉल करने पर भी जवाब न मिले",
    ),
    ("stands",),
)
CALLS: Final = Text("your calls to the customer", "ग्राहक को आपकी कॉल")
CALLS_AND_REPORTS: Final = Text(
    "your calls to the customer, and location reports",
    "ग्राहक को आपकी कॉल, और लोकेशन रिपोर्ट",
)

STATEMENTS: Final = {
    "visit_fee": KindStatements(
        title=Text("the fee for your visit", "आपकी विज़िट फ़ीस"),
        outcomes={
            "stands": Text("you keep the fee", "फ़ीस आपको मिलेगी"),
            "not_due": Text("no fee is due", "फ़ीस नहीं बनती"),
            "under_review": Text("the fee is under review", "फ़ीस की समीक्षा हो रही है"),
        },
        reasons={
            "calls_missing": Text("Calls to the customer are missing.", "ग्राहक को की जाने वाली कॉल अभी कम हैं।"),
            "still_waiting": Text("You have not waited long enough yet.", "आपने अभी पर्याप्त समय इंतज़ार नहीं किया है।"),
            "not_on_site": Text(
                "Location reports show you away from the site.", "लोकेशन रिपोर्ट आपको साइट से दूर दिखाती हैं।"
            ),
            "presence_unknown": Text(
                "No location report shows where you were.",
                "किसी लोकेशन रिपोर्ट से यह पता नहीं चलता कि आप कहाँ थे।",
            ),
        },
        wordings=(
            Wording(outcome="not_due", rests_on=CALLS_AND_REPORTS, changes=()),
            Wording(outcome="under_review", rests_on=CALLS, changes=(CALLED_AND_WAITED,)),
            Wording(
                outcome="stands",
                why=Text(
                    "You waited at the site and called in vain.", "आपने साइट पर इंतज़ार किया और कॉल का जवाब नहीं मिला।"
                ),
                rests_on=CALLS_AND_REPORTS,
                changes=(),
            ),
        ),
        contest=(),
    )
}
