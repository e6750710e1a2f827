"""Every metric is exposed and documented, the alert rules use metrics that exist, and the event loop can be called."""

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
from streams.metrics.collector import Sample, TaskSnapshot, WorkerCollector, task_samples
from streams.metrics.server import MetricsServer, call_in_loop
from streams.processor.processor import StateSize
from streams.runtime.health import Health, TaskMetrics
from streams.runtime.ports import Quarantined
from streams.runtime.progress import Progress

DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
RULES = [rule for group in YAML(typ="safe").load(DOCS / "alerts.yaml")["groups"] for rule in group["rules"]]
SECOND = 1_000_000
QUARANTINED = {"job-1": Quarantined("internal: KeyError", "0.1.0")}


def snapshot() -> TaskSnapshot:
    """Return partition number 3 with 10 records received: 6 processed, one of them refused, and 4 in flight."""
    metrics = TaskMetrics(poison_retries=2)
    metrics.received.update({"a-b-3": 10})
    metrics.published.update(["actions", "actions"])
    metrics.add_step(0.25)
    metrics.add_step(0.5)
    return TaskSnapshot(
        number=3,
        metrics=metrics,
        progress=Progress(0, {"a-b-3": 106}, {"a-b-3": 6}, {"a-b-3": {"applied": 5, "dead_lettered": 1}}, QUARANTINED),
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


def exposed(samples: list[Sample]) -> dict[str, float]:
    """Return the values that a registry exposes, by name and labels."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(samples))
    return {
        ",".join([each.name, *(f"{name}={value}" for name, value in sorted(each.labels.items()))]): each.value
        for family in registry.collect()
        for each in family.samples
    }


def test_every_count_of_a_task_is_exposed() -> None:
    labels = "partition=3,topic=a-b"
    assert exposed(list(task_samples(snapshot(), 160 * SECOND))) == {
        f"sop_records_consumed_total,{labels}": 10,
        f"sop_records_processed_total,disposition=applied,{labels}": 5,
        f"sop_records_processed_total,disposition=duplicate,{labels}": 0,
        f"sop_records_processed_total,disposition=dead_lettered,{labels}": 1,
        f"sop_records_processed_total,disposition=forwarded,{labels}": 0,
        f"sop_records_in_flight,{labels}": 4,
        f"sop_records_lag,{labels}": 14,
        f"sop_offsets_skipped_total,{labels}": 0,
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


def test_a_recovering_task_has_no_checkpoint_age() -> None:
    recovering = snapshot()
    recovering.health.saved_at = 0
    assert not any("checkpoint_age" in name for name in exposed(list(task_samples(recovering, 160 * SECOND))))


def test_the_operations_page_describes_every_metric() -> None:
    rows = re.findall(r"^\| `(sop_\w+)` \| ([\w, ]*?) ?\| (.+) \|$", OPERATIONS, re.MULTILINE)
    assert rows == [(metric.name, ", ".join(metric.labels), metric.meaning) for metric in METRICS]


def test_alert_rules_use_existing_metrics_and_the_operations_page_says_what_to_do() -> None:
    names = {metric.name for metric in METRICS}
    for rule in RULES:
        used = set(re.findall(r"\bsop_\w+", rule["expr"]))
        assert used, rule["alert"]
        assert used <= names, rule["alert"]
    described = re.findall(r"^\| `(Sop\w+)` \|", OPERATIONS, re.MULTILINE)
    assert sorted(described) == sorted(rule["alert"] for rule in RULES)


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


async def test_a_function_is_called_in_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    thread, delay_s = await call_in_loop(loop, threading.current_thread)
    assert thread is not threading.current_thread()
    assert delay_s >= 0


async def test_an_error_in_the_function_is_raised_to_the_caller(loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(ZeroDivisionError):
        await call_in_loop(loop, lambda: 1 // 0)


async def test_a_call_to_a_blocked_or_closed_loop_fails_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CALL_TIMEOUT_S", 0.05)
    silent = asyncio.new_event_loop()
    with pytest.raises(TimeoutError):
        await call_in_loop(silent, threading.current_thread)
    silent.close()
    with pytest.raises(RuntimeError):
        await call_in_loop(silent, threading.current_thread)


def test_an_address_that_cannot_be_bound_is_refused() -> None:
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
def test_a_port_without_a_host_is_on_the_loopback_address(text: str, listen: str) -> None:
    assert settings_from({"SOP_METRICS_LISTEN": text}).metrics_listen == listen


@pytest.mark.parametrize("text", ["x", "65536", "127.0.0.1", "-1", ":", "localhost:http"])
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"SOP_METRICS_LISTEN: .* is not PORT or HOST:PORT"):
        settings_from({"SOP_METRICS_LISTEN": text})
