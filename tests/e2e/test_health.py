"""Health checks, JSON logs and traces of real processes."""

from __future__ import annotations

import json
import re
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.collector import Collector
from tests.e2e.conftest import Day
from tests.e2e.harness import DECISIONS, INPUTS, Bench, Feed, Worker, feed_of, until
from tests.e2e.test_membership import FOREIGN, joins, member

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

ANY_PORT = {"SOP_METRICS_LISTEN": "0"}
SAMPLED = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def check(worker: Worker, path: str) -> tuple[int, str]:
    """Return the status and the text of a check, at the address that the worker logged."""
    until(lambda: "metrics at " in worker.log, lambda: worker.log)
    (url,) = re.findall(r"metrics at ([^\s\"]+)", worker.log)
    try:
        with urlopen(url.replace("/metrics", path), timeout=30) as answer:  # noqa: S310 - a worker of ours
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_workers_are_ready_when_they_have_recovered_and_a_spare_is_ready_too(redis_bench: Bench, day: Day) -> None:
    bench = redis_bench
    bench.partitions = 1
    first = bench.start_ready(**ANY_PORT)
    bench.feed_lines(day.lines[:500])
    until(lambda: check(first, "/readyz") == (200, "ok\n"), lambda: check(first, "/readyz"))
    spare = bench.start(**ANY_PORT)
    until(lambda: check(spare, "/readyz") == (200, "ok\n"), lambda: check(spare, "/readyz"))
    until(lambda: {first.partitions, spare.partitions} == {"0", "none"}, lambda: first.log + spare.log)
    assert check(first, "/healthz") == check(spare, "/healthz") == (200, "ok\n")
    assert [first.stop(), spare.stop()] == [0, 0]


def test_a_worker_that_cannot_join_lives_and_says_why_it_is_not_ready(bench: Bench) -> None:
    bench.create(*INPUTS)
    with member(bench, FOREIGN["range"]) as (consumer, errors):
        assert joins(consumer, errors)
        worker = bench.start(**ANY_PORT)
        until(lambda: "INCONSISTENT_GROUP_PROTOCOL" in check(worker, "/readyz")[1], lambda: worker.log)
        assert check(worker, "/readyz")[0] == 503
        assert check(worker, "/healthz") == (200, "ok\n")
    until(lambda: check(worker, "/readyz") == (200, "ok\n"), lambda: check(worker, "/readyz"))
    assert worker.stop() == 0


def test_every_line_of_a_log_in_json_is_an_object(bench: Bench) -> None:
    worker = bench.start(SOP_LOG_FORMAT="json", **ANY_PORT)
    until(lambda: '"partitions 0, ' in worker.log, lambda: worker.log)
    assert worker.stop() == 0
    lines = [json.loads(line) for line in worker.log.splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    assert {line["logger"] for line in lines} >= {"sop.worker", "sop.metrics"}


def test_a_worker_sends_the_spans_of_a_traced_event(bench: Bench, day: Day) -> None:
    with Collector() as collector:
        worker = bench.start_ready(SOP_TRACES_ENDPOINT=collector.endpoint)
        bench.feed([traced(line) for line in day.lines[:4000]])
        bench.wait_until_idle()
        assert worker.stop() == 0
        spans = collector.spans
    names = {span.name.partition(" ")[0] for span in spans}
    assert names == {"consume", "decide", "publish"}
    consumed = {span.name.partition(" ")[2].removeprefix(bench.prefix) for span in spans if " " in span.name}
    assert consumed >= {"jobs", "locations"}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)


def test_a_dead_collector_neither_delays_nor_ends_a_worker(bench: Bench, day: Day) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        worker = bench.start_ready(SOP_TRACES_ENDPOINT=endpoint)
        bench.feed([traced(line) for line in day.lines[:2000]])
        bench.wait_until_idle()
        assert bench.read(*DECISIONS)
        assert all({name for name, _ in record.headers} == {"content-type"} for record in bench.read(*DECISIONS))
        assert worker.stop() == 0


def traced(line: bytes) -> Feed:
    feed = feed_of(line)
    return Feed(feed.topic, feed.key, feed.value, (("traceparent", SAMPLED),))
