"""Decisions, actions and alerts as typed values, from the records of their topics.

Unknown fields stay in `data`; unknown kinds, outcomes, codes and names are values like any other. So a message of a
later version of sop-streams is read by this version of the client.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any, Final, TypeAlias, get_args, get_origin, get_type_hints
from urllib.parse import quote

Headers: TypeAlias = Iterable[tuple[str, bytes | str | None]] | None
"""The headers of a record, as confluent-kafka, kafka-python and aiokafka return them."""

PER_CASE: Final = "offline_service"
"""The SOP whose decisions are about a case as a whole, so that their key has no partner."""


class InvalidMessageError(ValueError):
    """Raised for a record that holds no message of sop-streams; the text says which member is wrong."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as decimal text, such as `1499.00`, and the three letters of its currency."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The envelope that all messages share: a CloudEvent."""

    id: str
    source: str
    type: str
    subject: str | None
    time: datetime | None
    """The effective time of a decision; it can go back from one revision to the next, so never order by it."""
    inputs: str | None
    """How far the worker had read its inputs, as in `jobs-3:120,tickets-3:88`; None in a replay."""
    asof: datetime | None
    """The instant up to which deadlines were taken as passed; None before version 0.2."""
    data: Mapping[str, Any]
    """All fields as they came, those that this version of the client does not know too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Event):
    """A revision of a decision. Known kinds have a subclass; a kind that is added later is a `Decision`."""

    kind: str
    subject_of: str
    """The SOP that decides: `out_of_scope` or `offline_service`."""
    decision_key: str
    """The same for all revisions of a decision, and different for every other decision."""
    decision_id: str
    content_hash: str
    revision: int
    """1, 2, …: the last one holds."""
    supersedes: str | None
    """The `decision_id` of the revision before; None for the first."""
    changed: tuple[str, ...]
    """The fields that differ from the revision before."""
    previous: Mapping[str, Any] | None = None
    """What the fields in `changed` were before, evidence and explanation aside."""
    cause: tuple[str, ...] | None = None
    """What is new: references of facts, `deadline:<instant>`, `policy`; None for the first revision."""
    case_id: str
    partner_id: str | None
    status: str
    """`provisional` while a step is outstanding, else `final`."""
    outcome: str
    reasons: tuple[str, ...]
    clauses: tuple[str, ...]
    evidence: tuple[str, ...]
    policy: str
    effective_at: datetime
    explanation: str

    @property
    def is_final(self) -> bool:
        """Whether no step of the SOP is outstanding."""
        return self.status == "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagging(Decision):
    """How a case is tagged."""

    tag_code: str | None = None
    service_date: str | None = None
    proof_given: bool | None = None
    proof_url: str | None = None
    reporting: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paf(Decision):
    """What becomes of the penalty (PAF) for a cancellation."""

    cancellation_marked: bool | None = None
    counts_in_mg: bool | None = None
    """Whether the job counts in the partner's MG plan; None while undecided."""
    resolve_at: str | None = None
    cancellation_ref: str | None = None
    claim_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingReversal(Decision):
    """Whether a bad rating is reversed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(Decision):
    """Whether a customer who was served offline gets a refund."""

    proven_amount: Money | None = None
    apology: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Event):
    """A revision of a next step for the desk."""

    action_id: str
    code: str
    params: Mapping[str, str]
    case_id: str
    partner_id: str | None = None
    ticket_id: str | None = None
    state: str
    """`open`, `done` or `withdrawn`."""
    revision: int
    clauses: tuple[str, ...]
    evidence: tuple[str, ...]
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Event):
    """An alert that fires or is resolved."""

    alert_id: str
    name: str
    severity: str
    state: str
    """`firing` or `resolved`."""
    key: tuple[str, ...]
    labels: Mapping[str, str]
    summary: str
    evidence: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime | None = None


KINDS: Final[Mapping[str, type[Decision]]] = {
    "tagging": Tagging,
    "paf": Paf,
    "rating_reversal": RatingReversal,
    "refund": Refund,
}


def parse(value: bytes | str, headers: Headers = None) -> Event:
    """Return the message in a record: a `Decision`, an `Action`, an `Alert`, or an `Event` of another type.

    Both content modes of CloudEvents are read: structured, as sop-streams writes, and binary, as a bridge may turn it
    into. Raises `InvalidMessageError` for a value that is no message.
    """
    attributes = _attributes(headers)
    try:
        document = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidMessageError(f"value: not JSON ({error})") from None
    event = document if attributes is None else {**attributes, "data": document}
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise InvalidMessageError("value: not a CloudEvent whose data is an object")
    return _read(_type_of(event), event)


def _attributes(headers: Headers) -> dict[str, str] | None:
    """Return the attributes of a binary CloudEvent, None for a structured one."""
    texts = {name.lower(): each.decode() if isinstance(each, bytes) else each for name, each in headers or () if each}
    if "ce_specversion" not in texts or texts.get("content-type", "").startswith("application/cloudevents"):
        return None
    return {name.removeprefix("ce_"): text for name, text in texts.items() if name.startswith("ce_")}


def _type_of(event: Mapping[str, Any]) -> type[Event]:
    event_type = event.get("type")
    if not isinstance(event_type, str):
        raise InvalidMessageError("type: missing")
    family, _, kind = event_type.partition(".")
    if family == "decision":
        return KINDS.get(kind, Decision)
    return {"action": Action, "alert": Alert}.get(event_type, Event)


def _read(message: type[Event], event: Mapping[str, Any]) -> Event:
    """Return a message whose fields are members of the envelope or of `data`; checks each against its type."""
    data = event["data"]
    values: dict[str, Any] = {}
    for name, hint, required in _FIELDS[message]:
        if name in _ENVELOPE:
            found = event.get(name)
            path = name
        else:
            found = data.get(name)
            path = f"data.{name}"
        if found is None and name == "decision_key":
            found = _decision_key(data)
        if found is None and required and type(None) not in get_args(hint):
            raise InvalidMessageError(f"{path}: missing")
        if found is not None or required:
            values[name] = _value(hint, found, path)
    return message(**values)


_ENVELOPE: Final = frozenset({"id", "source", "type", "subject", "time", "inputs", "asof", "data"})


def _fields_of(message: type[Event]) -> tuple[tuple[str, Any, bool], ...]:
    """Return the fields of a message: name, type, and whether it has no default."""
    hints = get_type_hints(message)
    return tuple((each.name, hints[each.name], each.default is MISSING) for each in fields(message))


_FIELDS: Final = {each: _fields_of(each) for each in (Event, Decision, *KINDS.values(), Action, Alert)}


def _value(hint: Any, found: Any, path: str) -> Any:
    """Return a value of JSON as a value of a field's type."""
    if found is None:
        return None
    options = [each for each in get_args(hint) if each is not type(None)] if _is_union(hint) else [hint]
    wanted = options[0]
    try:
        if wanted is datetime:
            return datetime.fromisoformat(found)
        if wanted is Money:
            return Money(_checked(str, found["amount"]), _checked(str, found["currency"]))
        if get_origin(wanted) is tuple:
            return tuple(_checked(str, each) for each in _checked(list, found))
        return _checked(dict if get_origin(wanted) is not None else wanted, found)
    except (TypeError, ValueError, KeyError, IndexError):
        raise InvalidMessageError(f"{path}: {found!r:.80} is not of the type that it should have") from None


def _is_union(hint: Any) -> bool:
    return isinstance(hint, types.UnionType)


def _checked(wanted: type, found: Any) -> Any:
    if type(found) is not wanted:
        raise TypeError
    return found


def _decision_key(data: Mapping[str, Any]) -> str:
    """Return the key of a decision that was emitted before version 0.2, which had no such field."""
    parts = [data.get("case_id"), data.get("kind"), data.get("subject_of")]
    if data.get("subject_of") != PER_CASE:
        parts.append(data.get("partner_id") or "")
    return "|".join(quote(str(part), safe="") for part in parts)
