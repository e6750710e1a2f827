"""Customer not available: the partner waited at the site and called in vain, so the visit fee stands."""

from __future__ import annotations

from typing import Final

from agents.sops.table_sop import TableSop

from .actions import ACTIONS
from .alerts import ALERTS
from .assessment import Assessment, assess, presence_facts
from .clauses import CLAUSES, WORDS
from .policy import SECTIONS
from .statements import STATEMENTS
from .visit_fee import VISIT_FEE

CUSTOMER_NOT_AVAILABLE: Final[TableSop[Assessment]] = TableSop(
    name="customer_not_available",
    title="customer not available",
    unit="engagement",
    clauses=CLAUSES,
    sections=SECTIONS,
    words=WORDS,
    presence_facts=presence_facts,
    assess=assess,
    decisions=(VISIT_FEE,),
    statements=STATEMENTS,
    actions=(ACTIONS,),
    alerts=ALERTS,
)
