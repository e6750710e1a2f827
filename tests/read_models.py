"""What tests of the read model share: the records of a simulated day, and databases to write them to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from operator import attrgetter
from zlib import crc32

from agents.sops import catalogue
from schemas.codec.decoder import decode_record
from schemas.codec.encoder import OUTPUT_HEADERS, encode_dead_letter, encode_message
from schemas.codec.headers import Headers
from schemas.codec.limits import Limits
from schemas.errors import InvalidMessage
from schemas.outputs import ActionMessage, AlertMessage, DeadLetter, DecisionMessage, OutputMessage
from schemas.topics import Topics
from streams.kit.deciding import decide
from streams.kit.scenario import Arrival
from streams.runtime.ports import TP
from streams.simulator.delivery import Delivery
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import deliveries
from surfaces.read_model.database import Database
from surfaces.read_model.entries import EntryReader
from surfaces.read_model.store import ReadModelStore
from surfaces.sink.ports import Position, Record

TOPICS = catalogue.topics()
PARTITIONS = 2
NOW_US = 1_800_000_000_000_000
"""What tests take for the present: later than every record."""


@dataclass
class Feed:
    """Records of some topics, one after the other."""

    topics: Topics = TOPICS
    topic_id: str = "id-1"
    records: list[Record] = field(default_factory=list)
    _ends: Counter[TP] = field(default_factory=Counter)

    def add(self, topic: str, key: str | None, value: bytes | None, at: int, headers: Headers = ()) -> Record:
        """Append a record that is published at an instant (microseconds)."""
        tp = TP(topic, crc32((key or "").encode()) % PARTITIONS)
        encoded = None if key is None else key.encode()
        record = Record(tp, self.topic_id, self._ends[tp], at // 1000, encoded, value, headers)
        self._ends[tp] += 1
        self.records.append(record)
        return record

    def add_message(self, message: OutputMessage, at: int) -> Record:
        """Append an output."""
        match message:
            case DecisionMessage(body=body):
                topic, key = self.topics.decision(body.kind), body.case_id
            case ActionMessage(body=body):
                topic, key = self.topics.actions, body.case_id
            case _:
                assert isinstance(message, AlertMessage)
                topic, key = self.topics.alerts, message.alert_id
        return self.add(topic, key, encode_message(message), at, OUTPUT_HEADERS)

    def add_dead_letter(self, refused: Record, reason: str, at: int) -> Record:
        """Append the dead letter of a record."""
        tp, key, value, headers = refused.tp, refused.key, refused.value, tuple(refused.headers)
        letter = DeadLetter(
            topic=tp.topic, partition=tp.partition, offset=refused.offset, reason=reason, value=value, key=key
        )
        text = (key or b"").decode(errors="replace")
        assert not headers
        return self.add(self.topics.dead_letters, text, encode_dead_letter(letter), at, OUTPUT_HEADERS)


@cache
def simulated(jobs: int, seed: int = 1, malformed_share: float = 0.01) -> tuple[Record, ...]:
    """Return the records of all topics of a simulated day, in the order in which they are published."""
    feed = Feed()
    lines = deliveries(SimulatorOptions(jobs=jobs, seed=seed, malformed_share=malformed_share))
    arrivals = list(_arrivals(feed, lines))
    arrivals_at = {at: list(each) for at, each in groupby(arrivals, attrgetter("at"))}
    outputs = list(decide(arrivals))
    for emitted in outputs:
        feed.add_message(emitted.message, emitted.at)
    assert arrivals_at
    return tuple(sorted(feed.records, key=attrgetter("timestamp")))


def _arrivals(feed: Feed, lines: Iterable[Delivery]) -> Iterator[Arrival]:
    """Yield the events that are accepted; others become dead letters."""
    for line in lines:
        record = feed.add(TOPICS.of(line.type), line.key, line.line, line.arrive_at)
        try:
            event = decode_record(line.line, None, Limits(), line.arrive_at)
        except InvalidMessage as error:
            feed.add_dead_letter(record, error.reason, line.arrive_at)
        else:
            yield Arrival(line.arrive_at, line.line, event)


def positions_behind(records: Sequence[Record]) -> dict[TP, Position]:
    """Return the positions behind some records."""
    return {each.tp: Position(each.topic_id, each.offset + 1) for each in records}


def write(store: ReadModelStore, records: Sequence[Record], batch: int = 500) -> None:
    """Write records as a sink does, in batches."""
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        store.write(part, positions_behind(part))


def store_in(database: Database, now_us: int = NOW_US) -> ReadModelStore:
    """Return a store that reads all topics."""
    return ReadModelStore(database, EntryReader(TOPICS, Limits()), lambda: now_us)
