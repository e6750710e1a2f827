"""Every metric is told and documented, the rules for alerts speak of metrics that exist, and a scrape is answered."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from schemas.errors import UsageError
from streams.config.settings import settings_from
from streams.metrics import server
from streams.metrics.catalogue import METRICS
from streams.metrics.collector import Sample, Watched, WorkerCollector, samples
from streams.metrics.server import MetricsServer, ask_loop
from streams.processor.processor import StateSize
from streams.runtime.ports import Quarantined
from streams.runtime.progress import Progress
from streams.runtime.task_metrics import TaskMetrics
from streams.runtime.watchdog import Health

DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
RULES = [rule for group in YAML(typ="safe").load(DOCS / "alerts.yaml")["groups"] for rule in group["rules"]]
SECOND = 1_000_000
ASIDE = {"job-1": Quarantined("internal: KeyError", "0.1.0")}


def watched() -> Watched:
    """Return partition number 3 with 10 records handed over: 6 settled, one of them refused, 4 in flight."""
    metrics = TaskMetrics(tried_again=2)
    metrics.received.update({"a-b-3": 10})
    metrics.published.update(["actions", "actions"])
    metrics.stepped(0.25)
    metrics.stepped(0.5)
    return Watched(
        number=3,
        metrics=metrics,
        progress=Progress(0, {"a-b-3": 106}, {"a-b-3": 6}, {"a-b-3": {"applied": 5, "dead_lettered": 1}}, ASIDE),
        health=Health(saves=7, saved_at=100 * SECOND),
        state_size=StateSize(
            cases=11,
            partners=12,
            deadlines=13,
            queries_too_late=14,
            cases_departed=15,
            departed_cases=16,
            partners_departed=17,
        ),
        ends={"a-b-3": 120},
    )


def values(of: list[Sample]) -> dict[str, float]:
    """Return what a registry tells, by name with labels."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(of))
    return {
        ",".join([each.name, *(f"{name}={value}" for name, value in sorted(each.labels.items()))]): each.value
        for family in registry.collect()
        for each in family.samples
    }


def test_what_a_task_counts_is_told() -> None:
    place = "partition=3,topic=a-b"
    assert values(list(samples(watched(), 160 * SECOND))) == {
        f"sop_records_consumed_total,{place}": 10,
        f"sop_records_processed_total,disposition=applied,{place}": 5,
        f"sop_records_processed_total,disposition=duplicate,{place}": 0,
        f"sop_records_processed_total,disposition=dead_lettered,{place}": 1,
        f"sop_records_processed_total,disposition=forwarded,{place}": 0,
        f"sop_records_in_flight,{place}": 4,
        f"sop_records_lag,{place}": 14,
        f"sop_offsets_skipped_total,{place}": 0,
        "sop_messages_published_total,partition=3,topic=actions": 2,
        "sop_presence_queries_too_late_total,partition=3": 14,
        "sop_cases_in_memory,partition=3": 11,
        "sop_partners_in_memory,partition=3": 12,
        "sop_cases_departed_total,partition=3": 15,
        "sop_departed_cases,partition=3": 16,
        "sop_partners_departed_total,partition=3": 17,
        "sop_deadlines_pending,partition=3": 13,
        "sop_checkpoint_age_seconds,partition=3": 60,
        "sop_checkpoints_total,partition=3": 7,
        "sop_steps_total,partition=3": 2,
        "sop_step_seconds_total,partition=3": 0.75,
        "sop_last_step_seconds,partition=3": 0.5,
        "sop_poison_retries_total,partition=3": 2,
        "sop_cases_quarantined,partition=3": 1,
    }


def test_a_task_that_recovers_tells_no_age() -> None:
    recovering = watched()
    recovering.health.saved_at = 0
    assert not any("checkpoint_age" in name for name in values(list(samples(recovering, 160 * SECOND))))


def test_the_table_says_of_every_metric_what_it_is() -> None:
    rows = re.findall(r"^\| `(sop_\w+)` \| ([\w, ]*?) ?\| (.+) \|$", OPERATIONS, re.MULTILINE)
    assert rows == [(metric.name, ", ".join(metric.labels), metric.meaning) for metric in METRICS]


def test_counters_and_only_they_end_in_total() -> None:
    assert [metric.name for metric in METRICS if metric.name.endswith("_total") != (metric.kind == "counter")] == []


def test_rules_speak_of_metrics_that_exist_and_each_says_what_to_do() -> None:
    names = {metric.name for metric in METRICS}
    for rule in RULES:
        used = set(re.findall(r"\bsop_\w+", rule["expr"]))
        assert used, rule["alert"]
        assert used <= names, rule["alert"]
    told = re.findall(r"^\| `(Sop\w+)` \|", OPERATIONS, re.MULTILINE)
    assert sorted(told) == sorted(rule["alert"] for rule in RULES)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop that runs in another thread."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


async def test_a_question_is_answered_in_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    answer, delay_s = await ask_loop(loop, threading.current_thread)
    assert answer is not threading.current_thread()
    assert delay_s >= 0


async def test_what_a_question_raises_comes_back(loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(ZeroDivisionError):
        await ask_loop(loop, lambda: 1 // 0)


async def test_a_loop_that_does_not_answer_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_S", 0.05)
    silent = asyncio.new_event_loop()
    with pytest.raises(TimeoutError):
        await ask_loop(silent, threading.current_thread)
    silent.close()
    with pytest.raises(RuntimeError):
        await ask_loop(silent, threading.current_thread)


def test_an_address_that_cannot_be_had_is_told() -> None:
    with pytest.raises(UsageError, match=r"^SOP_METRICS_LISTEN: 192\.0\.2\.1:0: "):
        MetricsServer("192.0.2.1:0")


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("", ""),
        ("9100", "127.0.0.1:9100"),
        (" 0.0.0.0:9100 ", "0.0.0.0:9100"),
        ("[::1]:9", "[::1]:9"),
        ("0", "127.0.0.1:0"),
    ],
)
def test_an_address_without_a_host_is_this_machine(text: str, listen: str) -> None:
    assert settings_from({"SOP_METRICS_LISTEN": text}).metrics_listen == listen


@pytest.mark.parametrize("text", ["x", "65536", "127.0.0.1", "-1", ":", "localhost:http"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"SOP_METRICS_LISTEN: .* is not PORT or HOST:PORT"):
        settings_from({"SOP_METRICS_LISTEN": text})
