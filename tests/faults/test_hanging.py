"""Kafka reports a transaction as committed but leaves it open in a partition that had no leader at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from streams.embedded_kafka.free_ports import HOST
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.publisher import KafkaPublisher
from streams.runtime.hanging_transactions import Visibility, abort_hanging_transactions
from streams.runtime.ports import TP, Outgoing
from tests.brokers import FaultyKafka
from tests.e2e.harness import until
from tests.ports import reserved_port

ID, TIMEOUT_S = "sop-0", 30.0
HANGING, ENDED = TP("hanging", 0), TP("ended", 0)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[FaultyKafka, FaultyKafka]]:
    """Yield a broker that is controller and transaction coordinator, and one that only stores records."""
    ports, controller = (reserved_port(), reserved_port()), reserved_port()
    both = {"controller.quorum.voters": f"1@{HOST}:{controller}"}
    first = {"listeners": f"PLAINTEXT://{HOST}:{ports[0]},CONTROLLER://{HOST}:{controller}"}
    second = {"process.roles": "broker", "listeners": f"PLAINTEXT://{HOST}:{ports[1]}"}
    coordinator = FaultyKafka(tmp_path / "1", both | first, port=ports[0])
    storage = FaultyKafka(tmp_path / "2", both | second, port=ports[1])
    storage.join_as(2)
    with coordinator:
        producer(coordinator).init_transactions(TIMEOUT_S)  # creates the coordinator's topic
        with storage:
            yield coordinator, storage


def producer(broker: FaultyKafka) -> Producer:
    return Producer({"bootstrap.servers": broker.address, "transactional.id": ID}, logger=SILENT_LOGGER)


def has_no_leader(admin: AdminClient, tp: TP) -> bool:
    try:
        metadata = admin.list_topics(timeout=5)  # without it, a request that the killed broker got is awaited for ever
    except KafkaException:
        return False
    return bool(metadata.topics[tp.topic].partitions[tp.partition].leader == -1)


async def values(log: KafkaLog, tp: TP) -> list[bytes | None]:
    return [record.value async for batch in log.read(tp, 0) for record in batch]


async def test_a_hanging_transaction_is_aborted_and_its_records_can_be_published_again(
    nodes: tuple[FaultyKafka, FaultyKafka],
) -> None:
    coordinator, storage = nodes
    admin = AdminClient({"bootstrap.servers": coordinator.address}, logger=SILENT_LOGGER)
    new = [NewTopic(tp.topic, 1, replica_assignment=[[node]]) for tp, node in ((HANGING, 2), (ENDED, 1))]
    for future in admin.create_topics(new).values():
        future.result()

    first = producer(coordinator)
    first.init_transactions(TIMEOUT_S)
    first.begin_transaction()
    for topic, partition in (HANGING, ENDED):
        first.produce(topic, b"once", partition=partition)
    first.flush(TIMEOUT_S)
    storage.kill()
    until(lambda: has_no_leader(admin, HANGING), lambda: "has a leader", TIMEOUT_S)
    first.commit_transaction(TIMEOUT_S)  # Kafka reports success
    storage.start()

    connection = KafkaConnection(coordinator.address)
    log, publisher = KafkaLog(connection), KafkaPublisher(connection, ID, timeout_s=TIMEOUT_S)
    await publisher.start()
    assert await log.hanging_transactions([HANGING, ENDED]) == [HANGING], "fencing alone would end it"
    await abort_hanging_transactions(publisher, log, [HANGING, ENDED], [HANGING], TIMEOUT_S)
    assert await log.hanging_transactions([HANGING, ENDED]) == []
    ends = await publisher.publish([Outgoing(*HANGING, b"", b"again")])
    await publisher.stop()
    await Visibility(log, TIMEOUT_S).wait_for({HANGING.name: ends[HANGING]})
    assert (await values(log, HANGING), await values(log, ENDED)) == ([b"again"], [b"once"])
