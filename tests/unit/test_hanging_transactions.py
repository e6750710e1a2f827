"""What a task does about transactions that Kafka reported as ended and left open."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from schemas.errors import Fatal, Fenced
from streams.runtime.hanging_transactions import abort_hanging_transactions
from streams.runtime.ports import TP, Outgoing
from streams.runtime.task import Task
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher
from tests.unit.cluster import DECISIONS, JOBS, Cluster, records


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(b"j0", b"j1")


async def idle(task: Task) -> None:
    for _ in range(10):
        await task.step([])
        await asyncio.sleep(0.01)


async def test_the_outputs_of_a_hanging_transaction_are_published_again_and_visible_once(cluster: Cluster) -> None:
    hanging, _ = cluster.owner(saves=False)
    await hanging.recover()
    cluster.kafka.forgets = lambda tp: tp == DECISIONS
    await hanging.step([(JOBS, records(0, b"j0"))])
    cluster.kafka.forgets = lambda _: False
    assert cluster.outputs() == []
    successor, _ = cluster.owner()
    await successor.recover()
    await successor.step([(JOBS, records(0, b"j0"))])
    await successor.step([(JOBS, records(1, b"j1"))])
    assert cluster.outputs() == [b"j0", b"j1"]


async def test_no_checkpoint_counts_on_outputs_that_nobody_can_see(cluster: Cluster) -> None:
    hanging, _ = cluster.owner()
    await hanging.recover()
    cluster.kafka.forgets = lambda tp: tp == DECISIONS
    await hanging.step([(JOBS, records(0, b"j0"))])
    await idle(hanging)
    saved = [cluster.state.checkpoint]
    assert hanging.committable == {}
    cluster.kafka.forgets = lambda _: False
    await hanging.step([(JOBS, records(1, b"j1"))])  # which ends the hanging transaction
    await hanging.stop()
    assert cluster.outputs() == [b"j0", b"j1"]
    saved.append(cluster.state.checkpoint)
    assert [each and each.inputs for each in saved] == [None, {"jobs-0": 2}]


async def test_outputs_that_a_successor_aborted_do_not_count_as_committed(cluster: Cluster) -> None:
    fenced, _ = cluster.owner()
    await fenced.recover()
    cluster.kafka.forgets = lambda tp: tp == DECISIONS
    await fenced.step([(JOBS, records(0, b"j0"))])
    successor = SimulatedPublisher(cluster.kafka, "sop-0")
    await successor.start()
    await successor.abort([DECISIONS])
    with pytest.raises(Fenced):
        await idle(fenced)
    assert cluster.state.checkpoint is None


@pytest.mark.parametrize("interval", [0, 10**18], ids=["a checkpoint is under way", "none is"])
async def test_an_owner_that_ends_does_not_wait_for_an_open_transaction_and_still_ends_cleanly(
    cluster: Cluster, interval: int
) -> None:
    ending, _ = cluster.owner(saves=interval == 0)
    await ending.recover()
    cluster.kafka.forgets = lambda tp: tp == DECISIONS
    await ending.step([(JOBS, records(0, b"j0"))])
    await ending.stop()
    saved = cluster.state.checkpoint
    successor, _ = cluster.owner()
    await successor.recover()
    assert (saved, successor._isolation.after_crash) == (None, False)


async def test_an_open_transaction_of_another_producer_in_an_output_ends_the_recovery(cluster: Cluster) -> None:
    cluster.kafka.add("another", cluster.kafka.initialise("another"), Outgoing(*DECISIONS, b"", b"theirs"))
    task, _ = cluster.owner(transaction_timeout_s=0.1)
    with pytest.raises(Fatal, match="decisions-0: a transaction of another producer is open"):
        await task.recover()


async def test_the_end_of_a_transaction_is_awaited_until_readers_see_it() -> None:
    class Lagging(SimulatedLog):
        """A log that shows a transaction as open three times after its end."""

        seen = 0

        async def hanging_transactions(self, tps: Sequence[TP]) -> list[TP]:
            self.seen += 1
            return list(tps) if self.seen <= 3 else await super().hanging_transactions(tps)

    kafka = SimulatedKafka()
    publisher, log = SimulatedPublisher(kafka, "sop-0"), Lagging(kafka)
    await publisher.start()
    await abort_hanging_transactions(publisher, log, [DECISIONS], [DECISIONS], limit_s=10.0)
    assert log.seen == 4


async def test_a_transaction_of_another_owner_in_a_shared_topic_is_left_alone(cluster: Cluster) -> None:
    answers, epoch = TP("answers", 0), cluster.kafka.initialise("another")
    cluster.kafka.add("another", epoch, Outgoing(*answers, b"", b"theirs"))
    task, _ = cluster.owner()
    await task.recover()
    cluster.kafka.commit("another", epoch)
    assert [record.value for record in cluster.kafka.committed(answers)] == [b"theirs"]
