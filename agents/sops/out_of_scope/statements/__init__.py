"""What statements for partners say about the decisions of the out-of-scope SOP."""

from __future__ import annotations

from typing import Final

from agents.sops.out_of_scope.statements.paf import PAF_STATEMENTS
from agents.sops.out_of_scope.statements.rating_reversal import RATING_REVERSAL_STATEMENTS
from agents.sops.out_of_scope.statements.tagging import TAGGING_STATEMENTS

STATEMENTS: Final = {
    "tagging": TAGGING_STATEMENTS,
    "paf": PAF_STATEMENTS,
    "rating_reversal": RATING_REVERSAL_STATEMENTS,
}
