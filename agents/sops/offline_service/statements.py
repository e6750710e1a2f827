"""What statements for partners say about tags of an offline service.

A refund has no statement for a partner: it is decided between the platform and the customer, and takes nothing from the
partner.
"""

from __future__ import annotations

from typing import Final

from agents.sops.tables.statements import Change, KindStatements, Text, Wording

NO_BOOKING: Final = "offline_service/no_booking"
CANCELLED_THEN_SERVED: Final = "offline_service/cancelled_then_served"
PARTIAL: Final = "offline_service/partial"
NOT_TAGGED: Final = "offline_service/not_tagged"

PROVEN: Final = Text(
    "A proof of payment passed every check, and you were identified as the partner.",
    "भुगतान का प्रमाण हर जाँच में सही निकला, और पार्टनर के रूप में आपकी पहचान हुई।",
)
ANOTHER_PARTNER: Final = Change(
    Text(
        "If the desk checks the partner id again, and it is not yours",
        "अगर टीम पार्टनर आईडी की दोबारा जाँच करे और वह आपकी न निकले",
    ),
    (NOT_TAGGED,),
    None,
)
A_PROOF: Final = Change(
    Text(
        "If the booking is known where one is needed, and a proof of payment to you passes every check",
        "अगर ज़रूरी होने पर बुकिंग की जानकारी मिल जाए, और आपको हुए भुगतान का प्रमाण हर जाँच में सही निकले",
    ),
    (NO_BOOKING, CANCELLED_THEN_SERVED, PARTIAL),
)

TAGGING_STATEMENTS: Final = KindStatements(
    title=Text(
        "the report of a service outside the platform",
        "प्लेटफ़ॉर्म के बाहर सेवा की शिकायत",
    ),
    outcomes={
        NO_BOOKING: Text(
            "offline service, and there was no booking",
            "ऑफ़लाइन सेवा, जिसकी कोई बुकिंग नहीं थी",
        ),
        CANCELLED_THEN_SERVED: Text(
            "offline service, after the job was cancelled on the platform",
            "ऑफ़लाइन सेवा, प्लेटफ़ॉर्म पर काम कैंसिल होने के बाद",
        ),
        PARTIAL: Text(
            "offline service in part: extras were paid outside the platform",
            "आंशिक ऑफ़लाइन सेवा: अतिरिक्त काम का भुगतान प्लेटफ़ॉर्म के बाहर हुआ",
        ),
        NOT_TAGGED: Text("not tagged as an offline service", "ऑफ़लाइन सेवा का टैग नहीं लगाया गया"),
    },
    reasons={
        "booking_missing": Text(
            "The booking of the job has not reached us yet.",
            "इस काम की बुकिंग की जानकारी हमें अभी तक नहीं मिली है।",
        ),
        "proof_missing": Text("There is no proof of payment.", "भुगतान का कोई प्रमाण नहीं है।"),
        "partner_not_identified": Text(
            "It is not established which partner the report is about.",
            "यह तय नहीं हुआ है कि शिकायत किस पार्टनर के बारे में है।",
        ),
        "cash_payment": Text(
            "The payment is said to have been in cash, and cash is no proof.",
            "भुगतान नकद बताया गया है, और नकद भुगतान प्रमाण नहीं माना जाता।",
        ),
        "proof_link_missing": Text("The link to the proof is missing.", "प्रमाण का लिंक नहीं दिया गया है।"),
        "proof_link_is_ticket": Text(
            "Instead of a link to the proof, a ticket number was given.",
            "प्रमाण के लिंक की जगह टिकट नंबर दिया गया है।",
        ),
        "proof_link_invalid": Text(
            "The link to the proof does not lead to an image.",
            "प्रमाण का लिंक किसी तस्वीर तक नहीं ले जाता।",
        ),
        "proof_illegible": Text("The proof cannot be read.", "प्रमाण पढ़ा नहीं जा सकता।"),
        "payee_not_visible": Text(
            "The proof does not show who was paid.",
            "प्रमाण में यह नहीं दिखता कि भुगतान किसे हुआ।",
        ),
        "payee_mismatch": Text(
            "Whoever was paid according to the proof could not be matched with you.",
            "प्रमाण के अनुसार जिसे भुगतान हुआ, उसका मिलान आपसे नहीं हो सका।",
        ),
        "partner_mismatch": Text(
            "The partner id that came with the proof is not the one that was identified.",
            "प्रमाण के साथ दी गई पार्टनर आईडी, पहचानी गई पार्टनर आईडी से अलग है।",
        ),
        "date_mismatch": Text(
            "The day of the payment does not fit the day of the service.",
            "भुगतान का दिन सेवा के दिन से मेल नहीं खाता।",
        ),
    },
    days={
        "service_date": Text("Day of the service according to the proof: {day}.", "प्रमाण के अनुसार सेवा का दिन: {day}।")
    },
    wordings=(
        Wording(  # O1
            outcome=NO_BOOKING,
            why=PROVEN,
            rests_on=Text(
                "the ticket with the report, the proof of payment, and the record of who the partner is",
                "शिकायत वाला टिकट, भुगतान का प्रमाण, और पार्टनर की पहचान का रिकॉर्ड",
            ),
            changes=(ANOTHER_PARTNER,),
        ),
        Wording(  # O2
            outcome=CANCELLED_THEN_SERVED,
            why=PROVEN,
            rests_on=Text(
                "the ticket with the report, the proof of payment, the record of who the partner is, the booking, and "
                "its cancellation",
                "शिकायत वाला टिकट, भुगतान का प्रमाण, पार्टनर की पहचान का रिकॉर्ड, बुकिंग, और उसका कैंसिलेशन",
            ),
            changes=(ANOTHER_PARTNER,),
        ),
        Wording(  # O3
            outcome=PARTIAL,
            why=PROVEN,
            rests_on=Text(
                "the ticket with the report, the proof of payment, the record of who the partner is, and the booking",
                "शिकायत वाला टिकट, भुगतान का प्रमाण, पार्टनर की पहचान का रिकॉर्ड, और बुकिंग",
            ),
            changes=(ANOTHER_PARTNER,),
        ),
        Wording(  # O4 to O6
            outcome=NOT_TAGGED,
            rests_on=Text(
                "the ticket with the report, and the proof of payment and the record of who the partner is, as far "
                "as there are any",
                "शिकायत वाला टिकट, और अगर हों तो भुगतान का प्रमाण और पार्टनर की पहचान का रिकॉर्ड",
            ),
            is_favourable=True,
            changes=(A_PROOF,),
        ),
    ),
    contest=(
        Text(
            "Ask for the partner id and the proof to be checked again: a wrong partner id and an unclear image are the "
            "usual mistakes. The proof has to show that the payment went to your own account.",
            "पार्टनर आईडी और प्रमाण की दोबारा जाँच के लिए कहें: ग़लत पार्टनर आईडी और अस्पष्ट तस्वीर आम ग़लतियाँ हैं। प्रमाण से यह दिखना "
            "चाहिए कि भुगतान आपके ही खाते में हुआ।",
        ),
    ),
)

STATEMENTS: Final = {"tagging": TAGGING_STATEMENTS}
