"""The contract of `Publisher` and `OutputLog`: atomic transactions, fencing by id, and only committed records read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from confluent_kafka import Producer

from schemas.errors import Fatal, Fenced, Unpublishable
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.publisher import KafkaPublisher
from streams.runtime.hanging_transactions import Visibility
from streams.runtime.ports import TP, Outgoing, OutputLog, Publisher, Stored
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher

MESSAGE_BYTES_MAX = 100_000
TIMEOUT_S = 10.0
SIZES = {"limit of the topic": MESSAGE_BYTES_MAX, "limit of the client": 4 * MESSAGE_BYTES_MAX}


class Broker(Protocol):
    """A broker with two topics of two partitions, `topics`."""

    topics: tuple[str, str]

    def publisher(self, name: str) -> Publisher: ...
    def log(self) -> OutputLog: ...
    async def leave_open(self, name: str, tp: TP, value: bytes) -> None: ...
    async def produce(self, tp: TP, key: bytes | None, value: bytes | None) -> None: ...
    async def delete_before(self, tp: TP, offset: int) -> None: ...


class Simulated:
    def __init__(self) -> None:
        self.topics = ("a", "b")
        self._kafka = SimulatedKafka(message_bytes_max=MESSAGE_BYTES_MAX)

    def publisher(self, name: str) -> Publisher:
        return SimulatedPublisher(self._kafka, name)

    def log(self) -> OutputLog:
        return SimulatedLog(self._kafka)

    async def leave_open(self, name: str, tp: TP, value: bytes) -> None:
        self._kafka.add(name, self._kafka.initialise(name), Outgoing(*tp, b"", value))

    async def produce(self, tp: TP, key: bytes | None, value: bytes | None) -> None:
        self._kafka.append(tp, key, value, [("h", b"1")])

    async def delete_before(self, tp: TP, offset: int) -> None:
        self._kafka.delete_before(tp, offset)


class VisiblePublisher(KafkaPublisher):
    """Returns when readers can see the records: Kafka acknowledges a commit a moment before that."""

    async def publish(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        ends = await super().publish(records)
        await Visibility(KafkaLog(self._connection), TIMEOUT_S).wait_for({tp.name: end for tp, end in ends.items()})
        return ends


class Real:
    def __init__(self, connection: KafkaConnection, prefix: str) -> None:
        self.topics = (f"{prefix}a", f"{prefix}b")
        self._connection = connection
        self._prefix = prefix

    async def create(self) -> None:
        admin = AIOKafkaAdminClient(**self._connection.client_options())
        await admin.start()
        configs = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs=configs) for name in self.topics])
        await admin.close()

    def publisher(self, name: str) -> Publisher:
        return VisiblePublisher(self._connection, f"{self._prefix}{name}", timeout_s=TIMEOUT_S)

    def log(self) -> OutputLog:
        return KafkaLog(self._connection)

    async def leave_open(self, name: str, tp: TP, value: bytes) -> None:
        producer = AIOKafkaProducer(**self._connection.client_options(), transactional_id=f"{self._prefix}{name}")
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait(tp.topic, value, b"", partition=tp.partition)
        await producer.stop()

    async def produce(self, tp: TP, key: bytes | None, value: bytes | None) -> None:
        producer = AIOKafkaProducer(**self._connection.client_options())
        await producer.start()
        await producer.send_and_wait(tp.topic, value, key, partition=tp.partition, headers=[("h", b"1")])
        await producer.stop()

    async def delete_before(self, tp: TP, offset: int) -> None:
        admin = AIOKafkaAdminClient(**self._connection.client_options())
        await admin.start()
        await admin.delete_records({TopicPartition(tp.topic, tp.partition): RecordsToDelete(before_offset=offset)})
        await admin.close()


@pytest.fixture(params=["simulated", "kafka"])
async def broker(request: pytest.FixtureRequest, kafka: EmbeddedKafka, prefix: str) -> Broker:
    if request.param == "simulated":
        return Simulated()
    real = Real(KafkaConnection(kafka.address, message_bytes_max=SIZES["limit of the client"]), prefix)
    await real.create()
    return real


@pytest.fixture
async def publisher(broker: Broker) -> AsyncIterator[Publisher]:
    started = broker.publisher("one")
    await started.start()
    yield started
    await started.stop()


async def values(broker: Broker, tp: TP, start: int = 0) -> list[bytes | None]:
    return [record.value for record in await records(broker, tp, start)]


async def records(broker: Broker, tp: TP, start: int = 0) -> list[Stored]:
    return [record async for batch in broker.log().read(tp, start) for record in batch]


async def test_a_transaction_over_several_partitions_is_read_back_in_order(
    broker: Broker, publisher: Publisher
) -> None:
    a, b = broker.topics
    await publisher.publish([Outgoing(a, 0, b"k1", b"1"), Outgoing(b, 1, b"k2", b"2"), Outgoing(a, 0, b"k3", b"3")])
    read = await records(broker, TP(a, 0))
    assert [(each.key, each.value) for each in read] == [(b"k1", b"1"), (b"k3", b"3")]
    assert await values(broker, TP(b, 1)) == [b"2"]
    assert await values(broker, TP(b, 0)) == []


async def test_publish_returns_the_offset_after_the_last_record(broker: Broker, publisher: Publisher) -> None:
    a, b = broker.topics
    for round_number in range(3):
        ends = await publisher.publish(
            [Outgoing(a, 0, b"", b"x"), Outgoing(a, 0, b"", b"y"), Outgoing(b, 1, b"", b"z")]
        )
        last = {tp: (await records(broker, tp))[-1].offset for tp in (TP(a, 0), TP(b, 1))}
        assert ends == {tp: at + 1 for tp, at in last.items()}, f"round {round_number}"


async def test_reading_resumes_at_an_offset_and_skips_transaction_markers(broker: Broker, publisher: Publisher) -> None:
    tp = TP(broker.topics[0], 1)
    ends = [(await publisher.publish([Outgoing(*tp, b"", value)]))[tp] for value in (b"1", b"2", b"3")]
    assert await values(broker, tp) == [b"1", b"2", b"3"]
    assert await values(broker, tp, ends[0]) == [b"2", b"3"]
    assert await values(broker, tp, ends[2]) == []
    bounds = await broker.log().bounds([tp])
    assert bounds[tp][0] == 0
    assert bounds[tp][1] >= ends[2]
    assert await values(broker, tp, bounds[tp][1]) == []


async def test_bounds_are_read_for_several_partitions(broker: Broker, publisher: Publisher) -> None:
    a, b = broker.topics
    for value in (b"1", b"2"):
        await broker.produce(TP(a, 0), None, value)
    assert await broker.log().bounds([TP(a, 0), TP(b, 1)]) == {TP(a, 0): (0, 2), TP(b, 1): (0, 0)}


async def test_a_start_fences_the_previous_publisher_of_the_same_id(broker: Broker, publisher: Publisher) -> None:
    tp = TP(broker.topics[0], 0)
    await publisher.publish([Outgoing(*tp, b"", b"first")])
    successor = broker.publisher("one")
    await successor.start()
    with pytest.raises(Fenced):
        await publisher.publish([Outgoing(*tp, b"", b"late")])
    await successor.publish([Outgoing(*tp, b"", b"second")])
    assert await values(broker, tp) == [b"first", b"second"]
    await successor.stop()


async def test_a_start_does_not_fence_publishers_of_other_ids(broker: Broker, publisher: Publisher) -> None:
    tp = TP(broker.topics[0], 0)
    other = broker.publisher("two")
    await other.start()
    await publisher.publish([Outgoing(*tp, b"", b"one")])
    await other.publish([Outgoing(*tp, b"", b"two")])
    assert await values(broker, tp) == [b"one", b"two"]
    await other.stop()


@pytest.mark.parametrize("limit", SIZES)
@pytest.mark.parametrize("beside", [(), (b"half",), (b"half", b"after")], ids=["alone", "last", "between others"])
async def test_the_error_names_a_record_that_is_too_large_and_its_transaction_is_aborted(
    broker: Broker, publisher: Publisher, limit: str, beside: Sequence[bytes]
) -> None:
    a, b = broker.topics
    await publisher.publish([Outgoing(a, 0, b"", b"before")])
    too_large = Outgoing(a, 0, b"", b"x" * (SIZES[limit] + 200_000), "case:large")
    others = [Outgoing(a, 0, b"", value, "case:small") for value in beside]
    with pytest.raises(Unpublishable, match=rf"^{a} accepts no record of {len(too_large.value)} bytes") as refused:
        await publisher.publish([*others[:1], too_large, *others[1:], Outgoing(b, 1, b"", b"other half")])
    assert (refused.value.about, refused.value.is_certain) == ("case:large", True)
    assert await values(broker, TP(a, 0)) == [b"before"]
    await publisher.publish([Outgoing(b, 0, b"", b"note")])
    assert await values(broker, TP(b, 0)) == [b"note"]
    successor = broker.publisher("one")
    await successor.start()
    await successor.publish([Outgoing(a, 0, b"", b"after")])
    assert await values(broker, TP(a, 0)) == [b"before", b"after"]
    assert await values(broker, TP(b, 1)) == []
    await successor.stop()


async def test_the_error_names_the_largest_record_of_a_rejected_batch(broker: Broker, publisher: Publisher) -> None:
    records = [
        Outgoing(broker.topics[0], 0, b"", b"x" * size, f"case:{size}") for size in (1, MESSAGE_BYTES_MAX + 1, 2)
    ]
    with pytest.raises(Unpublishable) as refused:
        await publisher.publish(records)
    assert refused.value.about == f"case:{MESSAGE_BYTES_MAX + 1}"


async def test_the_error_names_a_small_record_that_its_own_topic_rejects(kafka: EmbeddedKafka, prefix: str) -> None:
    """An operator lowered one topic's limit; a record for another topic in the same transaction is larger."""
    topics, connection = (f"{prefix}little", f"{prefix}enough"), KafkaConnection(kafka.address)
    admin = AIOKafkaAdminClient(**connection.client_options())
    await admin.start()
    little = NewTopic(topics[0], 1, 1, topic_configs={"max.message.bytes": "300"})
    await admin.create_topics([little, NewTopic(topics[1], 1, 1)])
    await admin.close()
    publisher = KafkaPublisher(connection, f"{prefix}one", timeout_s=TIMEOUT_S)
    await publisher.start()
    refused_one = Outgoing(topics[0], 0, b"", b"x" * 500, "case:small")
    with pytest.raises(Unpublishable, match=rf"^{topics[0]} accepts no record of 500 bytes") as refused:
        await publisher.publish([refused_one, Outgoing(topics[1], 0, b"", b"x" * 5000, "case:larger")])
    assert refused.value.about == "case:small"
    await publisher.stop()


