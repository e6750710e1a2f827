"""Output messages: decisions, actions, alerts and dead letters (contracts.md, "Decisions out").

Every field is defined once, here or in the body of its kind of decision under `agents/sops/`. The encoder, the content
hash, `changed` and the JSON Schemas are derived from the structs.

In a decision, a field that does not apply is `UNSET` and absent in JSON, and `None` is JSON `null` ("undecided",
"nobody"). In actions and alerts `None` is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, ClassVar, Final, Generic, Literal, TypeAlias, TypeVar, get_args, get_type_hints

from msgspec import UNSET, Meta, Struct, UnsetType

Status = Literal["provisional", "final"]
ActionState = Literal["open", "done", "withdrawn"]
AlertState = Literal["firing", "resolved"]
Severity = Literal["info", "warning", "critical"]
DecisionKey = tuple[str, str, str | None]
"""(kind, subject_of, partner id), which identifies a decision within its case. The partner is None if the SOP decides
about the case as a whole."""

WITHDRAWN: Final = "withdrawn"
INSTANT: Final = "instant"
VALUES: Final = "values"
UNHASHED: Final = "unhashed"
"""Marks a field of a body that the content hash leaves out: it follows from the others."""
Instant = Annotated[int, Meta(extra={INSTANT: True})]
"""Microseconds since the Unix epoch, UTC; an RFC 3339 date-time in JSON."""
AnyJson = Annotated[object, Meta(extra_json_schema={"description": "As the field of this name."})]
"""The JSON value of some field."""

# What the published schemas say of strings, beyond their type. Decoding does not check it: it only reads what a worker
# wrote, perhaps one of another version.
NonEmpty = Annotated[str, Meta(extra_json_schema={"minLength": 1})]
DIGEST_PATTERN: Final = "^[0-9a-f]{32}$"
Digest = Annotated[str, Meta(extra_json_schema={"pattern": DIGEST_PATTERN})]
"""The first 32 hexadecimal digits of a SHA-256."""
Word = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$"})]
"""A value of a vocabulary, such as an outcome or a reason."""
ClauseId = Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Z]+-[0-9]+$"})]
FactRef = Annotated[str, Meta(extra_json_schema={"pattern": r"^[^#]+#[\s\S]+$"})]
"""The name of a fact in evidence, `source#id`."""
PolicyName = Annotated[str, Meta(extra_json_schema={"pattern": "^[^@]+@[0-9a-f]{16}$"})]
"""`label@hash`."""
_KEY_PART: Final = "(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})"
KeyText = Annotated[str, Meta(extra_json_schema={"pattern": rf"^{_KEY_PART}+(\|{_KEY_PART}+){{2}}(\|{_KEY_PART}*)?$"})]
"""The parts of a decision's key: case, kind, SOP and, where it decides about each engagement, the partner."""
FullDay = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Revision = Annotated[int, Meta(extra_json_schema={"minimum": 1})]
Offset = Annotated[int, Meta(extra_json_schema={"minimum": 0})]
Base64 = Annotated[bytes, Meta(extra_json_schema={"contentEncoding": "base64"})]


def one_of(values: object, description: str) -> Meta:
    """Return the annotation of an outcome whose values a `Literal` lists; `withdrawn` is added to them.

    Decoding accepts any value, since a later version may have emitted it.
    """
    return Meta(description=description, extra={VALUES: [*get_args(values), WITHDRAWN]})


def known(values: object, description: str) -> Meta:
    """Return the annotation of a string, or of a list of strings, whose values a `Literal` lists.

    Decoding accepts any value, since a later version may have emitted it.
    """
    return Meta(description=description, extra={VALUES: [*get_args(values)]})


