"""Faust settings that would lose or repeat records, or open a port, are refused or have no effect."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from streams.faust_transport.app import _FIXED_SETTINGS, BatchApp, batch_agent, batch_topic, register_transport
from streams.faust_transport.batch import Batch
from tests.faults.conftest import Report
from tests.unit.test_faust_transport import FakeOffsetProvider

UNSAFE: dict[str, object] = {
    "autodiscover": True,
    "processing_guarantee": "exactly_once",
    "producer_threaded": True,
    "stream_wait_empty": True,
    "topic_allow_declare": True,
    "topic_disable_leader": False,
    "web_enabled": True,
}
VARIABLES = {
    "PROCESSING_GUARANTEE": "exactly_once",
    "PRODUCER_THREADED": "1",
    "STREAM_WAIT_EMPTY": "1",
    "TOPIC_ALLOW_DECLARE": "1",
    "TOPIC_DISABLE_LEADER": "0",
    "APP_WEB_ENABLED": "1",
}
"""The environment variables of these settings, which Faust reads by itself."""


def ignore(_: Batch) -> None: ...


def app(**settings: Any) -> BatchApp:
    register_transport()
    return BatchApp("group", broker="kafkabatch://127.0.0.1:1", offset_provider=FakeOffsetProvider(), **settings)


def agent(**options: Any) -> object:
    made = app()
    return batch_agent(made, batch_topic(made, "a"), ignore, name="a", **options)


ATTEMPTS: dict[str, Callable[[], object]] = {
    **{f"{name}={value}": partial(app, **{name: value}) for name, value in UNSAFE.items()},
    "concurrency=2": partial(agent, concurrency=2),
    "sink=": partial(agent, sink=[]),
    "a table": lambda: app().Table("counts"),
}


def is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (TypeError, ValueError):
        return True
    return False


def test_unsafe_configurations_are_refused(report: Report) -> None:
    assert UNSAFE.keys() == _FIXED_SETTINGS.keys()
    assert not is_refused(agent)
    accepted = [name for name, attempt in ATTEMPTS.items() if not is_refused(attempt)]
    report.write("F4 unsafe configurations of Faust", len(ATTEMPTS), 0, {}, {"refused": len(ATTEMPTS) - len(accepted)})
    assert accepted == []


def test_the_environment_cannot_make_a_worker_unsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    conf: Any = app().conf
    assert {name: getattr(conf, name) for name in ("producer_threaded", "stream_wait_empty", "web_enabled")} == {
        "producer_threaded": False,
        "stream_wait_empty": False,
        "web_enabled": False,
    }
    assert (conf.topic_allow_declare, conf.topic_disable_leader) == (False, True)
    assert conf.processing_guarantee.value == "at_least_once"
