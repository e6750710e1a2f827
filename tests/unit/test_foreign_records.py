"""Records that somebody else wrote into the topics from which a task recovers."""

from __future__ import annotations

import pytest

from schemas.errors import Fatal
from streams.runtime.ports import TP
from streams.runtime.progress import latest_progress
from tests.simulation.kafka import SimulatedLog
from tests.unit.cluster import DECISIONS, FOREIGN, JOBS, SETTINGS, Cluster, records


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(b"j0", b"j1")


@pytest.mark.parametrize("key", [None, b"", b"k", b"progress", b"suspects"])
@pytest.mark.parametrize("value", [b"", b"{", b"{}", b'{"now": "\xff"}', b"[" * 100_000, b'{"positions": {"\xff": 1}}'])
async def test_what_somebody_else_wrote_among_the_progress_is_passed_over(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, key: bytes | None, value: bytes
) -> None:
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0", b"j1"))])
    for _ in range(2):
        cluster.kafka.append(TP("progress", 0), key, value)
    task, processor = cluster.owner()
    await task.recover()
    assert caplog.text.count("not written by a worker, ignored") == 1
    latest = await latest_progress(SimulatedLog(cluster.kafka), TP("progress", 0))
    assert latest is not None
    assert latest.progress.layout == SETTINGS.layout
    await task.step([(JOBS, records(0, b"j0"))])
    assert processor.evaluated_at == [], "it waits for what the last owner had read"
    await task.step([(JOBS, records(1, b"j1"))])
    assert processor.evaluated_at


async def test_the_progress_of_another_version_is_not_passed_over(cluster: Cluster) -> None:
    cluster.kafka.append(TP("progress", 0), b"progress", b'{"positions": {"jobs-0": 1}, "now": "another form"}')
    task, _ = cluster.owner()
    with pytest.raises(Fatal, match="progress-0@0: progress of another version"):
        await task.recover()
    with pytest.raises(Fatal, match="progress-0@0: progress of another version"):
        await latest_progress(SimulatedLog(cluster.kafka), TP("progress", 0))


async def test_what_somebody_else_wrote_among_what_was_said_is_passed_over(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    killed, _ = cluster.owner(saves=False)
    await killed.recover()
    await killed.step([(JOBS, records(0, b"j0"))])
    for value in (FOREIGN, b"j1"):
        cluster.kafka.append(DECISIONS, b"", value)
    task, processor = cluster.owner()
    await task.recover()
    assert processor.restored == [b"j0", b"j1"]
    assert "decisions-0@2: not written by a worker, ignored: value: foreign" in caplog.text
