"""Puts messages on topics as a worker does: partitions, offsets with gaps, keys, headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec
from msgspec import Struct, structs

from schemas.codec.encoder import OUTPUT_HEADERS, encode_message
from schemas.outputs import AlertMessage, DecisionMessage, OutputMessage
from schemas.topics import ACTIONS, ALERTS, LATEST, decision_topic
from streams.kit.deciding import Emitted
from streams.processor.decoder import partition_of

PARTITIONS: Final = 4
HEADERS: Final = tuple((name, text.decode()) for name, text in OUTPUT_HEADERS)
US_PER_MS: Final = 1000


class Record(Struct, frozen=True):
    """A record of a topic; its key, headers and value are all text, the value perhaps null."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: str | None
    headers: tuple[tuple[str, str], ...] = HEADERS


def on_topics(emitted: Iterable[Emitted]) -> Iterator[Record]:
    """Yield the records of the topics of decisions, actions and alerts, in the order in which they are written."""

    def place(message: OutputMessage) -> tuple[str, str, str]:
        if isinstance(message, DecisionMessage):
            return decision_topic(message.body.kind), message.body.case_id, message.body.case_id
        if isinstance(message, AlertMessage):
            return ALERTS, message.alert_id, message.subject
        return ACTIONS, message.body.case_id, message.body.case_id

    return _written((each.at, *place(each.message), each.message) for each in emitted)


def on_latest(emitted: Iterable[Emitted]) -> Iterator[Record]:
    """Yield the records of the topic with the last revision of every decision, before it is compacted."""
    return _written(
        (each.at, LATEST, each.message.decision_key, each.message.body.case_id, each.message)
        for each in emitted
        if isinstance(each.message, DecisionMessage)
    )


def compacted(records: Iterable[Record]) -> list[Record]:
    """Return what compaction leaves: the last record of each key, at its offset."""
    last: dict[str, Record] = {}
    for record in records:
        last.pop(record.key, None)
        last[record.key] = record
    return [*last.values()]


def partition_by_partition(records: Iterable[Record]) -> list[Record]:
    """Return the records as a reader gets them that catches up: one partition after the other."""
    return sorted(records, key=attrgetter("topic", "partition", "offset"))


def written_twice(records: Iterable[Record]) -> list[Record]:
    """Return a topic into which a mirror has copied every third record again, and at the end all superseded ones."""
    records = [*records]
    twice = [*records]
    for record in records[::3]:
        twice.insert(twice.index(record) + 1, record)
    return _renumbered([*twice, *_superseded(records)])


def with_gaps(records: Iterable[Record]) -> list[Record]:
    """Return the records without every second revision of a decision, unless it is the last."""
    records = [*records]
    missing = [each for each in _superseded(records) if _decision(each)[1] % 2 == 0]
    return [each for each in records if each not in missing]


def with_nulls(records: Iterable[Record]) -> list[Record]:
    """Return the records with another one of the same key and without a value after every tenth."""
    found: list[Record] = []
    for number, record in enumerate(records, 1):
        found.append(record)
        if number % 10 == 0:
            found.append(structs.replace(record, value=None))
    return _renumbered(found)


def from_the_start_again(records: Iterable[Record]) -> list[Record]:
    """Return what a reader gets whose positions are reset when it has read two thirds."""
    records = [*records]
    return [*records[: len(records) * 2 // 3], *records]


def _written(outputs: Iterable[tuple[int, str, str, str, OutputMessage]]) -> Iterator[Record]:
    """Yield outputs as records: instant, topic, key, the id that chooses the partition, message.

    What one instant leads to in one partition is a transaction, whose marker takes an offset.
    """
    next_offset: Counter[tuple[str, int]] = Counter()
    for at, together in groupby(outputs, lambda each: each[0]):
        written: set[tuple[str, int]] = set()
        for _, topic, key, subject, message in together:
            place = topic, partition_of(subject, PARTITIONS)
            yield Record(*place, next_offset[place], at // US_PER_MS, key, encode_message(message).decode())
            next_offset[place] += 1
            written.add(place)
        next_offset.update(written)


def _superseded(records: Iterable[Record]) -> list[Record]:
    """Return the records of decisions that have a later revision, in their order."""
    decisions = [each for each in records if each.topic not in (ACTIONS, ALERTS)]
    last = dict(map(_decision, decisions))
    return [each for each in decisions if (of := _decision(each))[1] < last[of[0]]]


def _decision(record: Record) -> tuple[str, int]:
    """Return the key and the revision of a decision."""
    data = msgspec.json.decode(record.value or "")["data"]
    return data["decision_key"], data["revision"]


def _renumbered(records: Iterable[Record]) -> list[Record]:
    next_offset: Counter[tuple[str, int]] = Counter()
    renumbered = []
    for each in records:
        place = each.topic, each.partition
        renumbered.append(Record(*place, next_offset[place], each.timestamp_ms, each.key, each.value, each.headers))
        next_offset[place] += 1
    return renumbered
