"""Out of scope: a visited job that no partner of the category can deliver, and the cancellation that follows."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope.actions import ENGAGEMENT_ACTIONS, TICKET_ACTIONS
from agents.sops.out_of_scope.alerts import ALERTS
from agents.sops.out_of_scope.assessment import Assessment, assess
from agents.sops.out_of_scope.clauses import CLAUSES, WORDS
from agents.sops.out_of_scope.paf import PAF
from agents.sops.out_of_scope.policy import SECTIONS
from agents.sops.out_of_scope.presence import presence_facts
from agents.sops.out_of_scope.rating_reversal import RATING_REVERSAL
from agents.sops.out_of_scope.statements import STATEMENTS
from agents.sops.out_of_scope.tagging import TAGGING
from agents.sops.table_sop import TableSop

OUT_OF_SCOPE: Final[TableSop[Assessment]] = TableSop(
    name="out_of_scope",
    title="out of scope",
    unit="engagement",
    clauses=CLAUSES,
    sections=SECTIONS,
    words=WORDS,
    presence_facts=presence_facts,
    assess=assess,
    decisions=(TAGGING, PAF, RATING_REVERSAL),
    statements=STATEMENTS,
    actions=(ENGAGEMENT_ACTIONS, TICKET_ACTIONS),
    alerts=ALERTS,
)
