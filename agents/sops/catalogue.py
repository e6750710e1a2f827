"""What follows from the list of SOPs: clauses, the policy format, and what can be emitted."""

from __future__ import annotations

from typing import Final

from agents.sops.contract import AlertKind
from agents.sops.cross_case_alerts import CROSS_CASE_ALERTS
from agents.sops.decision_alerts import FLIP, STUCK
from agents.sops.registry import SOPS
from schemas.codec import encoder
from schemas.outputs import OutputMessage, OutputVocabulary, kind_of
from schemas.policy.document import PolicyFormat
from schemas.topics import Topics

CLAUSES: Final = {name: clause for sop in SOPS for name, clause in sop.clauses.items()}
"""Every clause, by id."""

IMPOSSIBLE_TRAVEL: Final = AlertKind(
    "impossible_travel",
    "warning",
    is_moment=True,
    clauses=("OOS-7",),
    summary="two successive location reports of a partner imply a speed that nobody travels at",
)
"""Raised by the location agent (`agents.presence.travel`)."""

ALERTS: Final = (
    *(kind for sop in SOPS for kind in sop.alert_kinds),
    *(FLIP, STUCK, IMPOSSIBLE_TRAVEL),
    *CROSS_CASE_ALERTS,
)
"""Every alert."""

POLICIES: Final = PolicyFormat(section for sop in SOPS for section in sop.sections)
"""Reads, checks and writes policy documents."""

OUTPUTS: Final = OutputVocabulary(
    bodies={kind_of(kind): kind for sop in SOPS for kind in sop.kinds},
    subjects=tuple(sop.name for sop in SOPS),
    clauses=tuple(CLAUSES),
    action_codes=tuple(code for sop in SOPS for code in sop.action_codes),
    alert_names=tuple(kind.name for kind in ALERTS),
)
"""What can be emitted."""

TITLES: Final = {sop.name: sop.title for sop in SOPS}
"""How explanations call each SOP."""


def topics(prefix: str = "", written_prefix: str | None = None) -> Topics:
    """Return all topic names; every name begins with `prefix`, taken as it is, or with `written_prefix` (`Topics`)."""
    return Topics(OUTPUTS.bodies, prefix, written_prefix)


def decode_message(value: bytes) -> OutputMessage:
    """Return the decision, action or alert that a record of an output topic holds; raises `InvalidMessage` if none."""
    return encoder.decode_message(value, OUTPUTS.bodies)
