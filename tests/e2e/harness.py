"""Real `sop worker` processes over a real Kafka: started, stopped, killed, fed, and waited for.

Everything here looks from outside: environment variables in, records and exit status out. Feeding, reading and waiting
use confluent-kafka. Of that workers use the transactional producer, which nothing here does; they read with a client
that shares no code with it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

SOP = Path(sys.executable).with_name("sop")
DEADLINE_S = 120.0
ACKNOWLEDGED_WITHIN_S = 300.0
"""As long as a producer tries: its broker may be restarted many times meanwhile."""
POLL_S = 0.05
STOP_S = 25.0
QUIET_S = 0.3

INPUTS = ("jobs", "tickets", "cancellations", "locations")
INTERNAL = ("internal.cases", "internal.partners")
DECISIONS = ("decisions.tagging", "decisions.paf", "decisions.rating-reversal", "decisions.refund")
OUTPUTS = (*DECISIONS, "actions", "alerts", "dead-letters")
TOPIC_OF_FAMILY = {"job": "jobs", "ticket": "tickets", "cancellation": "cancellations", "location": "locations"}

Header = tuple[str, str | bytes | None]
Produced = tuple[str, bytes | None, bytes | None, int, Sequence[Header]]
"""Topic, value, key, partition, headers."""
PARTITION_UA = -1
"""The partitioner chooses."""


def _as_it_was(refused: Message) -> Produced:
    topic, partition = refused.topic(), refused.partition()
    assert topic is not None
    assert partition is not None
    return topic, refused.value(), refused.key(), partition, cast("list[Header]", refused.headers() or [])


@dataclass(frozen=True)
class Feed:
    """A record to be produced: input topic (without prefix), key and value, with headers where it has some."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True)
class Record:
    """A record as a consumer of committed records sees it; `topic` without the prefix, `timestamp_ms` the broker's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp_ms: int


@dataclass
class Worker:
    """One `sop worker` process and the file that its standard error goes to."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def partitions(self) -> str:
        """What the worker last said that it works on: "0, 1", "none"; empty before it said so."""
        said = re.findall(r"partitions (.+)", self.log)
        return said[-1] if said else ""

    def kill(self) -> None:
        self.process.kill()
        assert self.process.wait(STOP_S) == -signal.SIGKILL, self.log

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask the worker to stop; return its exit status, which has to come within the bound."""
        self.process.send_signal(by)
        return self.process.wait(STOP_S)


def until(holds: Callable[[], bool], told: Callable[[], object] = str, within_s: float = DEADLINE_S) -> None:
    """Wait for a condition, looking again and again; fail with what `told` returns when it does not come."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {told()}"
        time.sleep(POLL_S)


