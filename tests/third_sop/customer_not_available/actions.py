"""The next step for the desk."""

from __future__ import annotations

from typing import Final

from agents.sops.tables.actions import ActionRow, ActionTable

from .assessment import Assessment
from .visit_fee import calls

ACTIONS: Final[ActionTable[Assessment, Assessment]] = ActionTable(
    facts=lambda a, _: (a,),
    rows=(
        ActionRow(
            code="call_customer_again",
            open=lambda a: not a.has_called_enough and a.engagement.job_open,
            done=lambda a: a.has_called_enough,
            clauses=("CNA-1",),
            evidence=(calls,),
        ),
    ),
)
