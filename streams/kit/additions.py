"""What later versions may add to decisions: fields, outcomes, reasons and kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec
from msgspec import structs

from agents.sops.keys import published_key
from schemas.codec.encoder import content_hash, decision_id, difference
from schemas.outputs import AnyDecision, DecisionBody, DecisionMessage
from schemas.timestamps import DAY_US
from streams.kit.deciding import Emitted
from streams.kit.recording import Record


class LoyaltyDecision(DecisionBody, frozen=True, kw_only=True, tag="loyalty"):
    """A kind of decision that does not exist."""

    title: ClassVar[str] = "loyalty"


def with_new_fields(records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records with an optional field, in the envelope and in `data`, that nobody knows yet."""
    for record in records:
        event = msgspec.json.decode(record.value or "")
        event["shard"] = "north"
        event["data"]["priority"] = {"level": 2, "because": ["a new field"]}
        yield structs.replace(record, value=msgspec.json.encode(event).decode())


def with_unknown_values(emitted: list[Emitted]) -> list[Emitted]:
    """Return the messages and, a day later, decisions with values that nobody knows yet.

    An unknown outcome needs a person, an unknown reason does not.
    """
    last = {
        (each.message.body.case_id, each.message.body.kind): each.message
        for each in emitted
        if isinstance(each.message, DecisionMessage)
    }
    granted = last["job-rating-granted", "rating_reversal"].body
    loyal = LoyaltyDecision(
        **{name: getattr(granted, name) for name in DecisionBody.__struct_fields__ if name != "outcome"},
        outcome="bonus",
    )
    at = emitted[-1].at + DAY_US
    later = (
        _revised(last["job-upheld", "paf"], at, outcome="suspended"),
        _revised(last["ticket-refund", "refund"], at, reasons=("checked_by_bank",)),
        _revision(loyal, None, at),
    )
    return [*emitted, *(Emitted(at, message) for message in later)]


def _revised(decision: AnyDecision, at: int, **changes: object) -> AnyDecision:
    return _revision(structs.replace(decision.body, **changes), decision, at)


def _revision(body: DecisionBody, old: AnyDecision | None, at: int) -> AnyDecision:
    content, supersedes = content_hash(body), old.decision_id if old else None
    changed, previous = difference(old.body if old else None, body)
    return DecisionMessage(
        body=body,
        decision_id=decision_id(content, supersedes),
        content_hash=content,
        revision=old.revision + 1 if old else 1,
        supersedes=supersedes,
        changed=changed,
        previous=previous,
        decision_key=published_key(body),
        cause=() if old else None,
        explanation="A decision of a later version.",
        asof=at,
    )