class DecisionBody(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The content of a decision, without its place in the chain of revisions.

    Each kind of decision has a subclass. Its `tag` is the kind, and it adds the fields of this kind alone, `UNSET` by
    default.
    """

    title: ClassVar[str]
    """The name of this kind of decision in explanations."""

    subject_of: Annotated[Word, Meta(description="The SOP that decides; part of the decision's key.")]
    case_id: Annotated[NonEmpty, Meta(description="The job id, or the ticket id if there was never a booking.")]
    partner_id: Annotated[NonEmpty | None, Meta(description="The partner whom it concerns; null if nobody.")]
    status: Annotated[
        Status,
        Meta(description="`provisional` while a step of the SOP is outstanding; a late fact can revise a final one."),
    ]
    outcome: Annotated[Word, Meta(description="What is decided.")]
    reasons: Annotated[tuple[Word, ...], Meta(description="The reasons, sorted.")] = ()
    clauses: Annotated[tuple[ClauseId, ...], Meta(description="The clauses of the SOP that it rests on, sorted.")] = ()
    evidence: Annotated[
        tuple[FactRef, ...],
        Meta(description="The facts that it rests on as `source#id`, sorted; a `#` in a source is written `%23`."),
    ] = ()
    policy: Annotated[PolicyName, Meta(description="The policy that it was made under: `label@hash`.")]
    effective_at: Annotated[
        Instant,
        Meta(description="The latest time among its evidence and the passed deadlines that it rests on, in UTC."),
    ]

    @property
    def kind(self) -> str:
        """The kind of decision."""
        return kind_of(type(self))


@cache
def kind_of(body: type[DecisionBody]) -> str:
    """Return the kind of decision of a body."""
    return str(body.__struct_config__.tag)


class ActionBody(Struct, frozen=True, kw_only=True):
    """A next step for the desk, in one of its states."""

    code: Annotated[Word, Meta(description="The step.")]
    params: Annotated[
        dict[str, str],
        Meta(
            description="What the step needs to know, by name: `until` an instant in UTC (OOS-9), `reason` the one to "
            "choose (OOS-12, OOS-16, OOS-17)."
        ),
    ] = {}
    case_id: Annotated[NonEmpty, Meta(description="The case.")]
    partner_id: Annotated[NonEmpty | None, Meta(description="The partner concerned.")] = None
    ticket_id: Annotated[NonEmpty | None, Meta(description="The ticket concerned.")] = None
    state: Annotated[
        ActionState,
        Meta(description="A step that is no longer open is `done` if its result is known, or else `withdrawn`."),
    ]
    clauses: Annotated[tuple[ClauseId, ...], Meta(description="The clauses of the SOP that ask for it, sorted.")]
    evidence: Annotated[tuple[FactRef, ...], Meta(description="The facts that it rests on as `source#id`, sorted.")]
    due_at: Annotated[Instant | None, Meta(description="When it is due, in UTC (OOS-10).")] = None
    time: Instant
    """The start of this state; the `time` of the envelope."""


class AlertBody(Struct, frozen=True, kw_only=True):
    """The content of an alert; the encoder adds `alertname` and `severity` to its labels."""

    name: Annotated[Word, Meta(description="The name of the alert.")]
    severity: Annotated[Severity, Meta(description="How urgent it is.")]
    state: Annotated[AlertState, Meta(description="`resolved` is sent only for an alert about a condition.")]
    key: Annotated[tuple[Word, ...], Meta(description="The labels that identify the alert.")]
    labels: Annotated[
        dict[str, str],
        Meta(description="Its key, `alertname` and `severity`; city and category if they are known."),
    ]
    summary: Annotated[NonEmpty, Meta(description="One sentence for a person.")]
    evidence: Annotated[tuple[FactRef, ...], Meta(description="The facts that it rests on as `source#id`, sorted.")]
    starts_at: Annotated[Instant, Meta(description="When it started to fire, in UTC.")]
    ends_at: Annotated[Instant | None, Meta(description="When it ends, or ended, in UTC.")] = None

    @property
    def time(self) -> int:
        """When its state began, in microseconds; the `time` of the envelope."""
        return self.ends_at if self.state == "resolved" and self.ends_at is not None else self.starts_at


B_co = TypeVar("B_co", bound=DecisionBody, covariant=True)


class DecisionMessage(Struct, Generic[B_co], frozen=True, kw_only=True, tag="decision"):
    """One revision of a decision, with its place in the chain of revisions."""

    body: B_co
    decision_id: Annotated[Digest, Meta(description="Identifies the revision; the `id` of the envelope.")]
    content_hash: Annotated[Digest, Meta(description="Identifies the content of the body.")]
    revision: Annotated[Revision, Meta(description="1, 2, …; orders the revisions, which `time` does not.")]
    supersedes: Annotated[
        Digest | None, Meta(description="The decision_id of the revision before; null for the first.")
    ]
    changed: Annotated[
        tuple[Word, ...],
        Meta(description="The fields of the body that differ from the superseded revision, sorted."),
    ]
    explanation: Annotated[NonEmpty, Meta(description="One English sentence, made from the body alone.")]
    inputs: str | None = None
    """The input positions at which it was decided; the extension `inputs` of the envelope."""
    previous: Annotated[
        Mapping[str, AnyJson] | None,
        Meta(
            description="What the fields in `changed`, except `evidence`, were in the superseded revision; fields that "
            "were absent there are left out. Null for the first."
        ),
    ] = None
    decision_key: Annotated[
        KeyText,
        Meta(
            description="Identifies the decision, the same in all its revisions: `case|kind|subject_of|partner`, each "
            "part percent-encoded; without partner if the SOP decides about the case as a whole."
        ),
    ] = ""
    cause: Annotated[
        tuple[NonEmpty, ...] | None,
        Meta(
            description="What this revision rests on and the superseded one did not, sorted: `source#id` of evidence, "
            "`deadline:<instant>` of a deadline that passed, and `policy` if that changed. Null for the first."
        ),
    ] = None
    asof: Instant | None = None
    """The instant up to which deadlines were taken as passed; the extension `asof` of the envelope.

    This field and the three above are missing in messages of version 0.1.
    """


AnyDecision: TypeAlias = DecisionMessage[DecisionBody]
"""A decision of any kind."""


class ActionMessage(Struct, frozen=True, kw_only=True, tag="action"):
    """One revision of an action."""

    body: ActionBody
    action_id: Annotated[Digest, Meta(description="Identifies the action; the same in all its revisions.")]
    revision: Annotated[Revision, Meta(description="1, 2, …; orders the revisions, which `time` does not.")]
    inputs: str | None = None


class AlertMessage(Struct, frozen=True, kw_only=True, tag="alert"):
    """An alert that fires or is resolved; `subject` is a case, a partner or a city."""

    body: AlertBody
    alert_id: Annotated[Digest, Meta(description="Identifies the alert; the same while name and key are the same.")]
    subject: str
    inputs: str | None = None

    @property
    def about(self) -> Literal["case", "partner", "city"]:
        """What its subject is."""
        labels = self.body.labels
        if "case_id" in labels or self.subject not in {labels.get("partner_id"), labels.get("city")}:
            return "case"
        return "partner" if self.subject == labels.get("partner_id") else "city"


OutputMessage: TypeAlias = AnyDecision | ActionMessage | AlertMessage


class Act(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody does in the console, written before it is done.

    `subject` is the case that was looked at, or the cause of the refused records that are sent again; `time` is the
    console's clock.
    """

    who: Annotated[NonEmpty, Meta(description="Who does it: the name of a token, or of a user whom a proxy names.")]
    address: Annotated[NonEmpty, Meta(description="The network address that the request came from.")]
    what: Annotated[
        Word,
        Meta(
            description="What is done: `redrive`, `see_personal` or `erase`.",
            extra={VALUES: ["redrive", "see_personal", "erase"]},
        ),
    ]
    why: Annotated[NonEmpty, Meta(description="The reason that was given for it.")]
    records: Annotated[
        tuple[NonEmpty, ...],
        Meta(
            description="The places of the dead letters that are sent again, as `topic-partition@offset`; else absent."
        ),
    ] = ()


class OutputVocabulary(Struct, frozen=True):
    """The outputs that SOPs can emit."""

    bodies: Mapping[str, type[DecisionBody]]
    """The body of every kind of decision."""
    subjects: tuple[str, ...]
    """The values of `subject_of`."""
    clauses: tuple[str, ...]
    action_codes: tuple[str, ...]
    alert_names: tuple[str, ...]


@cache
def vocabulary(body: type[Struct], field: str) -> tuple[str, ...]:
    """Return the values that the annotation of a body's field lists, none if it lists none."""
    hint = get_type_hints(body, include_extras=True)[field]
    listed = ((each.extra or {}).get(VALUES, ()) for each in get_args(hint) if isinstance(each, Meta))
    return tuple(value for values in listed for value in values)


@cache
def instant_fields(struct: type[Struct]) -> frozenset[str]:
    """Return the names of the fields of a struct that are instants."""
    return _fields_marked(struct, INSTANT)


@cache
def unhashed_fields(struct: type[Struct]) -> frozenset[str]:
    """Return the names of the fields of a body that the content hash leaves out."""
    return _fields_marked(struct, UNHASHED)


def _fields_marked(struct: type[Struct], mark: str) -> frozenset[str]:
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_marked(hint, mark))


