"""The outcome of a simulated day through a worker is that of its replay, and other programs can read the outputs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from redis import Redis

from tests.e2e.conftest import Day, run_sop
from tests.e2e.harness import INPUTS, INTERNAL, OUTPUTS, Bench
from tests.e2e.verifier import Emitted, emitted, outcome, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_a_day_through_a_worker_has_the_outcome_of_its_replay(redis_bench: Bench, day: Day, tmp_path: Path) -> None:
    bench = redis_bench
    worker = bench.start_ready()
    bench.feed_lines(day.lines)
    bench.wait_until_idle()
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    assert outcome(each.envelope for each in messages) == day.replayed
    assert len(day.replayed.decisions) >= 40
    assert day.replayed.open_actions
    assert day.replayed.firing
    assert day.replayed.refused
    assert invalid(messages, tmp_path / "schemas") == []
    assert read_by_kcat(bench) == sorted((each.record.key or b"", each.record.value) for each in messages)
    assert unaccounted(bench) == {}
    assert worker.stop() == 0


def test_events_of_another_partitioner_have_the_outcome_of_their_replay(bench: Bench, day: Day) -> None:
    bench.start_ready()
    bench.feed_lines(day.lines, partitioner="consistent_random")  # by CRC32, librdkafka's default
    bench.wait_until_idle()
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    assert outcome(each.envelope for each in messages) == day.replayed


def invalid(messages: list[Emitted], folder: Path) -> list[str]:
    """Return what violates the exported schemas."""
    assert run_sop("schemas", "export", folder).returncode == 0
    schemas = [json.loads(file.read_text()) for file in (folder / "messages").glob("*.json")]
    checks = {each["properties"]["type"]["const"]: jsonschema.Draft202012Validator(each) for each in schemas}
    ids = {json.loads(file.read_text()).get("$id") for file in folder.glob("*.json")}
    found: list[str] = []
    for each in messages:
        found += [error.message for error in checks[each.type].iter_errors(each.envelope)]
        if each.envelope["dataschema"] not in ids:
            found.append(f"{each.envelope['dataschema']} is not the schema of {each.type}")
    return found


def read_by_kcat(bench: Bench) -> list[tuple[bytes, bytes]]:
    """Return key and value of all records that kcat reads from the output topics."""
    program = shutil.which("kcat")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no kcat on the PATH")
        pytest.skip("no kcat on the PATH; the rest of this test has passed")
    found: list[tuple[bytes, bytes]] = []
    for topic in OUTPUTS:
        arguments = ["-b", bench.brokers, "-C", "-t", bench.prefix + topic, "-o", "beginning", "-e", "-q"]
        result = subprocess.run(
            [program, *arguments, "-X", "isolation.level=read_committed", "-f", "%k\t%s\n"],
            capture_output=True,
            check=True,
            timeout=180,
        )
        for line in result.stdout.splitlines():
            key, _, value = line.partition(b"\t")
            found.append((key, value))
    return sorted(found)


def unaccounted(bench: Bench) -> dict[str, tuple[int, int]]:
    """Return (records, counted records) of the input partitions whose counts in the checkpoints do not add up."""
    counts: dict[str, dict[str, int]] = {}
    with Redis.from_url(bench.redis_url) as redis:
        for number in range(bench.partitions):
            saved = redis.hget(f"{{{bench.prefix}{bench.group}:{number}}}:meta", "saved")
            counts |= json.loads(saved or "{}").get("counts", {})
    records: dict[str, int] = {}
    for record in bench.read(*INPUTS, *INTERNAL):
        name = f"{bench.prefix}{record.topic}-{record.partition}"
        records[name] = records.get(name, 0) + 1
    counted = {name: sum(dispositions.values()) for name, dispositions in counts.items()}
    return {
        name: (records.get(name, 0), counted.get(name, 0))
        for name in records.keys() | counted.keys()
        if records.get(name, 0) != counted.get(name, 0)
    }
