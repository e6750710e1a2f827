"""What ops wants to know."""

from __future__ import annotations

from typing import Final

from agents.sops.tables.alerts import AlertRow, AlertTable

from .assessment import Assessment
from .visit_fee import calls, reports

ALERTS: Final = (
    AlertTable[Assessment, Assessment](
        facts=lambda a, _: (a,),
        rows=(
            AlertRow(
                name="called_from_elsewhere",
                about="condition",
                severity="warning",
                summary="the customer was reported as not available while the partner was away from the site",
                clauses=("CNA-2",),
                key=("case_id", "partner_id"),
                when=lambda a: a.was_off_site,
                evidence=(calls, reports),
            ),
        ),
    ),
)
