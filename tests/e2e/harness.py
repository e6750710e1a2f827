"""Starts, feeds, stops and kills real `sop worker` processes over a real Kafka, and waits for them.

It sees workers only from outside: environment variables in, records and exit status out. It produces and reads with
confluent-kafka, of which workers use only the transactional producer; they read with another client.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from confluent_kafka import Consumer, IsolationLevel, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined] # re-exported all the same

from tests import zygote

DEADLINE_S = 120.0
ACKNOWLEDGED_WITHIN_S = 120.0
"""How long a producer retries: its broker may be restarted many times meanwhile."""
POLL_S = 0.05
IDLE_POLL_S = 0.15
"""Longer, because each look asks the broker for many offsets."""
STOP_S = 25.0
QUIET_S = 0.3

INPUTS = ("jobs", "tickets", "cancellations", "locations")
INTERNAL = ("internal.cases", "internal.partners", "internal.watches")
DECISIONS = ("decisions.tagging", "decisions.paf", "decisions.rating-reversal", "decisions.refund")
LATEST = "decisions.latest"
OUTPUTS = (*DECISIONS, "actions", "alerts", "dead-letters", LATEST)
TOPIC_OF_FAMILY = {"job": "jobs", "ticket": "tickets", "cancellation": "cancellations", "location": "locations"}

Header = tuple[str, str | bytes | None]
Produced = tuple[str, bytes | None, bytes | None, int, Sequence[Header]]
"""Topic, value, key, partition, headers."""
PARTITION_UA = -1
"""Leaves the choice to the partitioner."""


def _unchanged(refused: Message) -> Produced:
    topic, partition = refused.topic(), refused.partition()
    assert topic is not None
    assert partition is not None
    return topic, refused.value(), refused.key(), partition, cast("list[Header]", refused.headers() or [])


@dataclass(frozen=True)
class Feed:
    """A record to produce: input topic (without prefix), key, value and headers."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True)
class Record:
    """A committed record; `topic` is without the prefix, `timestamp_ms` is the broker's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp_ms: int
    headers: tuple[Header, ...] = ()


@dataclass
class Worker:
    """A `sop worker` process and the file with its standard error."""

    process: zygote.Process
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def partitions(self) -> str:
        """The partitions that the worker logged last: "0, 1" or "none"; empty before it did."""
        found = re.findall(r"partitions (none|\d+(?:, \d+)*)$", self.log, re.MULTILINE)
        return found[-1] if found else ""

    def kill(self) -> None:
        self.process.kill()
        assert self.process.wait(STOP_S) == -signal.SIGKILL, self.log

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Signal the worker to stop; return its exit status, which has to come within `STOP_S`."""
        self.process.send_signal(by)
        return self.process.wait(STOP_S)


def until(
    condition: Callable[[], bool],
    describe: Callable[[], object] = str,
    within_s: float = DEADLINE_S,
    poll_s: float = POLL_S,
) -> None:
    """Wait until a condition holds; otherwise fail with what `describe` returns."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {describe()}"
        time.sleep(poll_s)


def feed_of(line: bytes) -> Feed:
    """Return an event as a record: its topic by type, keyed by subject."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return Feed("jobs", None, line)
    if not isinstance(event, dict):
        return Feed("jobs", None, line)
    family = str(event.get("type")).partition(".")[0]
    return Feed(TOPIC_OF_FAMILY.get(family, "jobs"), str(event.get("subject")).encode(), line)


