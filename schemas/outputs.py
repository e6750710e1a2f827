"""What goes out: the bodies of decisions, actions, alerts and dead letters (contracts, "Decisions out").

A body holds what was concluded; ids, revisions and the envelope are added by `agents.case.reconcile` and
the encoder. A field that does not apply is `UNSET` and absent in JSON; `None` is JSON `null`, which says "undecided" or
"nobody".
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from schemas.events import Money

DecisionKind = Literal["tagging", "paf", "rating_reversal", "refund"]
SubjectOf = Literal["out_of_scope", "offline_service"]
Status = Literal["provisional", "final"]
ActionState = Literal["open", "done", "withdrawn"]
AlertState = Literal["firing", "resolved"]
Severity = Literal["info", "warning", "critical"]
DecisionKey = tuple[str, str, str | None]
"""(kind, subject_of, partner id): what a chain of revisions is about, within its case; partner None if offline."""

WITHDRAWN: Final = "withdrawn"


class DecisionBody(Struct, frozen=True, kw_only=True):
    """What is decided, without its place in the chain of revisions; `effective_at` in microseconds (UTC)."""

    kind: DecisionKind
    subject_of: SubjectOf
    case_id: str
    partner_id: str | None
    status: Status
    outcome: str
    reasons: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    policy: str
    effective_at: int
    tag_code: str | UnsetType = UNSET
    service_date: str | UnsetType = UNSET
    proof_given: bool | UnsetType = UNSET
    proof_url: str | UnsetType = UNSET
    reporting: str | UnsetType = UNSET
    cancellation_marked: bool | UnsetType | None = UNSET
    counts_in_mg: bool | UnsetType | None = UNSET
    resolve_at: str | UnsetType = UNSET
    proven_amount: Money | UnsetType = UNSET
    apology: bool | UnsetType = UNSET

    @property
    def key(self) -> DecisionKey:
        """The chain this body belongs to, within its case."""
        return (self.kind, self.subject_of, self.partner_id if self.subject_of == "out_of_scope" else None)


class ActionBody(Struct, frozen=True, kw_only=True):
    """A next step for the desk in one of its states; `time` (effective) and `due_at` in microseconds (UTC)."""

    code: str
    case_id: str
    state: ActionState
    clauses: tuple[str, ...]
    evidence: tuple[str, ...]
    time: int
    params: dict[str, str] = {}
    partner_id: str | None = None
    ticket_id: str | None = None
    due_at: int | None = None


class AlertBody(Struct, frozen=True, kw_only=True):
    """Something ops wants to know; instants in microseconds (UTC).

    `key` names the members (labels) that deduplicate it; `labels` holds these and what else is known, without
    `alertname` and `severity`, which every message has.
    """

    name: str
    severity: Severity
    state: AlertState
    key: tuple[str, ...]
    labels: dict[str, str]
    summary: str
    evidence: tuple[str, ...]
    starts_at: int
    ends_at: int | None = None


class DecisionMessage(Struct, frozen=True, kw_only=True, tag="decision"):
    """One revision of a decision, with its place in the chain; `inputs` says what had been read when it was decided."""

    body: DecisionBody
    decision_id: str
    content_hash: str
    revision: int
    supersedes: str | None
    changed: tuple[str, ...]
    explanation: str
    inputs: str | None = None


class ActionMessage(Struct, frozen=True, kw_only=True, tag="action"):
    """One revision of an action."""

    body: ActionBody
    action_id: str
    revision: int
    inputs: str | None = None


class AlertMessage(Struct, frozen=True, kw_only=True, tag="alert"):
    """An alert that fires or is resolved; `subject` is the case id, or the partner id where no case is concerned."""

    body: AlertBody
    alert_id: str
    subject: str
    inputs: str | None = None


OutputMessage = DecisionMessage | ActionMessage | AlertMessage


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An input that was refused: its bytes as they came (base64 in JSON), where they came from, and why.

    `headers` are kept because in binary content mode the envelope is in them: without them it could not be redriven.
    Where a header's name is no UTF-8 it holds U+FFFD in place of what cannot be text, and `header_names` has the bytes
    of the names of all headers, in their order. A record that is too large for a letter is cut: `value` and `key` have
    their first 1,024 bytes, `headers` are left out, and `value_bytes` says how many bytes the value had (0 for none).
    """

    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    header_names: tuple[bytes, ...] = ()
    value_bytes: int | UnsetType = UNSET

    @property
    def is_cut(self) -> bool:
        """Tell whether only the beginning of the record is here."""
        return self.value_bytes is not UNSET
