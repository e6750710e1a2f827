"""The metrics of a worker add up, agree with `sop status`, and contain nothing from an event."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.metrics.catalogue import METRICS
from tests.e2e.conftest import Day, run_sop
from tests.e2e.harness import DECISIONS, Bench, Worker, until
from tests.e2e.test_personal_data import events, leaked
from tests.e2e.test_status import rows

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ANY_PORT = {"SOP_METRICS_LISTEN": "0"}
DISPOSITIONS = ("applied", "duplicate", "dead_lettered", "forwarded")

Samples = dict[str, dict[tuple[str, ...], float]]


def scraped(worker: Worker) -> str:
    """Return the text of a scrape, at the address that the worker logged."""
    until(lambda: "metrics at " in worker.log, lambda: worker.log)
    (url,) = re.findall(r"metrics at (\S+)", worker.log)
    with urlopen(url, timeout=30) as answer:  # noqa: S310 - a worker of ours
        text: str = answer.read().decode()
    return text


def samples(text: str) -> Samples:
    """Return the values by metric and label values, in the catalogue's order of labels."""
    labels = {metric.name + end: metric.labels for metric in METRICS for end in ("", "_count", "_sum")}
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            key = tuple(each.labels[name] for name in labels.get(each.name, ()))
            found.setdefault(each.name, {})[key] = each.value
    return found


def unaccounted(found: Samples) -> Iterator[str]:
    """Yield the input partitions whose counts do not add up."""
    for place, consumed in found["sop_records_consumed_total"].items():
        processed = sum(
            found["sop_records_processed_total"].get((*place, disposition), 0) for disposition in DISPOSITIONS
        )
        if consumed != processed + found["sop_records_in_flight"][place]:
            yield f"{place}: {consumed}, {processed}"


def test_metrics_add_up_while_records_come_and_agree_with_status_afterwards(redis_bench: Bench, day: Day) -> None:
    bench = redis_bench
    worker = bench.start_ready(**ANY_PORT)
    for begin in range(0, len(day.lines), 2000):
        bench.feed_lines(day.lines[begin : begin + 2000])
        assert list(unaccounted(samples(scraped(worker)))) == []
    bench.wait_until_idle()
    found = samples(scraped(worker))
    status = rows(run_sop("status", env=bench.environment()).stdout)
    for (topic, partition), consumed in found["sop_records_consumed_total"].items():
        row = status[f"{topic}-{partition}"]
        counted = [
            found["sop_records_processed_total"].get((topic, partition, disposition), 0) for disposition in DISPOSITIONS
        ]
        assert counted == [row[disposition.replace("_", "-")] for disposition in DISPOSITIONS]
        assert (consumed, found["sop_records_in_flight"][topic, partition]) == (row["consumed"], 0)
    assert sum(found["sop_records_consumed_total"].values()) == sum(row["consumed"] for row in status.values())
    written = Counter(record.topic for record in bench.read(*DECISIONS, "actions", "alerts", "dead-letters"))
    published = Counter[str]()
    for (topic, _), count in found["sop_messages_published_total"].items():
        published[topic.removeprefix(bench.prefix)] += int(count)
    assert {topic: published[topic] for topic in written} == written
    for kind in {kind for kind, _, _ in found["sop_decisions_published_total"]}:
        counts = {
            labels: count for labels, count in found["sop_decisions_published_total"].items() if labels[0] == kind
        }
        assert sum(counts.values()) == written[f"decisions.{kind.replace('_', '-')}"]
        assert 0 < found["sop_event_to_decision_seconds_count"][kind,] <= sum(counts.values())
    assert sum(found["sop_actions_published_total"].values()) == written["actions"]
    assert sum(found["sop_alerts_published_total"].values()) == written["alerts"]
    assert set(found) >= {f"{metric.name}_bucket" if metric.bounds else metric.name for metric in METRICS}
    assert min(found["sop_checkpoints_total"].values()) > 0
    assert sum(found["sop_cases_in_memory"].values()) > 0
    assert sum(count for (topic, _), count in found["sop_records_lag"].items() if "internal" not in topic) == 0
    assert worker.stop() == 0


def test_no_label_contains_anything_from_an_event(bench: Bench) -> None:
    worker = bench.start_ready(**ANY_PORT)
    bench.feed_lines(events())
    bench.wait_until_idle()
    text = scraped(worker)
    assert samples(text)["sop_records_consumed_total"]
    assert leaked(text) == []
    assert re.findall(r"job-\w+|partner-\d|ticket-\w+", text.replace(bench.prefix, "")) == []
    assert worker.stop() == 0


def test_only_metrics_are_served(bench: Bench) -> None:
    worker = bench.start_ready(**ANY_PORT)
    (url,) = re.findall(r"metrics at (\S+)", worker.log)
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(HTTPError, match="404"):
        urlopen(url.removesuffix("/metrics"), timeout=30)  # noqa: S310 - a worker of ours
    assert worker.stop() == 0


def test_an_address_in_use_stops_the_worker_at_its_start(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run_sop("worker", env=bench.environment(SOP_METRICS_LISTEN=place))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"sop: SOP_METRICS_LISTEN: {place}: Address already in use\n"
