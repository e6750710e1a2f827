"""The console's read model beside a real worker: whatever kills the process that fills it, it has what topics hold."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agents.sops import catalogue
from schemas.errors import Fatal, Unavailable
from schemas.topics import Topics
from streams.config.settings import Settings, settings_from
from streams.runtime.ports import TP
from surfaces.read_model.database import open_database
from surfaces.read_model.follower import Follower
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.views import CaseFilter
from surfaces.sink.ports import Record
from tests.e2e.conftest import Day
from tests.e2e.harness import OUTPUTS, Bench, until
from tests.e2e.test_crashes import parts
from tests.postgres_server import PostgresServer
from tests.read_models import Expected, all_cases, answers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

KILLS = 6


class Process:
    """A process that fills the read model."""

    def __init__(self, bench: Bench, settings: dict[str, str], *options: str) -> None:
        command = [sys.executable, "-m", "tests.read_model_process", *options]
        self.log_file = bench.folder / "read-model.log"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, env=bench.environment(**settings), stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def written(model: SqlReadModel) -> int:
    """Return how many records a read model has, 0 as long as it has no tables."""
    try:
        return sum(each.records for each in model.positions())
    except Unavailable:
        return 0


def records_of(bench: Bench, topics: Topics) -> list[Record]:
    """Return all records that the read model reads, progress aside."""
    names = [name.removeprefix(bench.prefix) for name in topics.inputs]
    found = bench.read(*names, *(name for name in OUTPUTS if bench.prefix + name != topics.latest))
    return [
        Record(
            TP(bench.prefix + each.topic, each.partition), "", each.offset, each.timestamp_ms, each.key, each.value, []
        )
        for each in found
    ]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_read_model_whose_process_is_killed_again_and_again_has_what_the_topics_hold(
    bench: Bench, short_day: Day, postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    data = {"SOP_DATA_DIR": str(tmp_path / "data")}
    if database == "postgresql":
        data["SOP_DATABASE_URL"] = postgres.new_database()
    settings = settings_from({"SOP_TOPIC_PREFIX": bench.prefix, **data})
    topics = catalogue.topics(bench.prefix)
    Path(settings.data_dir).mkdir()
    opened = open_database(settings)
    model = SqlReadModel(opened)
    worker = bench.start_ready()
    for part in parts(short_day.lines, KILLS):
        process, before = Process(bench, data), written(model)
        bench.feed_lines(part)
        until(lambda: written(model) > before, process.log_file.read_text)  # noqa: B023 - called here
        process.kill()
    bench.wait_until_idle()
    assert worker.stop() == 0
    last = Process(bench, data, "--until-end")
    assert last.process.wait(60) == 0, last.log_file.read_text()
    records = records_of(bench, topics)
    expected = Expected(records, topics)
    shown = {each.case_id: each for each in all_cases(model, CaseFilter(), 50)}
    assert {each.case_id: each.latest_at for each in shown.values()} == expected.latest_at
    for case_id in expected.latest_at:
        case = model.case(case_id)
        assert case is not None
        for kind, found in (("decision", case.decisions), ("action", case.actions), ("alert", case.alerts)):
            places = [each.record.place.name for each in found]
            assert Counter(places) == Counter(expected.places(kind, case_id))
        assert Counter(each.place.name for each in case.facts) == Counter(expected.places("fact", case_id))
        assert {each.decision_id for each in shown[case_id].decisions} == {
            each.decision_id for each in expected.decisions.values() if each.body.case_id == case_id
        }
    counted = {each.tp: each.records for each in model.positions() if each.tp.topic != topics.progress and each.records}
    assert counted == expected.records
    overview = model.overview(records[-1].timestamp * 1000, hours=1_000_000)
    assert {(each.hour, each.kind, each.name, each.outcome): each.count for each in overview.hours} == expected.hours
    assert all(each.is_accounted_for for each in overview.progress)
    consumed = sum(each.consumed for each in overview.progress if each.tp.topic in topics.inputs)
    assert consumed == sum(count for tp, count in expected.records.items() if tp.topic in topics.inputs)
    straight = one_go(bench, settings_from(bench.environment(SOP_DATA_DIR=str(tmp_path / "straight")) | {}))
    assert straight == answers(model)
    opened.close()


def one_go(bench: Bench, settings: Settings) -> list[object]:
    """Return the answers of a read model that was filled without an interruption, in this process."""
    failures: list[Fatal] = []
    with Follower(settings, failures.append) as follower:
        until(lambda: follower.has_caught_up or bool(failures), lambda: failures)
        assert failures == []
        return answers(follower.model)
