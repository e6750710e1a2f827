"""What follows from the list of SOPs: clauses, kinds of decision, actions, alerts and words."""

from __future__ import annotations

from typing import Final

from agents.sops.registry import SOPS
from schemas.policy.document import PolicyFormat

CLAUSES: Final = {name: clause for sop in SOPS for name, clause in sop.clauses.items()}
"""Every clause, by id."""

POLICIES: Final = PolicyFormat(section for sop in SOPS for section in sop.sections)
"""The documents of policies."""

TITLES: Final = {sop.name: sop.title for sop in SOPS}
"""How explanations call each SOP."""
