"""The follower over a real Kafka: it waits for a database that fails, and says why it cannot go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from schemas.errors import Fatal, UsageError
from streams.config.settings import Settings
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.free_ports import free_port
from streams.runtime.ports import TP
from surfaces.read_model import follower as follower_module
from surfaces.read_model.follower import Follower
from surfaces.read_model.views import CaseFilter
from tests.e2e.harness import until
from tests.postgres_server import PostgresServer
from tests.read_models import RECORDS, Expected
from tests.sinks import KafkaTopics

DECIDED = [each for each in RECORDS if each.tp.topic == "decisions.paf"]


class Failures:
    """Takes what a follower says when it cannot go on."""

    def __init__(self) -> None:
        self.found: list[Fatal] = []
        self.came = threading.Event()

    def __call__(self, failure: Fatal) -> None:
        self.found.append(failure)
        self.came.set()


def shows(follower: Follower, count: int) -> Callable[[], bool]:
    return lambda: sum(each.records for each in follower.model.positions()) == count


def test_a_database_that_fails_is_waited_for(
    kafka: EmbeddedKafka,
    prefix: str,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(follower_module, "RETRY_S", 0.1)
    topics, topic, failures = KafkaTopics(kafka.address, prefix), f"{prefix}decisions.paf", Failures()
    topics.create(topic, 1)
    address, half = postgres.new_database(), len(DECIDED) // 2
    values = [each.value or b"" for each in DECIDED]
    settings = Settings(brokers=kafka.address, topic_prefix=prefix, database_url=address)
    with Follower(settings, failures) as follower:
        topics.append(TP(topic, 0), *values[:half])
        until(shows(follower, half))
        with psycopg.connect(address) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        topics.append(TP(topic, 0), *values[half:])
        until(shows(follower, len(values)), lambda: failures.found)
        assert {each.case_id for each in follower.model.cases(CaseFilter()).cases} == {
            each.body.case_id for each in Expected(DECIDED).revisions
        }
        with pytest.raises(UsageError, match="another process has it"), Follower(settings, failures):
            pass
    assert failures.found == []
    lines = [each for each in caplog.messages if each.startswith("read model: ")]
    assert len(lines) == 1
    assert lines[0].endswith("trying again")


def test_brokers_that_nobody_can_reach_are_waited_for(tmp_path: Path) -> None:
    failures, brokers = Failures(), f"127.0.0.1:{free_port()}"
    with Follower(Settings(brokers=brokers, data_dir=str(tmp_path)), failures) as follower:
        until(lambda: brokers in follower.failure)
        assert not follower.has_caught_up
    assert failures.found == []
