"""What identifies a decision within its case (contracts.md, "Decisions out")."""

from __future__ import annotations

from typing import Final

from agents.sops.registry import SOPS
from schemas.outputs import DecisionBody, DecisionKey

_PER_PARTNER: Final = frozenset(sop.name for sop in SOPS if sop.unit == "engagement")


def decision_key(body: DecisionBody) -> DecisionKey:
    """Return the kind, the SOP and, where it decides about each engagement, the partner."""
    return (body.kind, body.subject_of, body.partner_id if body.subject_of in _PER_PARTNER else None)
