"""Publishes to Kafka in transactions, one transactional id a partition number, so that a new owner fences the last.

The records go out through librdkafka, which takes a third of the CPU that aiokafka takes for a record. Its calls that
wait for a broker block, so each publisher makes them in a thread of its own; records are handed over in the event loop,
since a thread would have to wait for the interpreter's lock to do that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as AIOKafkaError
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import Fatal, Fenced, Unpublishable
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.kafka.topic_checks import SIZE
from streams.runtime.ports import TP, Outgoing

_FENCED: Final = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001 - its name
)
_CONTENT: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
    }
)
"""What is refused for what it is, and not for who sends it, when, or to where."""
BATCH_BYTES: Final = 262_144
LOOK_AGAIN_S: Final = 1.0


class KafkaPublisher:
    """One partition number's producer (see `streams.runtime.ports.Publisher`)."""

    def __init__(self, connection: KafkaConnection, transactional_id: str, *, timeout_s: float) -> None:
        """Take how to connect, the id that only the partition's owner uses, and how long a transaction may take."""
        self._connection = connection
        self._transactional_id = transactional_id
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, f"publisher-{transactional_id}")
        self._producer: Producer | None = None
        """None before the start, while a transaction is under way, and once one failed: it is never gone on with."""
        self._starting: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Connect; when this returns no earlier owner can publish any more.

        What fences goes on when this is cancelled, since a thread and the broker are at it: `stop` waits for it.
        """
        self._starting = asyncio.create_task(self._start(), name=f"start {self._transactional_id}")
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        producer = None
        try:
            producer = Producer(self._options(), logger=SILENT_LOGGER)
            await asyncio.gather(self._in_thread(self._get_to_know, producer), self._fence())
            if not self._is_stopping:
                await self._in_thread(self._begin, producer)
        except (AIOKafkaError, KafkaException) as error:
            if producer is not None:
                await self._in_thread(producer.close)  # by itself it would go on trying, and fence a successor
            raise Fatal(f"{self._transactional_id}: cannot begin to publish: {error}") from error
        self._producer = producer

    def _options(self) -> dict[str, Any]:
        timeout_ms = max(1_000, int(self._timeout_s * 1000))  # librdkafka takes no less
        return {
            **self._connection.librdkafka_options(),
            "transactional.id": self._transactional_id,
            "transaction.timeout.ms": timeout_ms,
            "socket.timeout.ms": min(15_000, timeout_ms),  # nor a longer one for a request
            "acks": "all",
            "enable.idempotence": True,
            "message.max.bytes": self._connection.message_bytes_max,
            "batch.size": BATCH_BYTES,  # what a topic allows for a message it allows for a batch
            "queue.buffering.max.messages": 0,  # none but that of the step
        }

    async def _fence(self) -> None:
        """Fence by aiokafka: librdkafka would look but twice a second whether what was left open has ended."""
        fencing = AIOKafkaProducer(
            **self._connection.client_options(),
            transactional_id=self._transactional_id,
            transaction_timeout_ms=int(self._timeout_s * 1000),
        )
        try:
            await fencing.start()
        finally:
            await fencing.stop()

    def _get_to_know(self, producer: Producer) -> None:
        """Wait until the cluster is known: asked to begin before, librdkafka would look again in half a second."""
        producer.list_topics(timeout=self._timeout_s)

    def _begin(self, producer: Producer) -> None:
        producer.init_transactions(self._timeout_s)
        producer.begin_transaction()

    async def publish(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        """Publish in one transaction."""
        transaction = await self._transact(records, _Transaction.commit)
        if untold := transaction.unacknowledged:
            # an acknowledgement was lost, and the next try was known to the broker
            self._producer = None
            raise Fatal(f"{self._transactional_id}: {', '.join(untold)}: written, but not told where")
        return transaction.ends

    async def abort(self, tps: Sequence[TP]) -> None:
        """Abort a transaction of one record in each partition: its end is that of all that is open there."""
        await self._transact([Outgoing(*tp, b"", b"") for tp in tps], _Transaction.abort)

    async def _transact(self, records: Sequence[Outgoing], end: Callable[[_Transaction, float], None]) -> _Transaction:
        """Hand records over and end their transaction; on failure this publisher is never gone on with."""
        producer, self._producer = self._producer, None
        if producer is None:
            raise Fatal(f"{self._transactional_id}: not started, or has failed")
        transaction = _Transaction(producer)
        try:
            transaction.add(records)
            await self._in_thread(end, transaction, self._timeout_s)
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.code() in _CONTENT:
                await self._give_up(producer, transaction)
                raise transaction.refusal(reason, self._connection.message_bytes_max) from error
            if reason.code() in _FENCED:
                raise Fenced(f"{self._transactional_id}: another worker has taken over this partition") from error
            told = f"{reason.str()}; not acknowledged by {', '.join(transaction.unacknowledged) or 'the coordinator'}"
            raise Fatal(f"{self._transactional_id}: {len(records)} records not published: {told}") from error
        self._producer = producer
        return transaction

    async def _give_up(self, producer: Producer, transaction: _Transaction) -> None:
        """Abort a transaction of which a record was refused, to go on with another one.

        librdkafka would have to give up its epoch before it wrote to the same partition again: that would fail.
        """
        try:
            await self._in_thread(transaction.give_up, self._timeout_s)
        except KafkaException as error:
            raise Fatal(f"{self._transactional_id}: cannot abort: {error}") from error
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect; what a failed transaction left open is ended by the next owner's start, or by the broker.

        When this returns, a start that was cancelled fences nobody any more: its successor could be next.
        """
        self._is_stopping = True
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            async with asyncio.timeout(self._timeout_s):
                await self._in_thread(producer.close)
        self._thread.shutdown(wait=False)

    def _in_thread(self, call: Callable[..., object], *arguments: object) -> asyncio.Future[object]:
        return asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)