def feed_of(line: bytes) -> Feed:
    """Return the record as which a producer of a line would send it: topic by type, keyed by subject."""
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
    """The topics of one test on a broker, and the workers of one group that read them."""

    brokers: str
    prefix: str
    folder: Path
    redis_url: str = ""
    partitions: int = 4
    settings: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    @property
    def group(self) -> str:
        return f"{self.prefix}group"

    def environment(self, **settings: object) -> dict[str, str]:
        """Return the environment of a worker: this one's without settings, those of the bench, and the given ones."""
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
            process = subprocess.Popen(
                [SOP, "worker"], env=self.environment(**settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.workers.append(Worker(process, log_file))
        return self.workers[-1]

    def start_ready(self, **settings: object) -> Worker:
        """Start a worker and return once it has partitions."""
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
        """Create topics as a cluster's operator would."""
        new = [NewTopic(self.prefix + name, partitions or self.partitions, 1) for name in names]
        admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        for made in admin.create_topics(new).values():
            made.result()

    def feed(self, records: Iterable[Feed], **options: str | int) -> int:
        """Produce records and return how many; by default placed as Apache Kafka's own producers place them.

        What a broker in trouble refuses is sent once more, in its order, as by any producer that may lose nothing.
        """
        count, refused = self._produce(
            ((self.prefix + each.topic, each.value, each.key, PARTITION_UA, each.headers) for each in records), options
        )
        if refused:
            _, refused = self._produce(map(_as_it_was, refused), options)
        assert [message.error() for message in refused] == []
        return count

    def _produce(self, records: Iterable[Produced], options: Mapping[str, str | int]) -> tuple[int, list[Message]]:
        """Produce records; return how many, and those that were refused."""
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
        assert producer.flush(ACKNOWLEDGED_WITHIN_S) == 0
        return count, refused

    def feed_lines(self, lines: Iterable[bytes], **options: str | int) -> int:
        return self.feed(map(feed_of, lines), **options)

    def read(self, *topics: str) -> list[Record]:
        """Return all committed records of topics, by topic, partition and offset."""
        with _Reader(self._reader_options()) as reader:
            records = [
                Record(
                    (message.topic() or "").removeprefix(self.prefix),
                    message.partition() or 0,
                    message.offset() or 0,
                    message.key(),
                    message.value() or b"",
                    message.timestamp()[1],
                )
                for message in reader.read([TopicPartition(*tp, 0) for tp in self._places(topics)])
            ]
        return sorted(records, key=lambda record: (topics.index(record.topic), record.partition, record.offset))

    def outputs(self) -> list[Record]:
        return self.read(*OUTPUTS)

    def written(self, *topics: str) -> int:
        """Return how many offsets topics take up, what is not committed yet included; cheap enough to look often."""
        with _Reader(self._reader_options()) as reader:
            return sum(reader.ends(self._places(topics)).values())

    # -- waiting ---------------------------------------------------------------------------------------------------

    def wait_until_idle(self, within_s: float = DEADLINE_S) -> None:
        """Wait until the group has worked off all input and nothing more comes out.

        Worked off: the group's offsets, which follow the checkpoints, stand behind the last record of every topic that
        is consumed, and no transaction is open anywhere. Fails when a worker ended by itself meanwhile.
        """
        quiet_since = time.monotonic()
        ends: dict[tuple[str, int], int] | None = None

        def quiet() -> bool:
            nonlocal quiet_since, ends
            self.look_after_workers()
            now = self._ends_when_idle()
            if now is None or now != ends:
                quiet_since, ends = time.monotonic(), now
                return False
            return time.monotonic() - quiet_since >= QUIET_S

        until(quiet, lambda: f"{self.lag()} {[worker.log[-500:] for worker in self.workers]}", within_s)

    def look_after_workers(self) -> None:
        """Fail when a worker ended by itself."""
        for worker in self.workers:
            status = worker.process.poll()
            assert status in (None, 0, -signal.SIGKILL), f"a worker ended with {status}: {worker.log}"

    def lag(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Return (group's offset, end) of the partitions where they differ."""
        committed = self._committed()
        with _Reader(self._reader_options()) as reader:
            ends = reader.ends(committed)
        return {tp: (at, ends[tp]) for tp, at in committed.items() if at != ends[tp]}

    def _ends_when_idle(self) -> dict[tuple[str, int], int] | None:
        starts = {**self._committed()}
        with _Reader(self._reader_options()) as reader:
            ends = reader.ends([*starts, *self._places(OUTPUTS)])
            for tp, end in ends.items():
                starts.setdefault(tp, end)
            for _ in reader.read([TopicPartition(*tp, at) for tp, at in starts.items() if at < ends[tp]]):
                return None
            return ends if all(at == ends[tp] for tp, at in reader.reached.items()) else None

    def _committed(self) -> dict[tuple[str, int], int]:
        asked = [TopicPartition(*tp) for tp in self._places((*INPUTS, *INTERNAL))]
        consumer = Consumer({**self._reader_options(), "group.id": self.group})
        try:
            told = consumer.committed(asked, timeout=DEADLINE_S)
        finally:
            consumer.close()
        return {(tp.topic, tp.partition): max(tp.offset, 0) for tp in told}

    def _places(self, topics: Sequence[str]) -> list[tuple[str, int]]:
        return [(self.prefix + topic, number) for topic in topics for number in range(self.partitions)]

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
    """A consumer outside any group, for reads that end where the partitions end."""

    def __init__(self, options: Mapping[str, str | int | bool]) -> None:
        self._consumer = Consumer(dict(options))
        self.reached: dict[tuple[str, int], int] = {}
        """Where reading found the end of what is committed."""

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def ends(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the offset after the last record, whether committed or not."""
        return {
            place: self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=DEADLINE_S)[1]
            for place in places
        }

    def read(self, starts: Sequence[TopicPartition]) -> Iterable[Message]:
        """Yield the committed records from some offsets to the ends."""
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
