"""What identifies a decision within its case (contracts.md, "Decisions out")."""

from __future__ import annotations

from typing import Final

from agents.sops.registry import SOPS
from schemas.codec import encoder
from schemas.outputs import DecisionBody, DecisionKey

_PER_PARTNER: Final = frozenset(sop.name for sop in SOPS if sop.unit == "engagement")


def decision_key(body: DecisionBody) -> DecisionKey:
    """Return the kind, the SOP and, where it decides about each engagement, the partner."""
    return (body.kind, body.subject_of, body.partner_id if body.subject_of in _PER_PARTNER else None)


def published_key(body: DecisionBody) -> str:
    """Return the `decision_key` of a decision in messages, which also names the case.

    Where the SOP decides about each engagement, the last part is the partner, empty if the facts name nobody.
    """
    partner = (body.partner_id or "",) if body.subject_of in _PER_PARTNER else ()
    return encoder.decision_key(body.case_id, body.kind, body.subject_of, *partner)