def _is_marked(hint: object, mark: str) -> bool:
    return any(
        (isinstance(each, Meta) and mark in (each.extra or {})) or _is_marked(each, mark) for each in get_args(hint)
    )


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rejected record: its original bytes (base64 in JSON), its topic, partition and offset, and the reason.

    `headers` hold the envelope in binary content mode, so redriving needs them. If the name of one is not valid UTF-8,
    it has U+FFFD in place of the invalid bytes, and `header_names` holds the bytes of all names in order. A record that
    is too large for a dead letter is truncated: `value` and `key` hold their first 1,024 bytes, `headers` is empty, and
    `value_bytes` is the original size of the value (0 for null).
    """

    topic: Annotated[NonEmpty, Meta(description="The topic of the record; in a replay, the file.")]
    partition: Annotated[Offset, Meta(description="Its partition; in a replay, 0.")]
    offset: Annotated[Offset, Meta(description="Its offset; in a replay, the line, counted from 1.")]
    reason: Annotated[NonEmpty, Meta(description="One line that begins with the path of what is wrong.")]
    value: Annotated[Base64 | None, Meta(description="The bytes of its value in Base64; null stays null.")]
    key: Annotated[Base64 | None, Meta(description="The bytes of its key in Base64; absent if it has none.")] = None
    headers: Annotated[
        tuple[tuple[str, bytes | None], ...],
        Meta(
            description="Its headers in order: pairs of name and value in Base64, null for a header without value; "
            "absent if there are none."
        ),
    ] = ()
    header_names: Annotated[
        tuple[Base64, ...],
        Meta(description="The bytes of all header names in Base64, in order; present only if one is not valid UTF-8."),
    ] = ()
    value_bytes: Annotated[
        int | UnsetType,
        Meta(
            description="How many bytes the value had. Present only if the record was too large for a dead letter: "
            "value and key then hold their first 1,024 bytes, and headers are left out.",
            extra_json_schema={"minimum": 0},
        ),
    ] = UNSET

    @property
    def cause(self) -> str:
        """The path at the beginning of the reason, such as `data.site.lat`."""
        return self.reason.partition(":")[0]

    @property
    def is_truncated(self) -> bool:
        """True if only the beginning of the record was kept."""
        return self.value_bytes is not UNSET