async def test_a_failed_publisher_publishes_nothing_more(broker: Broker, publisher: Publisher) -> None:
    tp = TP(broker.topics[0], 0)
    successor = broker.publisher("one")
    await successor.start()
    for value in (b"late", b"next"):
        with pytest.raises(Fatal):
            await publisher.publish([Outgoing(*tp, b"", value)])
    await successor.stop()
    assert await values(broker, tp) == []


async def test_headers_and_absent_values_are_read_back(broker: Broker, publisher: Publisher) -> None:
    tp = TP(broker.topics[1], 0)
    await broker.produce(tp, b"k", None)
    (read,) = await records(broker, tp)
    assert (read.offset, read.key, read.value, read.headers) == (0, b"k", None, (("h", b"1"),))


async def test_reading_starts_at_the_log_start_offset_after_a_deletion(broker: Broker, publisher: Publisher) -> None:
    tp = TP(broker.topics[0], 0)
    for value in (b"1", b"2", b"3"):
        await broker.produce(tp, None, value)
    await broker.delete_before(tp, 2)
    assert await broker.log().bounds([tp]) == {tp: (2, 3)}
    assert await values(broker, tp) == [b"3"]


async def test_publishing_without_a_start_is_fatal(broker: Broker, publisher: Publisher) -> None:
    with pytest.raises(Fatal):
        await broker.publisher("three").publish([Outgoing(broker.topics[0], 0, b"", b"x")])


