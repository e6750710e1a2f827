"""The archive under faults: killed at any moment, a full disk, a folder that is away."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest

from agents.sops import catalogue
from streams.archive.layout import SUFFIX, TEMPORARY
from streams.audit.notary import LEAVES
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.simulator.rng import Rng
from tests.e2e.conftest import run_sop
from tests.e2e.harness import OUTPUTS, Bench, until
from tests.faults.conftest import KnownStream, Report
from tests.faults.disk import full_disk
from tests.faults.scale import Scale
from tests.faults.supervision import FaultBench
from tests.zygote import SOP

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(7200)]

START_S_MAX = 2.5
"""A process that is killed while it may still be starting lives so long at most."""
WORK_S_MAX = 1.0
"""One that has written a file goes on so long at most."""
WORK_SHARE = 0.75
"""How often a process is left alone until it has written a file."""
WORKER_SHARE = 0.4
"""How often the worker is killed with it, if it has partitions; more often, and it would hardly decide anything."""
SQL = 'SELECT topic, partition, "offset", key, sha256(value) FROM records ORDER BY 1, 2, 3'

Row = tuple[str, int, int, str | None, str | None]
"""Topic, partition, offset, key, and the hash of the value."""


def in_kafka(bench: Bench) -> list[Row]:
    """Return what another client reads of the topics that are archived."""
    topics = catalogue.topics()
    read = bench.read(*topics.inputs, *(each for each in OUTPUTS if each != topics.latest), topics.cases)
    return sorted(
        (
            each.topic,
            each.partition,
            each.offset,
            None if each.key is None else each.key.decode(),
            sha256(each.value).hexdigest(),
        )
        for each in read
    )


def in_archive(bench: Bench, where: Path) -> list[Row]:
    done = run_sop("archive", "query", str(where), SQL, "--json", env=bench.environment())
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [(each["topic"].removeprefix(bench.prefix), *list(each.values())[1:]) for each in rows]


def what_it_hit(where: Path, log: Path) -> Iterator[str]:
    """Yield what a kill hit and what it left behind."""
    yield "a process at work" if f"{SUFFIX}: " in log.read_text() else "one that was starting"
    paths = [path for path in where.rglob("*") if path.is_file()]
    if any(path.name.endswith(TEMPORARY) for path in paths):
        yield "leaving a file half written"
    entered = (where / LEAVES).rglob("*")
    if sum(path.name.endswith(SUFFIX) for path in paths) > sum(path.is_file() for path in entered):
        yield "leaving files that the log lacks"


def archiver(bench: Bench, where: Path, log: Path, **settings: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen([SOP, "archive", str(where)], env=bench.environment(**settings), stderr=out)


def test_each_record_is_archived_once_across_kills_and_every_decision_is_the_same_anew(
    make_bench: Callable[..., FaultBench],
    kafka: EmbeddedKafka,
    known: KnownStream,
    run_scale: Scale,
    report: Report,
    tmp_path: Path,
) -> None:
    bench, where, log, key = make_bench(kafka.address), *(tmp_path / name for name in ("archive", "log", "key"))
    public = run_sop("audit", "keygen", "example.com/faults", "--out", str(key)).stdout.strip()
    settings = {
        "SOP_ARCHIVE_FILE_AGE_S": "0.2",
        "SOP_ARCHIVE_FILE_BYTES_MAX": "50000",
        "SOP_AUDIT_KEY_FILE": str(key),
    }
    rng, lines, hits = Rng("archive", run_scale.seed), known.stream.lines(), Counter[str]()
    share, within_s = -(-known.stream.events // run_scale.kills), 120 + known.stream.events / 500
    worker = bench.add_worker()
    for _ in range(run_scale.kills):
        process = archiver(bench, where, log, **settings)
        bench.feed_lines(islice(lines, share))
        if rng.chance(WORK_SHARE):
            until(lambda: f"{SUFFIX}: " in log.read_text(), log.read_text)
            time.sleep(rng.between(0, WORK_S_MAX))
        else:
            time.sleep(rng.between(0, START_S_MAX))
        assert process.poll() is None, log.read_text()
        process.kill()
        process.wait()
        hits.update(what_it_hit(where, log))
        if worker.worker.partitions not in ("", "none") and rng.chance(WORKER_SHARE):
            hits["and its worker too"] += bench.kill(worker)
    bench.wait_until_idle(within_s)
    done = run_sop("archive", str(where), "--once", env=bench.environment(**settings), within_s=within_s)
    assert done.returncode == 0, done.stderr
    expected, found = in_kafka(bench), in_archive(bench, where)
    checked = run_sop("archive", "check", str(where), within_s=within_s)
    verified = run_sop("audit", "verify", str(where), "--key", public, within_s=within_s)
    certificate = [str(where), "--key-file", str(key), "--out", str(tmp_path / "certificate.json")]
    certified = run_sop("audit", "replay", *certificate, env=bench.environment(), within_s=within_s)
    problems = {
        "lost": len(set(expected) - set(found)),
        "wrong": len(set(found) - set(expected)) + certified.returncode,
        "duplicate": len(found) - len(set(found)),
        "misplaced": checked.returncode,
        "unaccounted": verified.returncode,
    }
    figures: dict[str, object] = {
        "kills": ", ".join(f"{what} {times}" for what, times in hits.most_common()),
        "files": len(list(where.rglob("*.parquet"))),
        "anew": certified.stdout.partition("\n")[0],
    }
    report.write("F27 archive killed at any moment", run_scale.kills, len(expected), problems, figures)
    why = (checked.stderr, verified.stderr, certified.stdout, certified.stderr, log.read_text())
    assert not any(problems.values()), (problems, why)


def test_a_full_disk_is_said_once_and_loses_nothing(
    make_bench: Callable[..., FaultBench], kafka: EmbeddedKafka, small_disk: Path, short: KnownStream, tmp_path: Path
) -> None:
    bench, where, log = make_bench(kafka.address), small_disk / "archive", tmp_path / "log"
    bench.add_worker()
    with full_disk(small_disk):
        process = archiver(bench, where, log, SOP_ARCHIVE_FILE_AGE_S="0.2", SOP_ARCHIVE_FILE_BYTES_MAX="200000")
        try:
            bench.feed_lines(short.stream.lines())
            bench.wait_until_idle()
            until(lambda: "No space left on device" in log.read_text(), log.read_text)
            assert process.poll() is None
        except BaseException:
            process.kill()
            raise
    until(lambda: "archive: works again" in log.read_text(), log.read_text)
    process.terminate()
    assert process.wait(60) == 0
    assert log.read_text().count("No space left on device") == 1
    assert run_sop("archive", str(where), "--once", env=bench.environment()).returncode == 0
    assert in_archive(bench, where) == in_kafka(bench)
