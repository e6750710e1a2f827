"""The rows that the console gets from the read model (surfaces.md, "Read model").

Instants are microseconds since the Unix epoch, UTC. `published_at` is when Kafka got a record, and `time` when
something happened. `seq` is the number of a row: it grows with every row that is written, also when the read model is
made anew.
A page key (`before`, `next_page`) is opaque: it is taken from one page to ask for the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from schemas.codec.headers import Headers
from schemas.outputs import ActionMessage, AlertMessage, AnyDecision, DeadLetter
from streams.runtime.ports import TP, Place
from surfaces.read_model.positions import PartitionProgress, ReadPosition

RowKind = Literal["decision", "action", "alert", "dead_letter", "fact", "act"]
FoundKind = Literal["case", "ticket", "partner", "decision", "action", "alert"]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it came; `value` is shown as bytes, or decoded by `schemas.codec.decoder.decode_record`."""

    place: Place
    published_at: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the live view: a decision, an action, an alert, a refused record or an act, with what a line shows.

    `subject` is the case, or what an alert is about that concerns no case; of a refused record, its key.
    `name` is the kind of the decision, the code of the action, the name of the alert, the cause of the refusal, or what
    the act did. `outcome` is the outcome of the decision, the state of the action or alert, or the reason of the
    refusal. `status` is that of the decision or the severity of the alert.
    """

    seq: int
    kind: RowKind
    place: Place
    published_at: int
    time: int
    subject: str
    name: str
    outcome: str
    status: str = ""
    id: str = ""
    about: Literal["case", "partner", "city"] = "case"
    """What the subject of an alert is."""
    partner_id: str | None = None
    reasons: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows after a number, oldest first; `is_cut` if there are more, of which only the latest are given.

    `last_seq` is what to ask for next.
    """

    rows: tuple[Row, ...]
    last_seq: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class HourCount:
    """How many rows of a kind with a name and an outcome were published in the hour that begins at `hour`."""

    hour: int
    kind: RowKind
    name: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class OpenActions:
    """The open actions of a code: since when the oldest is open, and when the first is due (None: none has a date)."""

    code: str
    count: int
    oldest_at: int
    first_due_at: int | None


@dataclass(frozen=True, slots=True)
class Cause:
    """How many records were refused for a cause, the path at the beginning of the reason, and when the last one was."""

    cause: str
    count: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page. `latest` has decisions, newest first; `firing` the alerts that fire, newest first."""

    last_seq: int
    cases: int
    latest: tuple[Row, ...]
    latest_alerts: tuple[Row, ...]
    hours: tuple[HourCount, ...]
    firing: tuple[Row, ...]
    firing_count: int
    open_actions: tuple[OpenActions, ...]
    causes: tuple[Cause, ...]
    progress: tuple[PartitionProgress, ...]
    quarantined: Mapping[str, str]
    """Why a case or partner (`case:ID`, `partner:ID`) is decided no more."""
    positions: tuple[ReadPosition, ...]

    @property
    def lags(self) -> dict[TP, int]:
        """How many records in Kafka no worker has read, by input partition; empty while no worker has said anything."""
        ends = {each.tp: each.offset for each in self.positions}
        return {each.tp: max(ends.get(each.tp, 0) - each.position, 0) for each in self.progress}

    @property
    def lag(self) -> int | None:
        """The sum of `lags`; None while no worker has said anything."""
        return sum(self.lags.values()) if self.progress else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases to list; None is any.

    `kind`, `outcome`, `status`, `partner`, `clause` and `reason` hold for one decision together, in its last revision.
    `action` is the code of an open action. `since` (inclusive) and `until` (exclusive) bound when the case's latest
    message was published.
    """

    kind: str | None = None
    outcome: str | None = None
    status: str | None = None
    city: str | None = None
    category: str | None = None
    partner: str | None = None
    clause: str | None = None
    reason: str | None = None
    action: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSummary:
    """The last revision of a decision."""

    decision_id: str
    decision_key: str
    kind: str
    subject_of: str
    partner_id: str | None
    outcome: str
    status: str
    revision: int
    reasons: tuple[str, ...]
    clauses: tuple[str, ...]
    effective_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    """A case in a list. `latest_at` is when its latest message was published.

    `firing_alerts` are the names of the conditions that fire; moments are not among them.
    """

    case_id: str
    latest_at: int
    city: str | None
    category: str | None
    decisions: tuple[DecisionSummary, ...]
    open_actions: tuple[str, ...]
    firing_alerts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CasePage:
    """Cases, newest message first. `count` is how many match in all, or `COUNT_MAX` if `is_more`."""

    cases: tuple[CaseSummary, ...]
    next_page: str | None
    count: int
    is_more: bool


