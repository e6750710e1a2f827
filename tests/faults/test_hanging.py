"""Kafka takes a transaction for ended that it has not ended, since a partition had no leader just then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported all the same

from streams.embedded_kafka.free_ports import HOST, free_port
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.publisher import KafkaPublisher
from streams.runtime.hanging_transactions import Visibility, abort_hanging_transactions
from streams.runtime.ports import TP, Outgoing
from tests.brokers import FaultyKafka
from tests.e2e.harness import until

ID, TIMEOUT_S = "sop-0", 30.0
SAID, TOLD = TP("said", 0), TP("told", 0)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[FaultyKafka, FaultyKafka]]:
    """A broker that is the controller and coordinates transactions, and one that keeps records only."""
    ports, controller = (free_port(), free_port()), free_port()
    both = {"controller.quorum.voters": f"1@{HOST}:{controller}"}
    first = {"listeners": f"PLAINTEXT://{HOST}:{ports[0]},CONTROLLER://{HOST}:{controller}"}
    second = {"process.roles": "broker", "listeners": f"PLAINTEXT://{HOST}:{ports[1]}"}
    coordinator = FaultyKafka(tmp_path / "1", both | first, port=ports[0])
    offset_provider = FaultyKafka(tmp_path / "2", both | second, port=ports[1])
    offset_provider.join_as(2)
    with coordinator:
        producer(coordinator).init_transactions(TIMEOUT_S)  # the first transaction makes the coordinator's topic
        with offset_provider:
            yield coordinator, offset_provider


def producer(broker: FaultyKafka) -> Producer:
    return Producer({"bootstrap.servers": broker.address, "transactional.id": ID}, logger=SILENT_LOGGER)


async def values(log: KafkaLog, tp: TP) -> list[bytes | None]:
    return [record.value async for batch in log.read(tp, 0) for record in batch]


async def test_what_hangs_is_aborted_and_can_be_said_again(nodes: tuple[FaultyKafka, FaultyKafka]) -> None:
    coordinator, offset_provider = nodes
    admin = AdminClient({"bootstrap.servers": coordinator.address}, logger=SILENT_LOGGER)
    made = [NewTopic(tp.topic, 1, replica_assignment=[[node]]) for tp, node in ((SAID, 2), (TOLD, 1))]
    for done in admin.create_topics(made).values():
        done.result()

    first = producer(coordinator)
    first.init_transactions(TIMEOUT_S)
    first.begin_transaction()
    for topic, partition in (SAID, TOLD):
        first.produce(topic, b"once", partition=partition)
    first.flush(TIMEOUT_S)
    offset_provider.kill()
    until(lambda: admin.list_topics().topics[SAID.topic].partitions[0].leader == -1, lambda: "has a leader", TIMEOUT_S)
    first.commit_transaction(TIMEOUT_S)  # which Kafka says went well
    offset_provider.start()

    connection = KafkaConnection(coordinator.address)
    log, publisher = KafkaLog(connection), KafkaPublisher(connection, ID, timeout_s=TIMEOUT_S)
    await publisher.start()
    assert await log.hanging_transactions([SAID, TOLD]) == [SAID], "fencing alone would do"
    await abort_hanging_transactions(publisher, log, [SAID, TOLD], [], TIMEOUT_S)
    assert await log.hanging_transactions([SAID, TOLD]) == []
    ends = await publisher.publish([Outgoing(*SAID, b"", b"again")])
    await publisher.stop()
    await Visibility(log, TIMEOUT_S).wait_for({SAID.name: ends[SAID]})
    assert (await values(log, SAID), await values(log, TOLD)) == ([b"again"], [b"once"])