class _Transaction:
    """What goes out together, and where it was written.

    Only the last record of a partition says so: those before it have been written then, since a transaction of which
    a record failed cannot be committed. One larger than a batch is alone in its own, and says so too: where that batch
    is refused it is this record that is.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._records: Sequence[Outgoing] = ()
        self._last: dict[tuple[str, int], int] = {}
        self._refused: Outgoing | None = None
        self._failed: set[TP] = set()
        self.ends: dict[TP, int] = {}
        """For each partition the offset after its last record, once it is acknowledged."""

    def add(self, records: Sequence[Outgoing]) -> None:
        """Hand records over; raises `KafkaException` for one that is too large, or when this producer is fenced."""
        produce = self._producer.produce
        self._records = records
        self._last = {(record.topic, record.partition): at for at, record in enumerate(records)}
        for at, record in enumerate(records):
            topic, partition, key, value, _ = record
            if _size(record) > BATCH_BYTES:
                self._add_large(record)
            elif self._last[topic, partition] == at:
                produce(topic, value, key, partition, self._acknowledged)
            else:
                produce(topic, value, key, partition)

    def _add_large(self, record: Outgoing) -> None:
        topic, partition, key, value, _ = record
        try:
            self._producer.produce(topic, value, key, partition, partial(self._settled, record))
        except KafkaException:
            self._refused = record
            raise

    def commit(self, timeout_s: float) -> None:
        """Wait until everything is written and committed, then begin the next transaction; blocks.

        Raises `KafkaException` when a record was refused, or not all was done in time. Where others follow the one that
        was refused librdkafka would wait for these for ever; asked again, it tells what happened.
        """
        until = time.monotonic() + timeout_s
        while True:
            left_s = until - time.monotonic()
            try:
                self._producer.commit_transaction(max(min(left_s, LOOK_AGAIN_S), 0.0))
                break
            except KafkaException as error:
                if not error.args[0].retriable() or left_s <= LOOK_AGAIN_S:
                    raise
        self._producer.begin_transaction()

    def abort(self, timeout_s: float) -> None:
        """Wait until everything is written and aborted, then begin the next transaction; blocks and raises alike."""
        self._producer.flush(timeout_s)  # what is not written would be let go, and its partition be no part of this
        self.give_up(timeout_s)

    def give_up(self, timeout_s: float) -> None:
        """Abort whatever is written of it, then begin the next transaction; blocks and raises alike."""
        self._producer.abort_transaction(timeout_s)
        self._producer.begin_transaction()

    def refusal(self, reason: KafkaError, most: int) -> Unpublishable:
        """Return which record was refused for a reason: if it does not say so itself, the largest where one was.

        Takes how many bytes a client sends at most, whatever the topic takes.
        """
        found = self._refused
        if found is None:
            where = [each for each in self._records if TP(each.topic, each.partition) in self._failed]
            found = max(where or self._records, key=_size)
        told = f"{found.topic} takes no record of {_size(found)} bytes ({reason.name()})"
        told += f"; {SIZE} of the topic says how many it takes, up to {most}"
        return Unpublishable(told, about=found.about, is_certain=self._refused is not None)

    @property
    def unacknowledged(self) -> list[str]:
        """The partitions, as `topic-partition`, whose last record is not known to be written."""
        return sorted(TP(*place).name for place in self._last if place not in self.ends)

    def _settled(self, record: Outgoing, error: KafkaError | None, message: Message) -> None:
        if error is not None and error.code() in _CONTENT:
            self._refused = record
        if self._records[self._last[record.topic, record.partition]] is record:
            self._acknowledged(error, message)

    def _acknowledged(self, error: KafkaError | None, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None:
            return
        if error is None and offset is not None:
            self.ends[TP(topic, partition)] = offset + 1
        elif error is not None and error.code() in _CONTENT:  # what is refused has no offset
            self._failed.add(TP(topic, partition))


def _size(record: Outgoing) -> int:
    return len(record.key or b"") + len(record.value)
