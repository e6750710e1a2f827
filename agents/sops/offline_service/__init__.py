"""Offline service (disintermediation): a customer was served by a partner outside the platform."""

from __future__ import annotations

from typing import Final

from agents.sops.offline_service.actions import CASE_ACTIONS, TICKET_ACTIONS
from agents.sops.offline_service.alerts import ALERTS
from agents.sops.offline_service.assessment import Assessment, assess
from agents.sops.offline_service.clauses import CLAUSES, WORDS
from agents.sops.offline_service.policy import SECTIONS
from agents.sops.offline_service.refund import REFUND
from agents.sops.offline_service.statements import STATEMENTS
from agents.sops.offline_service.tagging import TAGGING
from agents.sops.table_sop import TableSop

OFFLINE_SERVICE: Final[TableSop[Assessment]] = TableSop(
    name="offline_service",
    title="offline service",
    unit="case",
    clauses=CLAUSES,
    sections=SECTIONS,
    words=WORDS,
    presence_facts=lambda _: (),
    assess=assess,
    decisions=(TAGGING, REFUND),
    statements=STATEMENTS,
    actions=(TICKET_ACTIONS, CASE_ACTIONS),
    alerts=ALERTS,
)
