"""The messages that go out: decisions, actions, alerts and dead letters (contracts.md, "Decisions out").

Every field is written once, here or in the body of its kind of decision under `agents/sops/`: the encoder, the content
hash, `changed` and the JSON Schemas follow from the structs. A body holds what was concluded. A field that does not
apply is `UNSET` and absent in JSON; `None` is JSON `null` ("undecided", "nobody") in a decision, and absent in actions
and alerts.
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
"""(kind, subject_of, partner id): identifies a decision within its case; the partner is None where the SOP's decisions
are about the case."""

WITHDRAWN: Final = "withdrawn"
INSTANT: Final = "instant"
VALUES: Final = "values"
Instant = Annotated[int, Meta(extra={INSTANT: True})]
"""Microseconds since the Unix epoch, UTC; an RFC 3339 date-time in JSON."""


def one_of(values: object, description: str) -> Meta:
    """Return the annotation of an outcome whose values a `Literal` lists; `withdrawn` is always one more.

    A reader accepts other values too, which a later version may have emitted.
    """
    known = [*get_args(values), WITHDRAWN]
    return Meta(description=description, extra_json_schema={"enum": known}, extra={VALUES: known})


def each_of(values: object, description: str) -> Meta:
    """Return the annotation of a list of texts whose values a `Literal` lists; a reader accepts others too."""
    known = [*get_args(values)]
    items = {"type": "string", "enum": known}
    return Meta(description=description, extra_json_schema={"items": items}, extra={VALUES: known})


class DecisionBody(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What an SOP decides, without its place in the chain of revisions. Each kind of decision has a subclass.

    A subclass has the kind as its `tag`, and adds the fields that only this kind has, `UNSET` by default.
    """

    title: ClassVar[str]
    """What explanations call this kind of decision."""

    subject_of: Annotated[str, Meta(description="The SOP that decides.")]
    case_id: Annotated[str, Meta(description="The job id; the ticket id where there never was a booking.")]
    partner_id: Annotated[str | None, Meta(description="The partner whom it is about; null if nobody.")]
    status: Annotated[
        Status,
        Meta(description="`provisional` while a step of the SOP is outstanding; a late fact can revise a final one."),
    ]
    outcome: Annotated[str, Meta(description="What is decided.")]
    reasons: Annotated[tuple[str, ...], Meta(description="Why, sorted.")] = ()
    clauses: Annotated[tuple[str, ...], Meta(description="The clauses of the SOP that it rests on, sorted.")] = ()
    evidence: Annotated[
        tuple[str, ...],
        Meta(description="The facts that it rests on as `source#id`, sorted; a `#` in a source is written `%23`."),
    ] = ()
    policy: Annotated[str, Meta(description="The policy that it was made under: `label@hash`.")]
    effective_at: Annotated[
        Instant,
        Meta(description="The latest time among its evidence and the passed deadlines that it rests on."),
    ]

    @property
    def kind(self) -> str:
        """The kind of decision."""
        return kind_of(type(self))


def kind_of(body: type[DecisionBody]) -> str:
    """Return the kind of decision that a body is for."""
    return str(body.__struct_config__.tag)


class ActionBody(Struct, frozen=True, kw_only=True):
    """A next step for the desk in one of its states."""

    code: Annotated[str, Meta(description="The step.")]
    params: Annotated[dict[str, str], Meta(description="What the step needs to know, by name.")] = {}
    case_id: Annotated[str, Meta(description="The case.")]
    partner_id: Annotated[str | None, Meta(description="The partner concerned.")] = None
    ticket_id: Annotated[str | None, Meta(description="The ticket concerned.")] = None
    state: Annotated[
        ActionState,
        Meta(description="No longer open, a step is `done` if its own result is there, else `withdrawn`."),
    ]
    clauses: Annotated[tuple[str, ...], Meta(description="The clauses of the SOP that ask for it, sorted.")]
    evidence: Annotated[tuple[str, ...], Meta(description="The facts that it rests on as `source#id`, sorted.")]
    due_at: Annotated[Instant | None, Meta(description="By when it is to be done.")] = None
    time: Instant
    """Since when this state holds; the `time` of the envelope."""


