"""The processes of docker-compose.yml, with its settings and files but without containers, work together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import psycopg
import pytest
from confluent_kafka import Consumer, Producer

from schemas.policy.model import MINUTE
from schemas.timestamps import format_instant
from streams.embedded_kafka.free_ports import HOST
from streams.process.clock import SystemClock
from tests.e2e.compose import SERVICES, Stack, answers, running, until
from tests.inbound import DATA
from tests.tools import TOP

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

NOT_HERE = {"grafana"}
"""No package of it can be had; its dashboard's queries run in Prometheus below."""
PARTNER = "partner-of-the-test"
ENVELOPE = {"specversion": "1.0", "source": "/test", "type": "location.reported", "subject": PARTNER}
VARIABLES = {"$__rate_interval": "1m", "$__range": "10m", "$instance": ".*"}
MAY_BE_EMPTY = re.compile(r"^sop:|alerts_published")
"""What needs more minutes than a test, or a certain alert."""


def test_the_processes_of_the_stack_work_together(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        for service in in_order():
            stack.start(service)
        until(lambda: stack.processes["demo"].poll() is not None, lambda: stack.log("demo"))
        assert stack.processes.pop("demo").returncode == 0, stack.log("demo")
        assert set(SERVICES) - set(stack.processes) == NOT_HERE | {"kafka", "postgres", "demo"}
        decisions_come_out(stack)
        the_console_has_them_in_postgresql(stack)
        the_console_shows_how_the_workers_do(stack)
        prometheus_scrapes_all_targets_and_has_the_rules(stack)
        an_alert_reaches_alertmanager(stack)
        every_query_of_the_dashboard_has_an_answer(stack)
        a_worker_that_goes_leaves_the_rest_working(stack)


def in_order() -> list[str]:
    """Return the services that can be started here, each after those that it depends on."""
    ordered: list[str] = ["kafka"]
    wanted = [name for name in SERVICES if name not in {*ordered, *NOT_HERE}]
    while wanted:
        ready = [name for name in wanted if set(SERVICES[name].get("depends_on", {})) <= {*ordered, *NOT_HERE}]
        assert ready, f"in a circle: {wanted}"
        ordered += ready
        wanted = [name for name in wanted if name not in ready]
    return ordered[1:]


def get(stack: Stack, service: str, port: int, path: str, **parameters: str) -> Any:
    """Return the JSON that a service answers."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    with urlopen(f"http://{HOST}:{stack.port(service, port)}{path}{query}", timeout=30) as answer:
        return json.load(answer)


def query(stack: Stack, expression: str) -> list[Any]:
    """Return the result of an expression in Prometheus."""
    answer = get(stack, "prometheus", 9090, "/api/v1/query", query=expression)
    assert answer["status"] == "success"
    return list(answer["data"]["result"])


def decisions_come_out(stack: Stack) -> None:
    reader = Consumer(
        {
            "bootstrap.servers": f"{HOST}:{stack.port('kafka', 19092)}",
            "group.id": "test",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    reader.subscribe(["decisions.tagging"])
    try:
        message = reader.poll(60)
    finally:
        reader.close()
    assert message is not None
    assert json.loads(message.value() or b"")["type"] == "decision.tagging"


def the_console_has_them_in_postgresql(stack: Stack) -> None:
    with psycopg.connect(stack.database_url("sop"), autocommit=True) as database:

        def count() -> int:
            row = database.execute("SELECT count(*) FROM sop_console.decisions").fetchone()
            assert row is not None
            return int(row[0])

        until(lambda: count() > 0, lambda: stack.log("console"))
    address = f"http://{HOST}:{stack.port('console', 8765)}"
    assert answers(f"{address}/readyz")
    assert answers(f"{address}/cases"), "on loopback, unlike in a container, anybody may read"


def the_console_shows_how_the_workers_do(stack: Stack) -> None:
    def page() -> str:
        with urlopen(f"http://{HOST}:{stack.port('console', 8765)}/health", timeout=30) as answer:
            return str(answer.read().decode())

    until(lambda: page().count(">answers<") == 2, page)
    assert all(str(stack.port(worker, 9100)) in page() for worker in ("worker-1", "worker-2"))


def prometheus_scrapes_all_targets_and_has_the_rules(stack: Stack) -> None:
    configured = {"worker-1", "worker-2", "alert-forwarder", "archive"}
    until(
        lambda: [sample["value"][1] for sample in query(stack, "up")] == ["1"] * len(configured),
        lambda: get(stack, "prometheus", 9090, "/api/v1/targets"),
    )
    groups = get(stack, "prometheus", 9090, "/api/v1/rules")["data"]["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(len(group["rules"]) for group in groups) >= 20
    (alertmanager,) = get(stack, "prometheus", 9090, "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert str(stack.port("alertmanager", 9093)) in alertmanager["url"]


def an_alert_reaches_alertmanager(stack: Stack) -> None:
    """The demo's alerts may be over, so a partner travels from Pune to Delhi in a minute, just now."""
    producer = Producer({"bootstrap.servers": f"{HOST}:{stack.port('kafka', 19092)}"})
    now = SystemClock().now_us()
    for at, (lat, lon) in enumerate([(18.52, 73.85), (28.61, 77.21)]):
        data = {**DATA["location.reported"], "lat": lat, "lon": lon}
        event = {**ENVELOPE, "id": str(at), "time": format_instant(now + (at - 1) * MINUTE), "data": data}
        producer.produce("locations", json.dumps(event), PARTNER)
    assert producer.flush(30) == 0

    def found() -> list[Any]:
        given = get(stack, "alertmanager", 9093, "/api/v2/alerts")
        return [each["labels"] for each in given if each["labels"].get("partner_id") == PARTNER]

    until(lambda: bool(found()), lambda: stack.log("alert-forwarder"))
    assert [(labels["alertname"], labels["severity"]) for labels in found()] == [("impossible_travel", "warning")]


def every_query_of_the_dashboard_has_an_answer(stack: Stack) -> None:
    panels = json.loads((TOP / "deploy/grafana/sop-streams.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    until(lambda: bool(query(stack, "rate(sop_event_to_decision_seconds_count[1m])")), lambda: stack.log("prometheus"))
    assert len(expressions) > 30
    for expression in expressions:
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)  # noqa: PLW2901 - step by step
        assert query(stack, expression) or MAY_BE_EMPTY.search(expression), expression


def a_worker_that_goes_leaves_the_rest_working(stack: Stack) -> None:
    assert stack.stop("worker-2") == 0
    ready = f"http://{HOST}:{stack.port('worker-1', 9100)}/readyz"
    until(lambda: answers(ready) and len(query(stack, "count by (partition) (sop_steps_total)")) == 8, str)
    until(
        lambda: any(each["labels"]["alertname"] == "SopWorkerDown" for each in alerts(stack)),
        lambda: alerts(stack),
        within_s=120,
    )
    assert "\n".join(stack.log(name) for name in ("worker-1", "alert-forwarder")).count("Traceback") == 0


def alerts(stack: Stack) -> list[Any]:
    """Return the alerts of Prometheus that are pending or fire."""
    return list(get(stack, "prometheus", 9090, "/api/v1/alerts")["data"]["alerts"])
