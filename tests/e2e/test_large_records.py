"""Records that are small when compressed and large in memory: each becomes a dead letter, and the rest is decided."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from schemas.codec.encoder import decode_dead_letter
from schemas.codec.limits import TRUNCATED_BYTES
from schemas.outputs import DeadLetter
from streams.processor.decoder import partition_of
from tests.e2e.bombs import GZIP, MIB, ZSTD, Record, packed, produce
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, Worker, feed_of, until
from tests.e2e.stories import Visit
from tests.e2e.verifier import emitted, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BEGIN = b'{"specversion":"1.0","data":"'
RECORDS = 1000
VISITS = [Visit(f"job-{number}", f"partner-{number}") for number in range(3)]
BOMBS: list[tuple[int, Record, str]] = [
    (ZSTD, (b"job-9", BEGIN, 12 * MIB, ()), f"value: {12 * MIB} bytes, at most 262144"),
    (GZIP, (b"job-9", BEGIN, 12 * MIB, ()), f"value: {12 * MIB} bytes, at most 262144"),
    (GZIP, (b"job-9", BEGIN, 7 * MIB, ()), f"value: {7 * MIB} bytes, at most 262144"),
    (ZSTD, (b"job-9", BEGIN, 600 * MIB, ()), f"value: {600 * MIB} bytes, at most 262144"),
    (ZSTD, (b"\1" * 5 * MIB, b"{}", 2, ()), f"key: {5 * MIB} bytes, at most 262144"),
    (ZSTD, (b"job-9", b"{}", 2, [(b"h", 12 * MIB)]), f"headers: {12 * MIB + 7} bytes, at most 262144"),
    (GZIP, (b"job-9", b"{}", 2, [(b"h", 0)] * MIB), f"headers: {3 * MIB + 4} bytes, at most 262144"),
]
"""Codec, record, and why it is refused. It is refused on any partition, and not forwarded."""


def peak_mib(worker: Worker) -> int:
    """Return the peak memory of a worker."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def dead_letters(bench: Bench) -> list[DeadLetter]:
    return [decode_dead_letter(each.value) for each in bench.read("dead-letters")]


def decided(bench: Bench) -> set[str]:
    return {each.data["case_id"] for each in emitted(bench.outputs()) if each.type.startswith("decision.")}


def feed(bench: Bench, visit: Visit) -> None:
    bench.feed(map(feed_of, [*visit.booking, *visit.report, *visit.claim]))


def test_a_record_too_large_for_a_dead_letter_is_truncated_in_it(redis_bench: Bench) -> None:
    bench = redis_bench
    worker = bench.start_ready()
    feed(bench, VISITS[0])
    for partition in {0, partition_of("job-9", bench.partitions)}:
        produce(bench, "jobs", partition, [packed([record], codec) for codec, record, _ in BOMBS])
    feed(bench, VISITS[1])
    bench.wait_until_idle()
    found = dead_letters(bench)
    assert sorted(each.reason for each in found) == sorted(reason for _, _, reason in BOMBS * 2)
    for each in found:
        assert each.is_truncated
        assert len(each.value or b"") <= TRUNCATED_BYTES
        assert f"{each.value_bytes} bytes" in each.reason or each.value == b"{}"
    assert decided(bench) == {"job-0", "job-1"}
    assert peak_mib(worker) < 400

    environment = bench.environment()
    redriven = run_sop("dead-letters", "redrive", "--topic", "jobs", "--send", env=environment)
    assert redriven.returncode == 0, redriven.stderr
    assert f"0 records sent again, {len(found)} kept" in redriven.stdout
    assert "the dead letter has only the beginning of the record" in redriven.stdout
    large = next(each for each in found if each.value_bytes == 600 * MIB)
    place = f"{large.topic}-{large.partition}@{large.offset}"
    shown = run_sop("dead-letters", "show", place, env=environment)
    assert f"value:       {600 * MIB} bytes, of which the first 1024 are here" in shown.stdout
    assert run_sop("status", env=environment).returncode == 0

    assert worker.stop() == 0
    bench.start_ready()  # reads back these outputs
    feed(bench, VISITS[2])
    bench.wait_until_idle()
    assert decided(bench) == {"job-0", "job-1", "job-2"}
    assert len(dead_letters(bench)) == len(found)
    assert violations(emitted(bench.outputs())) == []


def test_many_records_in_few_bytes_are_not_all_in_memory_at_once(bench: Bench) -> None:
    """The same event a thousand times, of the largest size: a quarter of a gigabyte in each partition."""
    worker = bench.start_ready()
    for partition in range(bench.partitions):
        named = (Visit(f"job-{number}", "partner-0") for number in count())
        visit = next(each for each in named if partition_of(each.case_id, bench.partitions) == partition)
        event = feed_of(visit.booking[0])
        assert event.key is not None
        produce(bench, event.topic, partition, [packed([(event.key, event.value, 250_000, ())] * RECORDS, ZSTD)])
    until(lambda: not bench.lag(), lambda: worker.log)  # the harness's client refuses to decompress that much
    result = run_sop("status", "--json", env=bench.environment())
    assert result.returncode == 0, result.stderr
    counted = [each for each in json.loads(result.stdout)["partitions"] if "jobs" in each["partition"]]
    assert [(each["applied"], each["duplicate"]) for each in counted] == [(1, RECORDS - 1)] * bench.partitions
    assert dead_letters(bench) == []
    assert peak_mib(worker) < 400
