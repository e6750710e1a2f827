"""What statements say about out-of-scope tags; the rows are those of `agents.sops.out_of_scope.tagging`."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope.statements.shared import (
    A_TICKET_IS_VALIDATED,
    FOUND_GENUINE,
    REASONS,
    REFUSED_LATER,
    TICKET_AND_VALIDATION,
    TICKET_STEPS,
    VALIDATED,
    VALIDATED_LATER,
)
from agents.sops.tables.statements import Change, KindStatements, Text, Wording

OUT_OF_SCOPE: Final = "partner_led_cancellation/out_of_scope"
CANT_DELIVER: Final = "partner_led_cancellation/cant_deliver"

TAGGING_STATEMENTS: Final = KindStatements(
    title=Text("the tag of the job", "काम का टैग"),
    outcomes={
        OUT_OF_SCOPE: Text(
            "partner-led cancellation, out of scope",
            "पार्टनर की ओर से कैंसिलेशन, आउट ऑफ़ स्कोप",
        ),
        CANT_DELIVER: Text(
            "partner-led cancellation, can't deliver",
            "पार्टनर की ओर से कैंसिलेशन, काम नहीं किया जा सका",
        ),
        "none": Text("no out-of-scope tag", "आउट ऑफ़ स्कोप का टैग नहीं"),
    },
    reasons={"not_genuine": REASONS["not_genuine"]},
    fields={"tag_code": {"4.2": Text("The code of the tag on the job is 4.2.", "काम पर लगे टैग का कोड 4.2 है।")}},
    wordings=(
        Wording(  # T1
            outcome=OUT_OF_SCOPE,
            status="final",
            why=FOUND_GENUINE,
            rests_on=TICKET_AND_VALIDATION,
            is_favourable=True,
            changes=(Change(REFUSED_LATER, (CANT_DELIVER, "none")),),
        ),
        Wording(  # T2
            outcome=OUT_OF_SCOPE,
            status="provisional",
            why=REASONS["awaiting_validation"],
            rests_on=Text(
                "the out-of-scope ticket, and its validation if there is one",
                "आउट ऑफ़ स्कोप टिकट, और अगर जाँच हुई है तो उसका नतीजा",
            ),
            changes=(Change(VALIDATED, (OUT_OF_SCOPE,)), Change(REFUSED_LATER, (CANT_DELIVER, "none"))),
        ),
        Wording(  # T3
            outcome=CANT_DELIVER,
            why=Text(
                "You cancelled, and no out-of-scope ticket was found genuine.",
                "काम आपने कैंसिल किया, और कोई आउट ऑफ़ स्कोप टिकट सही नहीं पाया गया।",
            ),
            rests_on=Text(
                "your cancellation, and the out-of-scope ticket and its validation if there are any",
                "आपका कैंसिलेशन, और अगर हों तो आउट ऑफ़ स्कोप टिकट और उसकी जाँच का नतीजा",
            ),
            changes=(Change(A_TICKET_IS_VALIDATED, (OUT_OF_SCOPE,)),),
        ),
        Wording(  # T4
            outcome="none",
            reason="not_genuine",
            rests_on=Text(
                "the out-of-scope ticket, and its validation",
                "आउट ऑफ़ स्कोप टिकट, और उसकी जाँच का नतीजा",
            ),
            changes=(Change(VALIDATED_LATER, (OUT_OF_SCOPE,)),),
        ),
    ),
    contest=(TICKET_STEPS,),
)
