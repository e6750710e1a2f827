"""`sop status` accounts for every record that a worker consumed, and says so where it cannot."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from confluent_kafka import Producer

from tests.e2e.conftest import Day, run_sop
from tests.e2e.harness import INPUTS, INTERNAL, Bench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

Rows = dict[str, dict[str, int]]


def rows(told: str) -> Rows:
    _, table = told.split("\n\n")
    head, *lines = (line.split() for line in table.splitlines())
    return {line[0]: dict(zip(head[1:], map(int, line[1:]), strict=True)) for line in lines}


def test_every_record_of_a_day_is_accounted_for_also_across_a_restart(redis_bench: Bench, day: Day) -> None:
    bench = redis_bench
    half = len(day.lines) // 2
    for lines in (day.lines[:half], day.lines[half:]):
        worker = bench.start_ready()
        bench.feed_lines(lines)
        bench.wait_until_idle()
        assert worker.stop() == 0
    told = run_sop("status", env=bench.environment())
    assert (told.returncode, told.stderr) == (0, "")
    found = rows(told.stdout)
    records = Counter(f"{bench.prefix}{each.topic}-{each.partition}" for each in bench.read(*INPUTS, *INTERNAL))
    assert {name: row["consumed"] for name, row in found.items()} == {name: records[name] for name in found}
    assert sum(records.values()) == sum(row["consumed"] for row in found.values())
    for row in found.values():
        assert row["consumed"] == row["applied"] + row["duplicate"] + row["dead-lettered"] + row["forwarded"]
        assert row["position"] == row["committed"]
    assert all(row["lag"] == 0 for name, row in found.items() if ".internal." not in name)
    for disposition in ("applied", "duplicate", "dead-lettered"):
        assert sum(row[disposition] for row in found.values()) > 0


def test_records_waiting_are_lag(bench: Bench, day: Day) -> None:
    assert bench.start_ready().stop() == 0
    bench.feed_lines(day.lines[:200])
    told = run_sop("status", env=bench.environment())
    assert told.returncode == 0
    assert sum(row["lag"] for row in rows(told.stdout).values()) == 200


def test_broker_group_owners_and_the_age_of_the_counts_are_told(bench: Bench, day: Day) -> None:
    worker = bench.start_ready()
    bench.feed_lines(day.lines[:200])
    bench.wait_until_idle()
    told = run_sop("status", "--json", env=bench.environment())
    shown = run_sop("status", env=bench.environment())
    assert worker.stop() == 0
    found = json.loads(told.stdout)
    (owner,) = found["owners"]
    numbers = sorted({int(each["partition"].rpartition("-")[2]) for each in found["partitions"]})
    assert (found["brokers"], found["state"], owner["partitions"]) == (bench.brokers, "Stable", numbers)
    assert found["counts_age_s"]
    heading = shown.stdout.split("\n\n")[0]
    assert heading.startswith(f"Kafka {bench.brokers}, group {found['group']}: Stable, 1 member\n")
    assert f"partitions {', '.join(map(str, numbers))}" in heading
    assert "counts published, by partition: 0: " in heading


def test_a_sum_that_does_not_add_up_is_told_with_status_1(bench: Bench) -> None:
    assert bench.start_ready().stop() == 0
    name = f"{bench.prefix}jobs-0"
    lie = {"now": 0, "positions": {name: 7}, "consumed": {name: 7}, "counts": {name: {"applied": 5, "duplicate": 1}}}
    producer = Producer({"bootstrap.servers": bench.brokers})
    producer.produce(f"{bench.prefix}internal.progress", json.dumps(lie), "progress", partition=0)
    assert producer.flush(30) == 0
    told = run_sop("status", env=bench.environment())
    assert (told.returncode, told.stderr) == (1, f"sop: {name}: 7 records consumed, 6 accounted for\n")


def test_topics_that_are_not_there_are_told_in_one_line(bench: Bench) -> None:
    told = run_sop("status", env=bench.environment())
    assert (told.returncode, told.stdout) == (2, "")
    assert "has no topic" in told.stderr
