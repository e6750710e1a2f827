"""Every metric is exposed and documented, the alert rules use metrics that exist, and the event loop can be called."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from agents.sops.catalogue import POLICIES
from schemas.errors import UsageError
from streams.archive.folder import ArchiveFolder
from streams.config.settings import settings_from
from streams.metrics import server
from streams.metrics.catalogue import METRICS, Sample
from streams.metrics.collector import TaskSnapshot, WorkerCollector, output_samples, task_samples
from streams.metrics.endpoints import UNANSWERED, WorkerEndpoints
from streams.metrics.server import MetricsServer, call_in_loop
from streams.policies.source import FixedPolicies
from streams.process.clock import SystemClock
from streams.processor.output_counts import OutputCounts
from streams.processor.state_size import StateSize
from streams.runtime.health import Health, TaskMetrics
from streams.runtime.ports import Quarantined
from streams.runtime.progress import Progress
from surfaces.archive.metrics import archive_metrics
from surfaces.archive.store import ArchiveStore

TOP = Path(__file__).parents[2]
OPERATIONS = (TOP / "docs/operations.md").read_text(encoding="utf-8")
GROUPS = YAML(typ="safe").load(TOP / "deploy/prometheus/rules.yaml")["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
RULE_TESTS = YAML(typ="safe").load(TOP / "deploy/prometheus/rules_test.yaml")["tests"]
DASHBOARD = TOP / "deploy/grafana/sop-streams.json"
NAMES = {
    f"{metric.name}{end}" for metric in METRICS for end in (("_bucket", "_count", "_sum") if metric.bounds else ("",))
}
STORE = ArchiveStore(ArchiveFolder("nowhere"), SystemClock(), file_bytes=1, file_age_s=1.0)
ARCHIVE_METRICS = list(archive_metrics(STORE, unsigned_files=0))
NAMES |= {sample.name for metric in ARCHIVE_METRICS for sample in metric.samples}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
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
            waiting=18,
            queries_too_late=14,
            cases_departed=15,
            departed_cases=16,
            partners_departed=17,
        ),
        ends={"a-b-3": 120},
        is_ready=True,
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
        "sop_records_waiting,partition=3": 18,
        "sop_checkpoint_age_seconds,partition=3": 60,
        "sop_checkpoints_total,partition=3": 7,
        "sop_steps_total,partition=3": 2,
        "sop_step_seconds_total,partition=3": 0.75,
        "sop_last_step_seconds,partition=3": 0.5,
        "sop_poison_retries_total,partition=3": 2,
        "sop_cases_quarantined,partition=3": 1,
    }


def test_every_count_of_the_outputs_is_exposed() -> None:
    counts = OutputCounts()
    counts.decisions["paf", "out_of_scope", "upheld"] = 3
    counts.actions["close_ticket", "open"] = 2
    counts.alerts["decision_flip", "firing"] = 1
    for delay_s in (0.05, 0.3, 1000.0):
        counts.delays["paf"].add(delay_s)
    found = exposed(list(output_samples(counts)))
    assert found["sop_decisions_published_total,kind=paf,outcome=upheld,subject_of=out_of_scope"] == 3
    assert found["sop_decisions_published_total,kind=paf,outcome=waived,subject_of=out_of_scope"] == 0
    assert found["sop_actions_published_total,code=close_ticket,state=open"] == 2
    assert found["sop_alerts_published_total,name=decision_flip,state=firing"] == 1
    buckets = {name: value for name, value in found.items() if "seconds_bucket,kind=paf" in name}
    assert buckets["sop_event_to_decision_seconds_bucket,kind=paf,le=0.05"] == 1
    assert buckets["sop_event_to_decision_seconds_bucket,kind=paf,le=0.5"] == 2
    assert buckets["sop_event_to_decision_seconds_bucket,kind=paf,le=+Inf"] == 3
    assert list(buckets.values()) == sorted(buckets.values())
    assert found["sop_event_to_decision_seconds_count,kind=paf"] == 3
    assert found["sop_event_to_decision_seconds_sum,kind=paf"] == 1000.35


def test_a_recovering_task_has_no_checkpoint_age() -> None:
    recovering = snapshot()
    recovering.health.saved_at = 0
    assert not any("checkpoint_age" in name for name in exposed(list(task_samples(recovering, 160 * SECOND))))


def test_the_operations_page_describes_every_metric() -> None:
    rows = re.findall(r"^\| `(sop_\w+)` \| ([\w, ]*?) ?\| (.+) \|$", OPERATIONS, re.MULTILINE)
    assert rows == [(metric.name, ", ".join(metric.labels), metric.meaning) for metric in METRICS]
    rows = re.findall(r"^\| `(sop_archive_\w+)` \| ([^|]+) \|$", OPERATIONS, re.MULTILINE)
    assert [name for name, _ in rows] == [metric.samples[0].name for metric in ARCHIVE_METRICS]
    assert [meaning for _, meaning in rows] == [metric.documentation for metric in ARCHIVE_METRICS]


def names_in(expression: str) -> set[str]:
    """Return the names in an expression of PromQL that are metrics of ours, or results of our rules."""
    return set(re.findall(r"\bsop(?:_\w+|:[\w:]+)", expression))


def test_rules_use_existing_metrics_and_the_operations_page_says_what_to_do() -> None:
    for rule in RULES:
        assert names_in(rule["expr"]) or re.search(r'job="sop-[a-z-]+"', rule["expr"]), rule
        assert names_in(rule["expr"]) <= NAMES | RECORDED, rule
    alerts = sorted(rule["alert"] for rule in RULES if "alert" in rule)
    assert sorted(re.findall(r"^\| `(Sop\w+)` \|", OPERATIONS, re.MULTILINE)) == alerts


def test_every_alert_is_seen_firing_in_the_tests_of_the_rules() -> None:
    fired = {each["alertname"] for test in RULE_TESTS for each in test["alert_rule_test"] if each.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES if "alert" in rule}


def test_the_dashboard_uses_existing_metrics() -> None:
    used: set[str] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        assert panel["type"] == "row" or panel["targets"], panel["title"]
        for target in panel.get("targets", ()):
            assert names_in(target["expr"]) or re.match(r"(sum\(up|rate\(process|process)", target["expr"])
            used |= names_in(target["expr"])
    assert used <= NAMES | RECORDED
    shown = {metric.name for metric in METRICS if any(name.startswith(metric.name) for name in used)}
    assert shown == {metric.name for metric in METRICS}, "every metric is on the dashboard"


def test_grafana_knows_everything_in_the_dashboard() -> None:
    """Grafana's own types read it and write it again: what they do not know would be lost."""
    register_default_plugins()
    given = json.loads(DASHBOARD.read_text())
    written = json.loads(json.dumps(Dashboard.from_json(given), cls=JSONEncoder))
    assert list(lost(given, written)) == []


