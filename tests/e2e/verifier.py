"""Checks the outputs of workers against the contract, from the records alone.

It uses nothing of the code under test, so it finds mistakes that writer and reader share.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import rfc8785

from tests.e2e.harness import LATEST, Record

NOT_HASHED = (
    "decision_id",
    "content_hash",
    "revision",
    "supersedes",
    "changed",
    "previous",
    "decision_key",
    "cause",
    "cancellation_ref",
    "claim_ref",
    "explanation",
)
NOT_IN_PREVIOUS = ("evidence", "explanation")
HEADERS = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
TOPIC_OF_DECISION = {
    "decision.tagging": "decisions.tagging",
    "decision.paf": "decisions.paf",
    "decision.rating_reversal": "decisions.rating-reversal",
    "decision.refund": "decisions.refund",
}

DUE_OR_POLICY = re.compile(r"deadline:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$|policy$")

Data = dict[str, Any]
Refusal = tuple[bytes, str]


@dataclass(frozen=True)
class Outcome:
    """The final state: content hashes by decision key, ids of open actions and of firing condition alerts."""

    decisions: Mapping[tuple[str, str, str, str | None], str]
    open_actions: frozenset[str]
    firing: frozenset[str]
    refused: Mapping[Refusal, int]
    """How often, by value and reason of the dead letter."""


@dataclass(frozen=True)
class Emitted:
    """An output message, with its record."""

    record: Record
    envelope: Data

    @property
    def data(self) -> Data:
        data: Data = self.envelope["data"]
        return data

    @property
    def type(self) -> str:
        return str(self.envelope["type"])


def emitted(records: Iterable[Record]) -> list[Emitted]:
    """Return the messages of output records, without latest decisions that were removed later."""
    kept: list[Record] = []
    for record in records:
        if record.topic == LATEST and not record.value:
            place = (record.topic, record.partition, record.key)
            kept = [each for each in kept if (each.topic, each.partition, each.key) != place]
        else:
            kept.append(record)
    return [Emitted(record, json.loads(record.value)) for record in kept]


def outcome(envelopes: Iterable[Data]) -> Outcome:
    """Return the outcome of messages in the order of their revisions."""
    decisions: dict[tuple[str, str, str, str | None], str] = {}
    actions: dict[str, str] = {}
    alerts: dict[str, Data] = {}
    refused: Counter[Refusal] = Counter()
    for envelope in envelopes:
        data = envelope["data"]
        if envelope["type"].startswith("decision."):
            decisions[decision_key(data)] = data["content_hash"] if data["outcome"] != "withdrawn" else ""
        elif envelope["type"] == "action":
            actions[data["action_id"]] = data["state"]
        elif envelope["type"] == "alert":
            alerts[data["alert_id"]] = data
        else:
            refused[base64.b64decode(data["value"]), data["reason"]] += 1
    return Outcome(
        {key: content for key, content in decisions.items() if content},
        frozenset(key for key, state in actions.items() if state == "open"),
        # an alert about a moment has its end from the start
        frozenset(key for key, data in alerts.items() if data["state"] == "firing" and "ends_at" not in data),
        refused,
    )


def decision_key(data: Data) -> tuple[str, str, str, str | None]:
    partner = data["partner_id"] if data["subject_of"] == "out_of_scope" else None
    return (data["case_id"], data["kind"], data["subject_of"], partner)


def published_key(data: Data) -> str:
    """Return the `decision_key` that a decision has to name."""
    parts = [data["case_id"], data["kind"], data["subject_of"]]
    parts += [data["partner_id"] or ""] if data["subject_of"] == "out_of_scope" else []
    return "|".join(quote(part, safe="") for part in parts)


def violations(messages: list[Emitted]) -> list[str]:
    """Return one line for each violation of the contract."""
    return [violation for found in violations_by_kind(messages).values() for violation in found]


def violations_by_kind(messages: list[Emitted]) -> dict[str, list[str]]:
    """Return the violations by kind."""
    latest = [each for each in messages if each.record.topic == LATEST]
    own = [each for each in messages if each.record.topic != LATEST]
    return {
        "misplaced": [*_misplaced(messages)],
        "conflicting": [*_ids(own), *_differences(own)],
        "duplicate": [*_repeated(own)],
        "stale": [*_broken_chains(own), *_gone_back(own), *_outdated(own, latest)],
    }


def _misplaced(messages: list[Emitted]) -> Iterator[str]:
    """Each message is on the topic of its type, with the key and the headers of the contract."""
    for each in messages:
        topic, key = each.record.topic, each.record.key
        if each.record.headers != HEADERS:
            yield f"{_where(each)}: headers {each.record.headers}"
        match each.type:
            case "action":
                wanted = ("actions", each.data["case_id"])
            case "alert":
                wanted = ("alerts", each.data["alert_id"])
            case "dead-letter":
                continue
            case _ if topic == LATEST:
                wanted = (LATEST, published_key(each.data))
            case decision:
                wanted = (TOPIC_OF_DECISION[decision], each.data["case_id"])
        if (topic, key) != (wanted[0], wanted[1].encode()):
            yield f"{_where(each)}: {each.type} with key {key!r} should be at {wanted}"


def _ids(messages: list[Emitted]) -> Iterator[str]:
    """Hashes are those of the content, so that one id cannot have two bodies."""
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    for each in messages:
        bodies[each.envelope.get("source", "") + "#" + each.envelope["id"]].add(rfc8785.dumps(each.data))
        if not each.type.startswith("decision."):
            continue
        data = each.data
        content = {name: value for name, value in data.items() if name not in NOT_HASHED}
        content_hash = hashlib.sha256(rfc8785.dumps(content)).hexdigest()[:32]
        chained = f"{content_hash}|{data['supersedes'] or ''}"
        decision_id = hashlib.sha256(chained.encode()).hexdigest()[:32]
        if (data["content_hash"], data["decision_id"], each.envelope["id"]) != (content_hash, decision_id, decision_id):
            yield f"{_where(each)}: content {content_hash} and id {decision_id} computed anew, found {data}"
    for identity, found in bodies.items():
        if len(found) > 1:
            yield f"{identity} has {len(found)} bodies"


def _repeated(messages: list[Emitted]) -> Iterator[str]:
    """Nothing is emitted twice: no revision, no dead letter, no alert in the state it had."""
    seen: Counter[tuple[object, ...]] = Counter()
    state: dict[str, tuple[str, object]] = {}
    for each in messages:
        data = each.data
        if each.type == "alert":
            if state.get(data["alert_id"]) == (data["state"], data["labels"]):
                yield f"{_where(each)}: alert {data['alert_id']} is {data['state']} twice in a row"
            state[data["alert_id"]] = (data["state"], data["labels"])
        elif each.type == "dead-letter":
            seen["dead letter", data["topic"], data["partition"], data["offset"]] += 1
        else:
            seen[each.type, each.envelope["id"]] += 1
    yield from (f"{identity} was emitted {count} times" for identity, count in seen.items() if count > 1)


def _broken_chains(messages: list[Emitted]) -> Iterator[str]:
    """Revision n + 1 comes after n and supersedes it, on the same partition."""
    for key, chain in _chains(messages).items():
        before: Emitted | None = None
        for number, each in enumerate(chain, 1):
            if each.data["revision"] != number:
                yield f"{key}: revision {each.data['revision']} where {number} was due"
            if before is not None and before.record.partition != each.record.partition:
                yield f"{key}: on partitions {before.record.partition} and {each.record.partition}"
            if each.type != "action" and each.data["supersedes"] != (before.data["decision_id"] if before else None):
                yield f"{key}: revision {number} supersedes {each.data['supersedes']}"
            before = each


def _differences(messages: list[Emitted]) -> Iterator[str]:
    """Each revision says what it changed, what that was, what is new, and the key of its chain."""
    for chain in _chains(messages).values():
        before: Data | None = None
        for each in chain:
            if each.type == "action":
                break
            data = each.data
            found = {name: data[name] for name in ("changed", "previous", "decision_key")}
            if found != {**_changes(before, data), "decision_key": published_key(data)}:
                yield f"{_where(each)}: {found} after {before}"
            if not _is_cause(data["cause"], before, data):
                yield f"{_where(each)}: cause {data['cause']} after {before}"
            before = data


def _is_cause(cause: list[str] | None, before: Data | None, data: Data) -> bool:
    if before is None or cause is None:
        return before is None and cause is None
    new = {*data["evidence"]} - {*before["evidence"]}
    others = {*cause} - new
    has_policy = "policy" in others
    return new <= {*cause} and all(map(DUE_OR_POLICY.match, others)) and has_policy == ("policy" in data["changed"])


def _changes(before: Data | None, data: Data) -> Data:
    if before is None:
        return {"changed": [], "previous": None}
    old, new = ({name: each[name] for name in each if name not in NOT_HASHED} for each in (before, data))
    names = sorted({*old, *new})
    changed = [name for name in names if (name in old, old.get(name)) != (name in new, new.get(name))]
    return {
        "changed": changed,
        "previous": {name: old[name] for name in changed if name in old and name not in NOT_IN_PREVIOUS},
    }


def _outdated(messages: list[Emitted], latest: list[Emitted]) -> Iterator[str]:
    """What compaction leaves of the latest decisions is the last revision of every chain, byte for byte.

    After partitions were added, a decision may also have an earlier revision in another partition.
    """
    if not latest:
        return
    kept = {(each.record.partition, each.record.key): each for each in latest}
    found: dict[bytes | None, Emitted] = {}
    for each in kept.values():
        known = found.get(each.record.key)
        if known is None or each.data["revision"] > known.data["revision"]:
            found[each.record.key] = each
    last = [chain[-1] for chain in _chains(messages).values() if chain[-1].type != "action"]
    wanted: dict[bytes | None, Emitted] = {published_key(each.data).encode(): each for each in last}
    for key in {*wanted, *found}:
        if key not in wanted or key not in found or wanted[key].record.value != found[key].record.value:
            revisions = [each.data["revision"] if each else None for each in (found.get(key), wanted.get(key))]
            yield f"{key!r}: the latest is revision {revisions[0]}, the last one {revisions[1]}"


def _gone_back(messages: list[Emitted]) -> Iterator[str]:
    """No revision is decided at an earlier input position than the one before."""
    for key, chain in _chains(messages).items():
        furthest: dict[str, int] = {}
        for each in chain:
            inputs = _inputs(each)
            for name, at in furthest.items():
                if inputs.get(name, -1) < at:
                    yield f"{key}: revision {each.data['revision']} at {name}:{inputs.get(name)} after {at}"
            furthest = inputs


def _chains(messages: list[Emitted]) -> dict[tuple[object, ...], list[Emitted]]:
    chains: defaultdict[tuple[object, ...], list[Emitted]] = defaultdict(list)
    for each in messages:
        if each.type.startswith("decision."):
            chains[decision_key(each.data)].append(each)
        elif each.type == "action":
            chains["action", each.data["action_id"]].append(each)
    return chains


def _inputs(each: Emitted) -> dict[str, int]:
    parts = (part.rpartition(":") for part in each.envelope["inputs"].split(",") if part)
    return {name: int(at) for name, _, at in parts}


def _where(each: Emitted) -> str:
    return f"{each.record.topic}-{each.record.partition}@{each.record.offset}"
