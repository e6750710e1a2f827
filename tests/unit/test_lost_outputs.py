"""What a new owner does if outputs were deleted before they were read back, and if only transaction markers were."""

from __future__ import annotations

from copy import deepcopy

import msgspec
import pytest

from schemas.errors import Fatal
from streams.memory.store import MemoryState
from streams.runtime.ports import Layout, Outgoing
from streams.runtime.progress import PROGRESS_KEY, Progress
from tests.simulation.kafka import SimulatedPublisher
from tests.unit.cluster import DECISIONS, JOBS, SETTINGS, Cluster, records, starts


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(b"j0", b"j1", b"j2")


async def emit(cluster: Cluster, first: int, *values: bytes, saves: bool) -> None:
    """Have an owner emit what it reads, one transaction per record, and end; with `saves` it writes a checkpoint."""
    task, _ = cluster.owner(saves=saves)
    await task.recover()
    for offset, value in enumerate(values, first):
        await task.step([(JOBS, records(offset, value))])
    if saves:
        await task.stop()


def expire(cluster: Cluster) -> int:
    """Delete all outputs; return where the partition ends."""
    _, end = cluster.kafka.bounds(DECISIONS)
    cluster.kafka.delete_before(DECISIONS, end)
    return end


async def recovers(cluster: Cluster, skipped: dict[str, int] | None = None) -> None:
    task, _ = cluster.owner(saves=False)
    await task.recover()
    assert task.progress().skipped == (skipped or {})


async def test_outputs_in_no_checkpoint_may_not_be_deleted(cluster: Cluster) -> None:
    await emit(cluster, 0, b"j0", b"j1", saves=False)
    end = expire(cluster)
    lost = f"decisions-0: 0 to {end - 1} are no longer there, in no checkpoint; messages missing: 2"
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match=lost):
        await task.recover()


async def test_outputs_after_the_checkpoint_may_not_be_deleted(cluster: Cluster) -> None:
    await emit(cluster, 0, b"j0", saves=True)
    earlier = deepcopy(cluster.state)
    await emit(cluster, 1, b"j1", saves=True)
    await emit(cluster, 2, b"j2", saves=False)
    cluster.state = earlier
    cluster.kafka.delete_before(DECISIONS, cluster.kafka.committed(DECISIONS)[1].offset + 1)
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match=r"decisions-0: 1 to 2 .* messages missing: 1"):
        await task.recover()


async def test_outputs_may_be_deleted_if_that_is_accepted(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    await emit(cluster, 0, b"j0", b"j1", saves=False)
    end = expire(cluster)
    task, processor = cluster.owner(saves=False, accepts_trimmed=True)
    assert await task.recover() == starts()
    assert f"decisions-0: 0 to {end - 1} are no longer there" in caplog.text
    await task.step([(JOBS, records(0, b"j0", b"j1"))])
    await task.step([])
    assert processor.evaluated_at
    successor, _ = cluster.owner()
    await successor.recover()
    assert successor.progress().skipped == {"decisions-0": 2}
    assert successor.progress().emitted_counts == {"decisions-0": 4}


async def test_an_accepted_loss_does_not_hide_a_loss_from_an_earlier_checkpoint(cluster: Cluster) -> None:
    await emit(cluster, 0, b"j0", saves=True)
    earlier = deepcopy(cluster.state)
    expire(cluster)
    cluster.state = MemoryState()
    accepting, _ = cluster.owner(accepts_trimmed=True)
    await accepting.recover()
    await accepting.step([(JOBS, records(0, b"j0", b"j1"))])
    await accepting.stop()
    await recovers(cluster, skipped={"decisions-0": 1})
    cluster.state = earlier
    await recovers(cluster, skipped={"decisions-0": 1})
    expire(cluster)
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match=r"decisions-0: 1 to 4 .* messages missing: 2"):
        await task.recover()


async def test_outputs_after_an_accepted_loss_may_not_be_deleted(cluster: Cluster) -> None:
    """The checkpoint counts the loss, although it has no position in the partition."""
    await emit(cluster, 0, b"j0", saves=False)
    expire(cluster)
    accepting, _ = cluster.owner(accepts_trimmed=True)
    await accepting.recover()
    cluster.state.checkpoint = accepting._checkpoint()
    await emit(cluster, 1, b"j1", saves=False)
    expire(cluster)
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match="messages missing: 1"):
        await task.recover()


async def test_outputs_in_a_checkpoint_may_be_deleted_with_the_markers_after_them(cluster: Cluster) -> None:
    await emit(cluster, 0, b"j0", b"j1", saves=True)
    state = cluster.state.checkpoint
    assert state is not None
    assert expire(cluster) > state.outputs["decisions-0"]
    await recovers(cluster)


async def test_markers_and_aborted_records_may_be_deleted(cluster: Cluster) -> None:
    await emit(cluster, 0, b"j0", saves=True)
    aborts = SimulatedPublisher(cluster.kafka, "sop-0")
    await aborts.start()
    await aborts.abort([DECISIONS])
    cluster.kafka.delete_before(DECISIONS, cluster.kafka.bounds(DECISIONS)[1])
    await emit(cluster, 1, b"j1", saves=False)
    await recovers(cluster)


async def test_a_first_owner_starts_although_foreign_outputs_are_gone(cluster: Cluster) -> None:
    cluster.kafka.append(DECISIONS, b"", b"of somebody else")
    expire(cluster)
    await recovers(cluster)


async def test_progress_without_counts_of_outputs_is_accepted(cluster: Cluster) -> None:
    former = SimulatedPublisher(cluster.kafka, "sop-0")
    await former.start()
    progress_value = msgspec.json.encode(Progress(now=0, positions={"jobs-0": 1}, consumed={"jobs-0": 1}, counts={}))
    without_count = msgspec.json.decode(progress_value)
    del without_count["said"]
    progress = Outgoing(SETTINGS.progress_topic, 0, PROGRESS_KEY, msgspec.json.encode(without_count))
    await former.publish([Outgoing("decisions", 0, b"", b"j0"), progress])
    expire(cluster)
    await recovers(cluster)


async def test_nothing_is_missed_in_an_output_topic_that_was_created_again(cluster: Cluster) -> None:
    await emit(cluster, 0, b"j0", saves=False)
    cluster.kafka.recreate(DECISIONS)
    cluster.kafka.append(DECISIONS, b"", b"of somebody else")
    expire(cluster)
    task, _ = cluster.owner(layout=Layout(1, {**SETTINGS.layout.ids, "decisions": "another"}), accepts_trimmed=True)
    await task.recover()
    assert task.progress().skipped == {}


async def test_an_output_log_that_lost_its_end_stops_the_task(cluster: Cluster) -> None:
    await emit(cluster, 0, b"j0", b"j1", saves=True)
    cluster.kafka.truncate(DECISIONS, 1)
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match="decisions-0: read up to 3, but the log ends at 1"):
        await task.recover()


async def test_the_loss_of_inputs_that_decisions_rest_on_is_accepted_with_a_warning(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    await emit(cluster, 0, b"j0", b"j1", saves=False)
    cluster.kafka.delete_before(JOBS, 1)
    task, _ = cluster.owner(accepts_trimmed=True)
    await task.recover()
    assert "jobs-0: 0 to 0 are no longer there, in no checkpoint, and decisions rest on them; going on" in caplog.text
    assert task.progress().skipped == {}
