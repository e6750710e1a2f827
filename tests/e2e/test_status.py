"""`sop status` accounts for every consumed record, and reports what does not add up."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from confluent_kafka import Producer

from tests.e2e.conftest import Day, run_sop
from tests.e2e.harness import INPUTS, INTERNAL, Bench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

Rows = dict[str, dict[str, int]]


def rows(output: str) -> Rows:
    _, table = output.split("\n\n")
    head, *lines = (line.split() for line in table.splitlines())
    return {line[0]: dict(zip(head[1:], map(int, line[1:]), strict=True)) for line in lines}


def test_every_record_of_a_day_is_accounted_for_over_a_restart(redis_bench: Bench, day: Day) -> None:
    bench = redis_bench
    half = len(day.lines) // 2
    for lines in (day.lines[:half], day.lines[half:]):
        worker = bench.start_ready()
        bench.feed_lines(lines)
        bench.wait_until_idle()
        assert worker.stop() == 0
    result = run_sop("status", env=bench.environment())
    assert (result.returncode, result.stderr) == (0, "")
    found = rows(result.stdout)
    records = Counter(f"{bench.prefix}{each.topic}-{each.partition}" for each in bench.read(*INPUTS, *INTERNAL))
    assert {name: row["consumed"] for name, row in found.items()} == {name: records[name] for name in found}
    assert sum(records.values()) == sum(row["consumed"] for row in found.values())
    for row in found.values():
        counted = ("applied", "duplicate", "dead-lettered", "forwarded", "waiting")
        assert row["consumed"] == sum(row[each] for each in counted)
        assert row["position"] == row["committed"]
    assert all(row["lag"] == 0 for name, row in found.items() if ".internal." not in name)
    for disposition in ("applied", "duplicate", "dead-lettered"):
        assert sum(row[disposition] for row in found.values()) > 0


def test_unread_records_are_lag(bench: Bench, day: Day) -> None:
    assert bench.start_ready().stop() == 0
    bench.feed_lines(day.lines[:200])
    result = run_sop("status", env=bench.environment())
    assert result.returncode == 0
    assert sum(row["lag"] for row in rows(result.stdout).values()) == 200


def test_broker_group_members_and_age_of_the_counts_are_shown(bench: Bench, day: Day) -> None:
    worker = bench.start_ready()
    bench.feed_lines(day.lines[:200])
    bench.wait_until_idle()
    result = run_sop("status", "--json", env=bench.environment())
    shown = run_sop("status", env=bench.environment())
    assert worker.stop() == 0
    found = json.loads(result.stdout)
    (owner,) = found["owners"]
    numbers = sorted({int(each["partition"].rpartition("-")[2]) for each in found["partitions"]})
    assert (found["brokers"], found["state"], owner["partitions"]) == (bench.brokers, "Stable", numbers)
    assert found["counts_age_s"]
    heading = shown.stdout.split("\n\n")[0]
    assert heading.startswith(f"Kafka {bench.brokers}, group {found['group']}: Stable, 1 member\n")
    assert f"partitions {', '.join(map(str, numbers))}" in heading
    assert "counts published, by partition: 0: " in heading


def test_counts_that_do_not_add_up_are_reported_with_status_1(bench: Bench) -> None:
    assert bench.start_ready().stop() == 0
    name = f"{bench.prefix}jobs-0"
    wrong = {"now": 0, "positions": {name: 7}, "consumed": {name: 7}, "counts": {name: {"applied": 5, "duplicate": 1}}}
    producer = Producer({"bootstrap.servers": bench.brokers})
    producer.produce(f"{bench.prefix}internal.progress", json.dumps(wrong), "progress", partition=0)
    assert producer.flush(30) == 0
    result = run_sop("status", env=bench.environment())
    assert (result.returncode, result.stderr) == (1, f"sop: {name}: 7 records consumed, 6 accounted for\n")


def test_missing_topics_are_reported_in_one_line(bench: Bench) -> None:
    result = run_sop("status", env=bench.environment())
    assert (result.returncode, result.stdout) == (2, "")
    assert "has no topic" in result.stderr
