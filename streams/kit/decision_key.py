"""The key of a decision as text."""

from __future__ import annotations

from urllib.parse import quote

from agents.sops.registry import SOPS
from schemas.outputs import DecisionBody

_PER_PARTNER = frozenset(sop.name for sop in SOPS if sop.unit == "engagement")


def decision_key_text(body: DecisionBody) -> str:
    """Return case, kind, SOP and, where it decides about each engagement, the partner."""
    parts = [body.case_id, body.kind, body.subject_of]
    if body.subject_of in _PER_PARTNER:
        parts.append(body.partner_id or "")
    return "|".join(quote(part, safe="") for part in parts)
