"""Texts that statements about several kinds of out-of-scope decisions share."""

from __future__ import annotations

from typing import Final

from agents.sops.tables.statements import Text

REASONS: Final = {
    "booking_missing": Text(
        "The booking of the job has not reached us yet.",
        "इस काम की बुकिंग की जानकारी हमें अभी तक नहीं मिली है।",
    ),
    "cancellation_not_allowed": Text(
        "In this city, partners of your group close such a job at BPC and may not cancel it, whether or not the work "
        "is out of scope.",
        "इस शहर में आपके ग्रुप के पार्टनर ऐसा काम BPC पर बंद करते हैं। काम आउट ऑफ़ स्कोप हो, तब भी वे उसे कैंसिल नहीं कर सकते।",
    ),
    "not_genuine": Text(
        "The team checked the out-of-scope ticket and did not find it genuine.",
        "टीम ने आउट ऑफ़ स्कोप टिकट की जाँच की और उसे सही नहीं पाया।",
    ),
    "presence_conflict": Text(
        "The ticket was found genuine, but location reports show you away from the site and never at it.",
        "टिकट सही पाया गया, लेकिन लोकेशन रिपोर्ट आपको साइट से दूर दिखाती हैं और एक बार भी साइट पर नहीं।",
    ),
    "not_on_site": Text(
        "You cancelled, and location reports show you away from the site and never at it.",
        "काम आपने कैंसिल किया, और लोकेशन रिपोर्ट आपको साइट से दूर दिखाती हैं और एक बार भी साइट पर नहीं।",
    ),
    "no_claim": Text(
        "A cancellation is marked against you, and there is no out-of-scope ticket for the job.",
        "एक कैंसिलेशन आपके ख़िलाफ़ दर्ज है, और इस काम के लिए कोई आउट ऑफ़ स्कोप टिकट नहीं है।",
    ),
    "awaiting_validation": Text(
        "The out-of-scope ticket has not been validated as genuine yet, or images that it needs are missing.",
        "आउट ऑफ़ स्कोप टिकट की जाँच में अभी पुष्टि नहीं हुई है, या उसमें ज़रूरी तस्वीरें नहीं हैं।",
    ),
    "presence_unknown": Text(
        "The ticket was found genuine, but no location report shows where you were.",
        "टिकट सही पाया गया, लेकिन किसी लोकेशन रिपोर्ट से यह पता नहीं चलता कि आप कहाँ थे।",
    ),
    "job_not_closed": Text(
        "The job is neither closed nor cancelled yet.",
        "काम अभी न बंद हुआ है, न कैंसिल।",
    ),
    "not_closed_at_bpc": Text(
        "The job was not closed at BPC: it was closed in another way, or only cancelled.",
        "काम BPC पर बंद नहीं किया गया: वह किसी और तरह से बंद हुआ, या केवल कैंसिल हुआ।",
    ),
    "no_oos_ticket": Text(
        "You opened no out-of-scope ticket for the job.",
        "आपने इस काम के लिए कोई आउट ऑफ़ स्कोप टिकट नहीं बनाया।",
    ),
}

FOUND_GENUINE: Final = Text(
    "The out-of-scope ticket was found genuine.",
    "आउट ऑफ़ स्कोप टिकट सही पाया गया।",
)
TICKET_AND_VALIDATION: Final = Text(
    "the out-of-scope ticket, its validation, and the images that it needed",
    "आउट ऑफ़ स्कोप टिकट, उसकी जाँच का नतीजा, और उसके लिए ज़रूरी तस्वीरें",
)

SHOWN_AT_THE_SITE: Final = Text(
    "If a location report shows you at the site when the ticket was created, when you added an image or when you "
    "cancelled",
    "अगर किसी लोकेशन रिपोर्ट से पता चले कि टिकट बनने, आपके तस्वीर जोड़ने या आपके कैंसिल करने के समय आप साइट पर थे",
)
VALIDATED: Final = Text(
    "If the ticket is validated as genuine and has the images that it needs",
    "अगर टिकट जाँच में सही पाया जाए और उसमें ज़रूरी तस्वीरें हों",
)
VALIDATED_AND_SHOWN: Final = Text(
    "If the ticket is validated as genuine and has the images that it needs, and a location report shows you at the "
    "site when it was created, when you added an image or when you cancelled",
    "अगर टिकट जाँच में सही पाया जाए, उसमें ज़रूरी तस्वीरें हों, और किसी लोकेशन रिपोर्ट से पता चले कि टिकट बनने, आपके तस्वीर जोड़ने "
    "या आपके कैंसिल करने के समय आप साइट पर थे",
)
VALIDATED_LATER: Final = Text(
    "If a later validation finds the ticket genuine and it has the images that it needs",
    "अगर बाद की जाँच में टिकट सही पाया जाए और उसमें ज़रूरी तस्वीरें हों",
)
VALIDATED_LATER_AND_SHOWN: Final = Text(
    "If a later validation finds the ticket genuine, it has the images that it needs, and a location report shows you "
    "at the site when it was created, when you added an image or when you cancelled",
    "अगर बाद की जाँच में टिकट सही पाया जाए, उसमें ज़रूरी तस्वीरें हों, और किसी लोकेशन रिपोर्ट से पता चले कि टिकट बनने, आपके तस्वीर "
    "जोड़ने या आपके कैंसिल करने के समय आप साइट पर थे",
)
A_TICKET_IS_VALIDATED: Final = Text(
    "If an out-of-scope ticket for this job is validated as genuine and has the images that it needs",
    "अगर इस काम का कोई आउट ऑफ़ स्कोप टिकट जाँच में सही पाया जाए और उसमें ज़रूरी तस्वीरें हों",
)
A_TICKET_IS_VALIDATED_AND_SHOWN: Final = Text(
    "If an out-of-scope ticket for this job is validated as genuine and has the images that it needs, and a location "
    "report shows you at the site when it was created, when you added an image or when you cancelled",
    "अगर इस काम का कोई आउट ऑफ़ स्कोप टिकट जाँच में सही पाया जाए, उसमें ज़रूरी तस्वीरें हों, और किसी लोकेशन रिपोर्ट से पता चले कि "
    "टिकट बनने, आपके तस्वीर जोड़ने या आपके कैंसिल करने के समय आप साइट पर थे",
)
REFUSED_LATER: Final = Text(
    "If a later validation finds the ticket not genuine",
    "अगर बाद की जाँच में टिकट सही न पाया जाए",
)

TICKET_STEPS: Final = Text(
    "If the work is out of scope, create a ticket while you are at the site, where your app offers it: Help > Need "
    "Help with Job > This Job is out of scope. Add images of the work: Help > Profile > App Issue > Upload Media. The "
    "team validates the ticket with you in a video call.",
    "अगर काम आउट ऑफ़ स्कोप है और आपके ऐप में यह विकल्प है, तो साइट पर रहते हुए टिकट बनाएँ: Help > Need Help with Job > This "
    "Job is out of scope. काम की तस्वीरें जोड़ें: Help > Profile > App Issue > Upload Media. टीम आपके साथ वीडियो कॉल पर "
    "टिकट की जाँच करती है।",
)