class AlertBody(Struct, frozen=True, kw_only=True):
    """Something that ops wants to know; `labels` lack `alertname` and `severity`, which every message has."""

    name: Annotated[str, Meta(description="The alert.")]
    severity: Severity
    state: AlertState
    key: Annotated[tuple[str, ...], Meta(description="The labels that identify the alert.")]
    labels: Annotated[
        dict[str, str],
        Meta(description="Its key, `alertname` and `severity`; city and category where they are known."),
    ]
    summary: Annotated[str, Meta(description="One sentence for a person.")]
    evidence: Annotated[tuple[str, ...], Meta(description="The facts that it rests on as `source#id`, sorted.")]
    starts_at: Annotated[Instant, Meta(description="When it began to fire.")]
    ends_at: Annotated[Instant | None, Meta(description="When it ends, or ended.")] = None


B_co = TypeVar("B_co", bound=DecisionBody, covariant=True)


class DecisionMessage(Struct, Generic[B_co], frozen=True, kw_only=True, tag="decision"):
    """One revision of a decision, with its place in the chain of revisions."""

    body: B_co
    decision_id: Annotated[str, Meta(description="Identifies the revision; the `id` of the envelope.")]
    content_hash: Annotated[str, Meta(description="Identifies what the body says.")]
    revision: Annotated[int, Meta(description="1, 2, …")]
    supersedes: Annotated[str | None, Meta(description="The decision_id of the revision before; null for the first.")]
    changed: Annotated[
        tuple[str, ...],
        Meta(description="The fields of the body that differ from the superseded revision, sorted."),
    ]
    explanation: Annotated[str, Meta(description="One English sentence, made from the body alone.")]
    inputs: str | None = None
    """The input positions at which it was decided; the extension `inputs` of the envelope."""


AnyDecision: TypeAlias = DecisionMessage[DecisionBody]
"""A decision of whatever kind."""


class ActionMessage(Struct, frozen=True, kw_only=True, tag="action"):
    """One revision of an action."""

    body: ActionBody
    action_id: Annotated[str, Meta(description="Identifies the action, in all its revisions.")]
    revision: Annotated[int, Meta(description="1, 2, …")]
    inputs: str | None = None


class AlertMessage(Struct, frozen=True, kw_only=True, tag="alert"):
    """An alert that fires or is resolved; `subject` is the case id, or the partner id where no case is concerned."""

    body: AlertBody
    alert_id: Annotated[str, Meta(description="Identifies the alert; the same while name and key are the same.")]
    subject: str
    inputs: str | None = None


OutputMessage: TypeAlias = AnyDecision | ActionMessage | AlertMessage


class OutputVocabulary(Struct, frozen=True):
    """What some SOPs can emit."""

    bodies: Mapping[str, type[DecisionBody]]
    """The body of every kind of decision."""
    subjects: tuple[str, ...]
    """The values of `subject_of`."""
    action_codes: tuple[str, ...]
    alert_names: tuple[str, ...]


def vocabulary(body: type[DecisionBody], field: str) -> frozenset[str]:
    """Return the values that a field of a body may have, as its annotation lists them."""
    hint = get_type_hints(body, include_extras=True)[field]
    listed = ((each.extra or {}).get(VALUES, ()) for each in get_args(hint) if isinstance(each, Meta))
    return frozenset(value for values in listed for value in values)


@cache
def instant_fields(struct: type[Struct]) -> frozenset[str]:
    """Return the names of the fields of a struct that are instants."""
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_instant(hint))


def _is_instant(hint: object) -> bool:
    return any(
        (isinstance(each, Meta) and INSTANT in (each.extra or {})) or _is_instant(each)
        for each in get_args(hint)
        if not isinstance(each, str)
    )


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
    def is_truncated(self) -> bool:
        """Tell whether only the beginning of the record is here."""
        return self.value_bytes is not UNSET
