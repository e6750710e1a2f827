"""What deciding anew finds about a revision of a decision: whether it is the same, and if not what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec
from msgspec import Struct

from schemas.codec.encoder import encode_message
from schemas.outputs import AnyDecision

Status = Literal["same", "different", "missing", "extra", "erased"]
STATUSES: Final[tuple[Status, ...]] = ("same", "different", "missing", "extra", "erased")
_WORST_FIRST: Final[tuple[Status, ...]] = ("different", "missing", "extra", "erased", "same")

JsonObject = Mapping[str, object]
_ABSENT: Final = object()
_CHAINED: Final = frozenset({"cause", "changed", "decision_id", "envelope.id", "previous", "revision", "supersedes"})
"""Fields that depend on the revision before."""
_NOT_SHOWN: Final = frozenset({"previous", "proof_url"})
"""Fields that may contain a link of a customer, which could not be erased from a certificate."""


class FieldDifference(Struct, frozen=True, omit_defaults=True):
    """A field of `data`, or `envelope.` and a member of the envelope, and what it is on both sides, if it is shown."""

    field: str
    archived: object = None
    decided: object = None


class SetDifference(Struct, frozen=True, omit_defaults=True):
    """What only one side names, sorted."""

    archived_only: tuple[str, ...] = ()
    decided_only: tuple[str, ...] = ()


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A revision in the archive, or one that ought to be there; everything but the first three where it is known."""

    decision_key: str
    revision: int
    status: Status
    place: str | None = None
    """Where it is archived, as `topic-partition@offset`."""
    decision_id: str | None = None
    inputs: str | None = None
    asof: str | None = None
    why: str | None = None
    """In words, what the fields do not say."""
    fields: tuple[FieldDifference, ...] = ()
    facts: SetDifference = SetDifference()
    clauses: SetDifference = SetDifference()
    rests_on: tuple[str, ...] = ()
    """The facts that both sides cite; if nothing else differs, one of them was altered."""


def compare(archived: JsonObject, decided: AnyDecision, *, is_next: bool) -> Finding | None:
    """Return how an archived revision, as its envelope, differs from the one decided anew; None: it does not.

    Where its schema is served may differ. Unless it `is_next`, what it supersedes is missing, and nothing is said of
    the fields that depend on that.
    """
    expected: JsonObject = msgspec.json.decode(encode_message(decided))
    before, after = _fields(archived), _fields(expected)
    every = sorted((before.keys() | after.keys()) - (frozenset() if is_next else _CHAINED))
    names = [name for name in every if before.get(name, _ABSENT) != after.get(name, _ABSENT)]
    if not names:
        return None
    return Finding(
        decision_key=decided.decision_key,
        revision=decided.revision,
        status="different",
        fields=tuple(_difference(name, before, after) for name in names),
        facts=_only("evidence", before, after),
        clauses=_only("clauses", before, after),
        rests_on=tuple(sorted(_texts(before.get("evidence")) & _texts(after.get("evidence")))),
    )


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status of a decision from those of its revisions: it is the same if all of them are."""
    return min(statuses, key=_WORST_FIRST.index)


def _fields(envelope: JsonObject) -> dict[str, object]:
    """Return the members of `data`, and those of the envelope that do not follow from where its schema is served."""
    data = envelope.get("data")
    fields = {f"envelope.{name}": value for name, value in envelope.items() if name not in {"data", "dataschema"}}
    return {**fields, **(data if isinstance(data, dict) else {})}


def _difference(name: str, before: JsonObject, after: JsonObject) -> FieldDifference:
    return FieldDifference(name) if name in _NOT_SHOWN else FieldDifference(name, before.get(name), after.get(name))


def _only(name: str, before: JsonObject, after: JsonObject) -> SetDifference:
    left, right = _texts(before.get(name)), _texts(after.get(name))
    return SetDifference(tuple(sorted(left - right)), tuple(sorted(right - left)))


def _texts(value: object) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()