async def test_a_hanging_transaction_is_reported_and_ends_when_its_id_is_taken_over(
    broker: Broker, publisher: Publisher
) -> None:
    left, other = TP(broker.topics[0], 0), TP(broker.topics[1], 1)
    await publisher.publish([Outgoing(*other, b"", b"ended")])
    await broker.leave_open("two", left, b"open")
    assert await broker.log().hanging_transactions([left, other]) == [left]
    assert await values(broker, left) == []
    successor = broker.publisher("two")
    await successor.start()
    assert await broker.log().hanging_transactions([left, other]) == []
    assert await values(broker, left) == []
    await successor.stop()


async def test_what_hangs_is_read_and_nothing_before_it(broker: Broker, publisher: Publisher) -> None:
    hanging, ended = TP(broker.topics[0], 0), TP(broker.topics[1], 1)
    await publisher.publish([Outgoing(*hanging, b"", b"before"), Outgoing(*ended, b"", b"ended")])
    await broker.leave_open("two", hanging, b"open")
    found = [record.value async for records in broker.log().read_hanging(hanging) for record in records]
    assert found == [b"open"]
    assert [records async for records in broker.log().read_hanging(ended)] == []
    assert await values(broker, hanging) == [b"before"]


async def test_an_empty_value_is_published_as_null(broker: Broker, publisher: Publisher) -> None:
    tp = TP(broker.topics[0], 0)
    await publisher.publish([Outgoing(*tp, b"k", b"")])
    assert [(record.key, record.value) for record in await records(broker, tp)] == [(b"k", None)]


