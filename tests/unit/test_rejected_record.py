"""A record that the broker rejects for its content is named, whatever the client says of the transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.errors import Fatal, Unpublishable
from streams.kafka.connection import KafkaConnection
from streams.kafka.publisher import KafkaPublisher
from streams.runtime.ports import Outgoing

LARGE = Outgoing("decisions", 0, b"k", b"large", "case:bad")
SMALL = Outgoing("progress", 0, b"k", b"small", "")


class Delivered:
    """What a delivery callback is given for a record without an offset."""

    def __init__(self, topic: str, partition: int) -> None:
        self._place = topic, partition

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> None:
        return None


class RejectingProducer:
    """A client whose commit fails with one error, while the broker has answered to one record with another."""

    def __init__(self, commit: int, delivery: int, *, produce: int | None = None) -> None:
        self._commit, self._delivery, self._produce = commit, delivery, produce
        self._callbacks: list[Callable[[], None]] = []
        self.aborted = 0

    def produce(self, topic: str, _value: bytes, _key: bytes, partition: int, on_delivery: Any, **_: Any) -> None:
        if self._produce is not None:
            raise KafkaException(KafkaError(self._produce))
        if topic == LARGE.topic:
            error = KafkaError(self._delivery)
            self._callbacks.append(lambda: on_delivery(error, Delivered(topic, partition)))

    def poll(self, timeout: float) -> int:
        assert timeout == 0
        for callback in self._callbacks:
            callback()
        return len(self._callbacks)

    def commit_transaction(self, _: float) -> None:
        raise KafkaException(KafkaError(self._commit))

    def abort_transaction(self, _: float) -> None:
        self.aborted += 1

    def begin_transaction(self) -> None: ...

    def close(self) -> None: ...


async def published(producer: RejectingProducer) -> None:
    publisher = KafkaPublisher(KafkaConnection("k:9092"), "t-0", timeout_s=1.0)
    publisher._producer = cast("Producer", producer)
    try:
        await publisher.publish([LARGE, SMALL])
    finally:
        await publisher.stop()


@pytest.mark.parametrize("commit", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._STATE, KafkaError.INVALID_TXN_STATE])
async def test_the_rejected_record_is_named(commit: int) -> None:
    producer = RejectingProducer(commit, KafkaError.MSG_SIZE_TOO_LARGE)
    with pytest.raises(Unpublishable, match="decisions accepts no record of 6 bytes") as raised:
        await published(producer)
    assert raised.value.about == "case:bad"
    assert producer.aborted == 1


async def test_a_failure_that_no_record_caused_is_not_blamed_on_one() -> None:
    producer = RejectingProducer(KafkaError._STATE, KafkaError.NETWORK_EXCEPTION)
    with pytest.raises(Fatal, match=r"2 records not published: .*; not acknowledged by decisions-0, progress-0"):
        await published(producer)
    assert producer.aborted == 0


async def test_a_client_that_takes_no_records_is_not_blamed_on_one() -> None:
    producer = RejectingProducer(KafkaError._STATE, KafkaError._STATE, produce=KafkaError._STATE)
    with pytest.raises(Fatal, match="2 records not published"):
        await published(producer)
    assert producer.aborted == 0