COUNT_MAX = 500
"""Beyond this, matching cases are not counted but called more."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What occurs, for the choices of each filter, sorted: value and number of cases or decisions that have it now."""

    kinds: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    cities: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    clauses: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """Something whose id is, or begins with, what was searched for, and its case; None for what concerns no case."""

    kind: FoundKind
    id: str
    case_id: str | None


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A revision of a decision, with its record."""

    seq: int
    message: AnyDecision
    record: StoredRecord


@dataclass(frozen=True, slots=True)
class StoredAction:
    """A revision of an action, with its record."""

    seq: int
    message: ActionMessage
    record: StoredRecord


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """A message about an alert, with its record."""

    seq: int
    message: AlertMessage
    record: StoredRecord


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A refused record, with the record of its dead letter, whose place selects it."""

    seq: int
    message: DeadLetter
    record: StoredRecord


@dataclass(frozen=True, slots=True)
class CaseErasure:
    """When a case was erased, by the event that says so, and what stays: the last revisions of its decisions."""

    at: int
    decisions: tuple[DecisionSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecords:
    """Everything that is stored of a case; facts and messages in the order in which they were published.

    A record that was sent twice is there twice. `reports` are the location reports of the partners that the facts name,
    around the times of the facts; `are_reports_cut` if there are more than are given.
    """

    case_id: str
    city: str | None
    category: str | None
    facts: tuple[StoredRecord, ...]
    reports: tuple[StoredRecord, ...]
    are_reports_cut: bool
    decisions: tuple[StoredDecision, ...]
    actions: tuple[StoredAction, ...]
    alerts: tuple[StoredAlert, ...]
    dead_letters: tuple[StoredDeadLetter, ...]
    quarantined: str | None = None
    erasure: CaseErasure | None = None
    """Nothing else is there of a case that was erased but city and category."""


@dataclass(frozen=True, slots=True)
class Engagement:
    """A case that a partner was assigned to or that has a decision about the partner."""

    case_id: str
    first_at: int
    """When the partner was first named, in event time."""
    city: str | None
    category: str | None
    is_assigned: bool
    has_claim: bool
    decisions: tuple[DecisionSummary, ...]
    """Those about this partner."""


@dataclass(frozen=True, slots=True)
class PenaltyCount:
    """How many penalties that took effect on a day (UTC, its start) have an outcome now."""

    day: int
    outcome: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerRecords:
    """A partner. A claim is an out-of-scope ticket about an engagement of the partner."""

    partner_id: str
    assignments: int
    claims: int
    penalties: tuple[PenaltyCount, ...]
    alerts: tuple[Row, ...]
    """The latest message of each alert about the partner, newest first."""
    engagements: tuple[Engagement, ...]
    next_page: str | None

    @property
    def claim_share(self) -> float | None:
        """Claims per assignment; None without assignments."""
        return self.claims / self.assignments if self.assignments else None


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Refused records, newest first."""

    dead_letters: tuple[StoredDeadLetter, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class PolicySeen:
    """A policy under which decisions were made: `label@hash`, the first and the last effective time, and how many."""

    name: str
    first_at: int
    last_at: int
    revisions: int
    """How many revisions of decisions were made under it."""
    current: int
    """How many last revisions were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did in the console, as `audit.acts` has it."""

    seq: int
    time: int
    who: str
    address: str
    what: str
    why: str
    subject: str
    records: tuple[str, ...]
    """The places of the dead letters that were sent again."""
    record: StoredRecord


@dataclass(frozen=True, slots=True)
class ActPage:
    """Acts, newest first."""

    acts: tuple[Act, ...]
    next_page: str | None