@dataclass
class Bench:
    """The topics of one test, and the workers of one group that read them."""

    brokers: str
    prefix: str
    folder: Path
    redis_url: str = ""
    partitions: int = 4
    settings: dict[str, str] = field(default_factory=dict)
    quiet_s: float = QUIET_S
    """For how long nothing is written once all is read."""
    workers: list[Worker] = field(default_factory=list)

    @property
    def group(self) -> str:
        return f"{self.prefix}group"

    def environment(self, **settings: object) -> dict[str, str]:
        """Return the environment of a worker, with the settings of the bench and the given ones."""
        ours = {
            "SOP_BROKERS": self.brokers,
            "SOP_TOPIC_PREFIX": self.prefix,
            "SOP_GROUP": self.group,
            "SOP_PARTITIONS": str(self.partitions),
            "SOP_REDIS_URL": self.redis_url,
            "SOP_CHECKPOINT_INTERVAL_S": "0.3",
            **self.settings,
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("SOP_")}
        return others | ours | {name: str(value) for name, value in settings.items()}

    def start(self, **settings: object) -> Worker:
        log_file = self.folder / f"worker-{len(self.workers) + 1}.log"
        with log_file.open("wb") as log:
            process = zygote.start(["worker"], env=self.environment(**settings), stdout=log, stderr=log)
        self.workers.append(Worker(process, log_file))
        return self.workers[-1]

    def start_ready(self, **settings: object) -> Worker:
        """Start a worker; return it once it has partitions."""
        worker = self.start(**settings)
        until(lambda: worker.process.poll() is not None or worker.partitions not in ("", "none"), lambda: worker.log)
        assert worker.process.poll() is None, worker.log
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()

    # -- topics ----------------------------------------------------------------------------------------------------

    def create(self, *names: str, partitions: int | None = None) -> None:
        """Create topics, as an operator would."""
        new = [NewTopic(self.prefix + name, partitions or self.partitions, 1) for name in names]
        admin = self._admin()
        for made in admin.create_topics(new).values():
            made.result()

    def feed(self, records: Iterable[Feed], **options: str | int) -> int:
        """Produce records and return how many, by default with the partitioner of Apache Kafka's own producers.

        Records that a broker in trouble refuses or does not acknowledge in time are sent once more, in their order, by
        another producer.
        """
        count, refused = self._produce(
            ((self.prefix + each.topic, each.value, each.key, PARTITION_UA, each.headers) for each in records), options
        )
        if refused:
            _, refused = self._produce(map(_unchanged, refused), options)
        assert [message.error() for message in refused] == []
        return count

    def _produce(self, records: Iterable[Produced], options: Mapping[str, str | int]) -> tuple[int, list[Message]]:
        """Produce records; return how many, and the refused ones."""
        producer = Producer(
            {
                "bootstrap.servers": self.brokers,
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "enable.idempotence": True,  # keeps the order of a partition
                "message.max.bytes": 8 * 1024 * 1024,
                "log_level": 0,
                **options,
            }
        )
        refused: list[Message] = []

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                refused.append(message)

        count = 0
        for count, (topic, value, key, partition, headers) in enumerate(records, 1):
            producer.produce(topic, value, key, partition, acknowledged, headers=list(headers))
            if count % 1000 == 0:
                producer.poll(0)
        if producer.flush(ACKNOWLEDGED_WITHIN_S):
            producer.purge()  # which reports the rest as refused
            assert producer.flush(ACKNOWLEDGED_WITHIN_S) == 0
        return count, refused

    def feed_lines(self, lines: Iterable[bytes], **options: str | int) -> int:
        return self.feed(map(feed_of, lines), **options)

    def read(self, *topics: str) -> list[Record]:
        """Return all committed records of topics, in the order of topic, partition and offset."""
        with _Reader(self._reader_options()) as reader:
            records = [
                Record(
                    (message.topic() or "").removeprefix(self.prefix),
                    message.partition() or 0,
                    message.offset() or 0,
                    message.key(),
                    message.value() or b"",
                    message.timestamp()[1],
                    tuple(cast("list[Header]", message.headers() or [])),
                )
                for message in reader.read([TopicPartition(*tp, 0) for tp in self._places(topics)])
            ]
        return sorted(records, key=lambda record: (topics.index(record.topic), record.partition, record.offset))

    def outputs(self) -> list[Record]:
        """Return all outputs; the latest decisions come last."""
        return self.read(*OUTPUTS)

    def written(self, *topics: str) -> int:
        """Return the number of offsets in topics, uncommitted records included; cheap enough for polling."""
        return sum(self.ends(self._places(topics)).values())

    def ends(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the offset after the last record, committed or not, of each (topic with prefix, partition).

        It is one request for all: a consumer would send two for each, many times a second while a test waits.
        """
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(*place): latest for place in places}
        admin = self._admin()
        answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=DEADLINE_S)
        return {(tp.topic, tp.partition): answer.result().offset for tp, answer in answers.items()}

    # -- waiting ---------------------------------------------------------------------------------------------------

    def wait_until_idle(self, within_s: float = DEADLINE_S) -> None:
        """Wait until the group has processed all input and emits nothing more.

        That is when its committed offsets, which follow the checkpoints, are after the last record of every consumed
        topic, and no transaction is open. Fails if a worker ended by itself.
        """
        idle_since = time.monotonic()
        ends: dict[tuple[str, int], int] | None = None

        def is_idle() -> bool:
            nonlocal idle_since, ends
            self.check_workers()
            now = self._ends_when_idle()
            if now is None or now != ends:
                idle_since, ends = time.monotonic(), now
                return False
            return time.monotonic() - idle_since >= self.quiet_s

        until(
            is_idle,
            lambda: f"{self.lag()} {[worker.log[-500:] for worker in self.workers]}",
            within_s,
            IDLE_POLL_S,
        )

    def check_workers(self) -> None:
        """Fail if a worker ended by itself."""
        for worker in self.workers:
            status = worker.process.poll()
            assert status in (None, 0, -signal.SIGKILL), f"a worker ended with {status}: {worker.log}"

    def lag(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Return (committed offset, end) of the partitions in which they differ."""
        committed = self._committed()
        ends = self.ends(committed)
        return {tp: (at, ends[tp]) for tp, at in committed.items() if at != ends[tp]}

    def _ends_when_idle(self) -> dict[tuple[str, int], int] | None:
        starts = {**self._committed()}
        ends = self.ends([*starts, *self._places(OUTPUTS)])
        for tp, end in ends.items():
            starts.setdefault(tp, end)
        behind = [TopicPartition(*tp, at) for tp, at in starts.items() if at < ends[tp]]
        if not behind:
            return ends
        with _Reader(self._reader_options()) as reader:  # reads nothing if only markers follow
            for _ in reader.read(behind):
                return None
            return ends if all(at == ends[tp] for tp, at in reader.reached.items()) else None

    def _committed(self) -> dict[tuple[str, int], int]:
        tps = [TopicPartition(*tp) for tp in self._places((*INPUTS, *INTERNAL))]
        consumer = Consumer({**self._reader_options(), "group.id": self.group})
        try:
            committed = consumer.committed(tps, timeout=DEADLINE_S)
        finally:
            consumer.close()
        return {(tp.topic, tp.partition): max(tp.offset, 0) for tp in committed}

    def _places(self, topics: Sequence[str]) -> list[tuple[str, int]]:
        return [(self.prefix + topic, number) for topic in topics for number in range(self.partitions)]

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})

    def _reader_options(self) -> dict[str, str | int | bool]:
        return {
            "bootstrap.servers": self.brokers,
            "group.id": f"{self.prefix}reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "log_level": 0,
        }


class _Reader:
    """A consumer outside of any group, which reads to the ends of partitions."""

    def __init__(self, options: Mapping[str, str | int | bool]) -> None:
        self._consumer = Consumer(dict(options))
        self.reached: dict[tuple[str, int], int] = {}
        """Where reading reached the end of the committed records."""

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self, starts: Sequence[TopicPartition]) -> Iterable[Message]:
        """Yield the committed records from given offsets to the ends."""
        deadline = time.monotonic() + DEADLINE_S
        if not starts:
            return
        self._consumer.assign(list(starts))
        while len(self.reached) < len(starts):
            assert time.monotonic() < deadline, f"{len(starts) - len(self.reached)} partitions not read to their end"
            for message in self._consumer.consume(1000, timeout=0.1):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    self.reached[message.topic() or "", message.partition() or 0] = message.offset() or 0
                else:
                    raise AssertionError(str(error))