def lost(given: Any, written: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which a document lacks a member of another one, or has another value."""
    if isinstance(given, dict) and isinstance(written, dict):
        for name, value in given.items():
            yield from lost(value, written.get(name), f"{path}/{name}")
    elif isinstance(given, list) and isinstance(written, list) and len(given) == len(written):
        for at, pair in enumerate(zip(given, written, strict=True)):
            yield from lost(*pair, f"{path}/{at}")
    elif given != written:
        yield path


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


def endpoints(
    loop: asyncio.AbstractEventLoop,
    snapshots: list[TaskSnapshot] | None,
    *,
    refusal: str | None = None,
    is_watched: bool = True,
) -> WorkerEndpoints:
    return WorkerEndpoints(
        loop=loop,
        snapshots=lambda: snapshots,
        counts=OutputCounts(),
        policies=FixedPolicies(POLICIES.load_all(())),
        refusal=lambda: refusal,
        is_watched=lambda: is_watched,
    )


async def test_a_worker_is_ready_when_all_its_partitions_have_recovered(loop: asyncio.AbstractEventLoop) -> None:
    ready, recovering = snapshot(), replace(snapshot(), number=5, is_ready=False)
    assert await endpoints(loop, [ready]).not_ready() == ""
    assert await endpoints(loop, []).not_ready() == "", "a spare"
    assert await endpoints(loop, None).not_ready() == "no partitions are assigned yet"
    assert await endpoints(loop, [ready, recovering]).not_ready() == "recovering: partitions 5"
    assert await endpoints(loop, [ready], refusal="the group is full").not_ready() == "the group is full"


async def test_a_blocked_event_loop_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CALL_TIMEOUT_S", 0.05)
    silent = asyncio.new_event_loop()
    assert await endpoints(silent, []).not_ready() == UNANSWERED
    silent.close()


async def test_a_worker_lives_while_its_watchdog_runs(loop: asyncio.AbstractEventLoop) -> None:
    assert await endpoints(loop, None).not_live() == ""
    assert await endpoints(loop, [], is_watched=False).not_live() == "the watchdog does not run"


async def test_a_scrape_before_the_first_assignment_has_the_outputs_only(loop: asyncio.AbstractEventLoop) -> None:
    text = (await endpoints(loop, None).metrics()).decode()
    assert 'sop_alerts_published_total{name="decision_flip",state="firing"} 0.0' in text
    assert "sop_steps_total{" not in text


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
