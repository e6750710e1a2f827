"""Publishes to Kafka in transactions. Each partition number has a transactional id, so a new owner fences the old one.

Records are sent by librdkafka, at a third of aiokafka's CPU time. Its blocking calls run in a thread per publisher.
Records are handed over in the event loop, since a thread would have to wait for the interpreter's lock for each.
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
from streams.kafka.topic_setup import SIZE_CONFIG
from streams.runtime.ports import TP, Outgoing

_FENCED: Final = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001 - its name
)
_CONTENT_ERRORS: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
    }
)
"""Errors about a record's content, which would recur with every attempt."""
BATCH_BYTES: Final = 262_144
COMMIT_POLL_S: Final = 1.0


class KafkaPublisher:
    """The producer of one partition number; implements `streams.runtime.ports.Publisher`.

    Only the owner of the partition uses its `transactional_id`. `timeout_s` limits each transaction.
    """

    def __init__(self, connection: KafkaConnection, transactional_id: str, *, timeout_s: float) -> None:
        self._connection = connection
        self._transactional_id = transactional_id
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, f"publisher-{transactional_id}")
        self._producer: Producer | None = None
        """None before the start, during a transaction, and after a failure: a failed producer is not used again."""
        self._starting: asyncio.Task[None] | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Connect and fence earlier owners: when this returns they can no longer publish.

        Fencing continues in its thread when this is cancelled; `stop` waits for it.
        """
        self._starting = asyncio.create_task(self._start(), name=f"start {self._transactional_id}")
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        producer = None
        try:
            producer = Producer(self._options(), logger=SILENT_LOGGER)
            # Without the cluster's metadata `init_transactions` would retry after half a second.
            metadata = self._in_thread(partial(producer.list_topics, timeout=self._timeout_s))
            await asyncio.gather(metadata, self._fence())
            if not self._is_stopping:
                await self._in_thread(self._begin, producer)
        except (AIOKafkaError, KafkaException) as error:
            if producer is not None:
                await self._in_thread(producer.close)  # otherwise it would keep trying, and fence a successor
            raise Fatal(f"{self._transactional_id}: cannot start publishing: {error}") from error
        self._producer = producer

    def _options(self) -> dict[str, Any]:
        timeout_ms = max(1_000, int(self._timeout_s * 1000))  # librdkafka's minimum
        return {
            **self._connection.librdkafka_options(),
            "transactional.id": self._transactional_id,
            "transaction.timeout.ms": timeout_ms,
            "socket.timeout.ms": min(15_000, timeout_ms),  # must not exceed the transaction's
            "acks": "all",
            "enable.idempotence": True,
            "message.max.bytes": self._connection.message_bytes_max,
            "batch.size": BATCH_BYTES,  # a topic's limit on messages applies to batches too
            "queue.buffering.max.messages": 0,  # no limit: a step is small enough
        }

    async def _fence(self) -> None:
        """Fence with aiokafka: librdkafka polls only twice a second for the end of an earlier owner's transaction."""
        fencing = AIOKafkaProducer(
            **self._connection.client_options(),
            transactional_id=self._transactional_id,
            transaction_timeout_ms=int(self._timeout_s * 1000),
        )
        try:
            await fencing.start()
        finally:
            await fencing.stop()

    def _begin(self, producer: Producer) -> None:
        producer.init_transactions(self._timeout_s)
        producer.begin_transaction()

    async def publish(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        """Publish in one transaction."""
        transaction = await self._transact(records, _Transaction.commit)
        if missing := transaction.unacknowledged:
            # an acknowledgement was lost, and the broker recognised the retry as a duplicate
            self._producer = None
            raise Fatal(f"{self._transactional_id}: {', '.join(missing)}: written at unknown offsets")
        return transaction.ends

    async def abort(self, tps: Sequence[TP]) -> None:
        """Abort a transaction of one record per partition, which also ends a hanging transaction there."""
        await self._transact([Outgoing(*tp, b"", b"") for tp in tps], _Transaction.abort)

    async def _transact(self, records: Sequence[Outgoing], end: Callable[[_Transaction, float], None]) -> _Transaction:
        """Send records and end their transaction with `end`; only after `Unpublishable` can this publisher go on."""
        producer, self._producer = self._producer, None
        if producer is None:
            raise Fatal(f"{self._transactional_id}: not started, or has failed")
        transaction = _Transaction(producer, records)
        try:
            transaction.send()
            await self._in_thread(end, transaction, self._timeout_s)
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.code() in _FENCED:
                raise Fenced(f"{self._transactional_id}: another worker has taken over this partition") from error
            await self._in_thread(producer.poll, 0)  # calls back for what was rejected
            if reason.code() in _CONTENT_ERRORS or transaction.is_rejected:
                await self._abort_failed(producer, transaction)
                raise transaction.unpublishable(reason, self._connection.message_bytes_max) from error
            pending = ", ".join(transaction.unacknowledged) or "the coordinator"
            failed = f"{self._transactional_id}: {len(records)} records not published"
            raise Fatal(f"{failed}: {reason.str()}; not acknowledged by {pending}") from error
        self._producer = producer
        return transaction

    async def _abort_failed(self, producer: Producer, transaction: _Transaction) -> None:
        """Abort a transaction with a rejected record, so that the producer can be used again."""
        try:
            await self._in_thread(transaction.discard, self._timeout_s)
        except KafkaException as error:
            raise Fatal(f"{self._transactional_id}: cannot abort: {error}") from error
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect. The next owner's start, or the broker, ends a transaction that was left open.

        When this returns, a cancelled start can no longer fence a successor.
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
    """The records of one transaction, and the offsets at which they were written.

    Only the last record of each partition has a delivery callback: a transaction commits only if all were written. A
    record larger than a batch is alone in its own, and has a callback too: if its batch is rejected, it is the culprit.
    """

    def __init__(self, producer: Producer, records: Sequence[Outgoing]) -> None:
        self._producer, self._records = producer, records
        self._last_index = {(record.topic, record.partition): at for at, record in enumerate(records)}
        self._rejected: Outgoing | None = None
        self._failed: set[TP] = set()
        self.ends: dict[TP, int] = {}
        """The offset after the last record of each partition, once acknowledged."""

    def send(self) -> None:
        """Hand the records to librdkafka; raises `KafkaException` for a record that is too large, or if fenced."""
        produce = self._producer.produce
        for at, record in enumerate(self._records):
            topic, partition, key, value, _, headers = record
            on_delivery: Callable[[KafkaError | None, Message], None] | None = None
            if _size(record) > BATCH_BYTES:
                on_delivery = partial(self._on_large_delivery, record)
            elif self._last_index[topic, partition] == at:
                on_delivery = self._on_delivery
            try:
                produce(topic, value or None, key, partition, on_delivery, headers=list(headers) if headers else None)
            except KafkaException as error:
                if error.args[0].code() in _CONTENT_ERRORS:
                    self._rejected = record
                raise

    def commit(self, timeout_s: float) -> None:
        """Flush, commit, and begin the next transaction; blocks.

        Raises `KafkaException` when a record is rejected or the time is up. It polls because librdkafka waits forever
        for records that follow a rejected one, and reports the rejection when asked again.
        """
        until = time.monotonic() + timeout_s
        while True:
            left_s = until - time.monotonic()
            try:
                self._producer.commit_transaction(max(min(left_s, COMMIT_POLL_S), 0.0))
                break
            except KafkaException as error:
                if not error.args[0].retriable() or left_s <= COMMIT_POLL_S:
                    raise
        self._producer.begin_transaction()

    def abort(self, timeout_s: float) -> None:
        """Flush, abort, and begin the next transaction; blocks and raises like `commit`."""
        self._producer.flush(timeout_s)  # a partition without written records would not be part of the transaction
        self.discard(timeout_s)

    def discard(self, timeout_s: float) -> None:
        """Abort without a flush, and begin the next transaction; blocks and raises like `commit`."""
        self._producer.abort_transaction(timeout_s)
        self._producer.begin_transaction()

    def unpublishable(self, reason: KafkaError, bytes_max: int) -> Unpublishable:
        """Return the error that names the rejected record; if that is unknown, the largest that can be meant.

        `bytes_max` is the largest message that the client sends, whatever the topic accepts.
        """
        found = self._rejected
        if found is None:
            candidates = [each for each in self._records if TP(each.topic, each.partition) in self._failed]
            found = max(candidates or self._records, key=_size)
        message = f"{found.topic} accepts no record of {_size(found)} bytes ({reason.name()})"
        message += f"; its {SIZE_CONFIG} is the limit, up to {bytes_max}"
        return Unpublishable(message, about=found.about, is_certain=self._rejected is not None)

    @property
    def is_rejected(self) -> bool:
        """Whether the broker has rejected a record for its content, whatever the client says of the transaction."""
        return self._rejected is not None or bool(self._failed)

    @property
    def unacknowledged(self) -> list[str]:
        """The partitions, as `topic-partition`, whose last record has not been acknowledged."""
        return sorted(TP(*place).name for place in self._last_index if place not in self.ends)

    def _on_large_delivery(self, record: Outgoing, error: KafkaError | None, message: Message) -> None:
        if error is not None and error.code() in _CONTENT_ERRORS:
            self._rejected = record
        if self._records[self._last_index[record.topic, record.partition]] is record:
            self._on_delivery(error, message)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None:
            return
        if error is None and offset is not None:
            self.ends[TP(topic, partition)] = offset + 1
        elif error is not None and error.code() in _CONTENT_ERRORS:  # a rejected record has no offset
            self._failed.add(TP(topic, partition))


def _size(record: Outgoing) -> int:
    return len(record.key or b"") + len(record.value)