async def test_abort_publishes_nothing_and_leaves_transactions_of_others_open(
    broker: Broker, publisher: Publisher
) -> None:
    tp, shared = TP(broker.topics[0], 0), TP(broker.topics[1], 1)
    await publisher.publish([Outgoing(*tp, b"", b"before")])
    await broker.leave_open("two", shared, b"theirs")
    await publisher.abort([tp, shared])
    async with asyncio.timeout(TIMEOUT_S):  # the abort is acknowledged a moment before it is visible
        while tp in (hanging_transactions := await broker.log().hanging_transactions([tp, shared])):
            pass
    assert hanging_transactions == [shared]
    await publisher.publish([Outgoing(*tp, b"", b"after")])
    assert await values(broker, tp) == [b"before", b"after"]
    assert await values(broker, shared) == []


class PausedPublisher(KafkaPublisher):
    """Pauses in its thread before it fences, until `resume` is set."""

    def __init__(self, connection: KafkaConnection, transactional_id: str) -> None:
        super().__init__(connection, transactional_id, timeout_s=TIMEOUT_S)
        self.paused, self.resume = threading.Event(), threading.Event()

    def _begin(self, producer: Producer) -> None:
        self.paused.set()
        assert self.resume.wait(TIMEOUT_S)
        super()._begin(producer)


async def test_a_cancelled_start_does_not_fence_a_successor(kafka: EmbeddedKafka, prefix: str) -> None:
    connection = KafkaConnection(kafka.address)
    broker = Real(connection, prefix)
    await broker.create()
    first = PausedPublisher(connection, f"{prefix}one")
    starting = asyncio.create_task(first.start())
    assert await asyncio.to_thread(first.paused.wait, TIMEOUT_S)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    stopping = asyncio.create_task(first.stop())
    stopped_early, _ = await asyncio.wait([stopping], timeout=0.2)
    if not stopped_early:
        first.resume.set()
    await stopping
    successor = broker.publisher("one")
    await successor.start()
    first.resume.set()
    await asyncio.to_thread(first._thread.shutdown)
    await successor.publish([Outgoing(broker.topics[0], 0, b"", b"x")])
    await successor.stop()
