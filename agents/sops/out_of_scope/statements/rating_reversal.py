"""What statements say about rating reversals; the rows are those of `agents.sops.out_of_scope.rating_reversal`."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope.statements.shared import (
    REASONS,
    REFUSED_LATER,
    SHOWN_AT_THE_SITE,
    TICKET_STEPS,
    VALIDATED_AND_SHOWN,
    VALIDATED_LATER_AND_SHOWN,
)
from agents.sops.tables.statements import Change, KindStatements, Text, Wording

RATING_REVERSAL_STATEMENTS: Final = KindStatements(
    title=Text("your request to reverse a rating", "रेटिंग हटाने का आपका अनुरोध"),
    outcomes={
        "awaiting_verification": Text(
            "the request waits until it is verified",
            "अनुरोध की पुष्टि होना बाकी है",
        ),
        "denied": Text("the rating is not reversed", "रेटिंग नहीं हटाई जाएगी"),
        "granted": Text("the rating is reversed", "रेटिंग हटाई जाएगी"),
    },
    reasons=REASONS,
    wordings=(
        Wording(  # R1
            outcome="awaiting_verification",
            reason="job_not_closed",
            rests_on=Text("the ticket with the request", "अनुरोध वाला टिकट"),
            changes=(
                Change(
                    Text(
                        "If you close the job at BPC, an out-of-scope ticket that you opened for it is validated as "
                        "genuine and has the images that it needs, and a location report shows you at the site when "
                        "it was created, when you added an image or when you cancelled",
                        "अगर आप काम BPC पर बंद करें, उसके लिए आपका बनाया आउट ऑफ़ स्कोप टिकट जाँच में सही पाया जाए, उसमें ज़रूरी "
                        "तस्वीरें हों, और किसी लोकेशन रिपोर्ट से पता चले कि टिकट बनने, आपके तस्वीर जोड़ने या आपके कैंसिल करने के समय "
                        "आप साइट पर थे",
                    ),
                    ("granted",),
                ),
            ),
        ),
        Wording(  # R2
            outcome="denied",
            reason="not_closed_at_bpc",
            rests_on=Text(
                "the ticket with the request, and the record of how the job ended",
                "अनुरोध वाला टिकट, और काम कैसे ख़त्म हुआ इसका रिकॉर्ड",
            ),
            changes=(
                Change(
                    Text(
                        "If a later closing of the job at BPC is recorded for you, an out-of-scope ticket that you "
                        "opened for it is validated as genuine and has the images that it needs, and a location "
                        "report shows you at the site when it was created, when you added an image or when you "
                        "cancelled",
                        "अगर बाद में दर्ज हो कि आपने काम BPC पर बंद किया, उसके लिए आपका बनाया आउट ऑफ़ स्कोप टिकट जाँच में सही "
                        "पाया जाए, उसमें ज़रूरी तस्वीरें हों, और किसी लोकेशन रिपोर्ट से पता चले कि टिकट बनने, आपके तस्वीर जोड़ने या आपके "
                        "कैंसिल करने के समय आप साइट पर थे",
                    ),
                    ("granted",),
                ),
            ),
        ),
        Wording(  # R3
            outcome="denied",
            reason="no_oos_ticket",
            rests_on=Text(
                "the ticket with the request, and your closing of the job",
                "अनुरोध वाला टिकट, और आपका काम बंद करना",
            ),
            changes=(
                Change(
                    Text(
                        "If an out-of-scope ticket that you open for this job is validated as genuine and has the "
                        "images that it needs, and a location report shows you at the site when it is created",
                        "अगर इस काम के लिए आपका बनाया आउट ऑफ़ स्कोप टिकट जाँच में सही पाया जाए, उसमें ज़रूरी तस्वीरें हों, और लोकेशन "
                        "रिपोर्ट से पता चले कि टिकट बनाते समय आप साइट पर थे",
                    ),
                    ("granted",),
                ),
            ),
        ),
        Wording(  # R4
            outcome="denied",
            reason="not_genuine",
            rests_on=Text(
                "the ticket with the request, your closing of the job, and the out-of-scope ticket with its validation",
                "अनुरोध वाला टिकट, आपका काम बंद करना, और आउट ऑफ़ स्कोप टिकट तथा उसकी जाँच का नतीजा",
            ),
            changes=(Change(VALIDATED_LATER_AND_SHOWN, ("granted",)),),
        ),
        Wording(  # R5
            outcome="awaiting_verification",
            reason="awaiting_validation",
            rests_on=Text(
                "the ticket with the request, your closing of the job, and the out-of-scope ticket, with its "
                "validation if there is one",
                "अनुरोध वाला टिकट, आपका काम बंद करना, और आउट ऑफ़ स्कोप टिकट तथा अगर जाँच हुई है तो उसका नतीजा",
            ),
            changes=(Change(VALIDATED_AND_SHOWN, ("granted",)), Change(REFUSED_LATER, ("denied",))),
        ),
        Wording(  # R6
            outcome="awaiting_verification",
            reason="presence_conflict",
            rests_on=Text(
                "the ticket with the request, your closing of the job, the out-of-scope ticket, its validation, the "
                "images that it needed, and a location report, compared with the booking",
                "अनुरोध वाला टिकट, आपका काम बंद करना, आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, उसके लिए ज़रूरी तस्वीरें, और बुकिंग से "
                "मिलाई गई लोकेशन रिपोर्ट",
            ),
            changes=(Change(SHOWN_AT_THE_SITE, ("granted",)),),
        ),
        Wording(  # R7
            outcome="granted",
            why=Text(
                "You closed the job at BPC, and your out-of-scope ticket was found genuine.",
                "आपने काम BPC पर बंद किया, और आपका आउट ऑफ़ स्कोप टिकट सही पाया गया।",
            ),
            rests_on=Text(
                "the ticket with the request, your closing of the job, the out-of-scope ticket, its validation, and "
                "the images that it needed",
                "अनुरोध वाला टिकट, आपका काम बंद करना, आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, और उसके लिए ज़रूरी तस्वीरें",
            ),
            is_favourable=True,
            changes=(Change(REFUSED_LATER, ("denied",)),),
        ),
    ),
    contest=(
        Text(
            "A reversal needs three things: a ticket that asks for it, a job closed at BPC, and an out-of-scope ticket "
            "of yours that was validated as genuine. Tell the desk which of them the decision misses.",
            "रेटिंग हटाने के लिए तीन बातें ज़रूरी हैं: इसका अनुरोध करने वाला टिकट, BPC पर बंद किया गया काम, और आपका बनाया ऐसा आउट "
            "ऑफ़ स्कोप टिकट जो जाँच में सही पाया गया हो। टीम को बताएँ कि निर्णय में इनमें से कौन-सी बात छूट गई है।",
        ),
        TICKET_STEPS,
    ),
)
