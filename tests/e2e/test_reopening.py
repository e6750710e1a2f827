"""A late fact for a departed case is decided after all: the case comes back from a sealed archive."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from redis import Redis

from agents.sops import catalogue
from streams.config.settings import settings_from
from streams.kafka.connection import connect_kafka
from streams.operations import reopening
from streams.processor.state_cache import DEPARTED
from streams.runtime.ports import Place
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, until
from tests.e2e.verifier import emitted
from tests.unit.test_reopening import LATE, SETTLED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


class Desk:
    """A bench with a sealed archive, and what an operator sees of its only case."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.archive, self.certificate = bench, folder / "archive", folder / "certificate.json"
        master, signer = folder / "master", folder / "signer"
        assert run_sop("audit", "master-key", "--out", master).returncode == 0
        assert run_sop("audit", "keygen", "example.com/log", "--out", signer).returncode == 0
        self.environment = bench.environment(
            SOP_AUDIT_KEY_FILE=signer, SOP_AUDIT_MASTER_KEY_FILE=master, SOP_AUDIT_PERSON_KEYS=folder / "people.sqlite"
        )

    def sop(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return run_sop(*words, env=self.environment)

    def dead_letters(self) -> int:
        return len(self.bench.read("dead-letters"))

    def decisions(self) -> list[dict[str, object]]:
        return [each.data for each in emitted(self.bench.outputs()) if "decision_id" in each.data]

    def has_departed(self) -> bool:
        with Redis.from_url(self.bench.redis_url) as redis:
            keys = list(redis.scan_iter(f"*{self.bench.prefix}*:case:job-1"))
            return [bytes(redis.get(key) or b"")[:1] for key in keys] == [DEPARTED]


def test_a_departed_case_is_reopened_from_the_archive_and_corrected(redis_bench: Bench, tmp_path: Path) -> None:
    bench, desk = redis_bench, Desk(redis_bench, tmp_path)
    worker = bench.start_ready(SOP_CASE_RETENTION="2 s")
    bench.feed_lines(SETTLED.lines())
    until(desk.has_departed, lambda: worker.log)
    bench.feed_lines([LATE])
    until(lambda: desk.dead_letters() == 1, lambda: worker.log)
    assert worker.stop() == 0
    decided = desk.decisions()
    before = {each["decision_key"]: each for each in decided}
    assert before
    successor = bench.start_ready(SOP_CASE_RETENTION="1 d")
    assert desk.sop("archive", desk.archive, "--once").returncode == 0

    redrive = ("dead-letters", "redrive", "--cause", "subject")
    kept = desk.sop(*redrive)
    assert "case job-1 has left the state, and only an archive brings it back" in kept.stdout
    assert "0 records to be sent again, 1 kept" in kept.stdout
    planned = desk.sop(*redrive, "--archive", desk.archive)
    assert planned.returncode == 0, planned.stderr
    assert f"would reopen case job-1: {len(SETTLED.lines())} facts, {len(before)} decisions" in planned.stdout
    assert desk.has_departed()

    sent = desk.sop(*redrive, "--archive", desk.archive, "--send")
    assert sent.returncode == 0, sent.stderr
    reopened, redriven = map(json.loads, sent.stderr.splitlines())
    assert (reopened["reopened"], redriven["cause"]) == ("job-1", "subject")
    bench.wait_until_idle()
    corrected = [each for each in desk.decisions() if each not in decided]
    assert corrected, successor.log
    for each in corrected:
        old = before[each["decision_key"]]
        assert (each["supersedes"], each["revision"]) == (old["decision_id"], int(str(old["revision"])) + 1)
    assert desk.dead_letters() == 1

    assert desk.sop("archive", desk.archive, "--once").returncode == 0
    certified = desk.sop("audit", "replay", desk.archive, "--out", desk.certificate)
    assert certified.returncode == 0, certified.stdout + certified.stderr


def test_facts_are_not_sent_before_a_worker_has_read_of_their_case(
    redis_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = redis_bench
    bench.start_ready()
    bench.feed_lines(SETTLED.lines())
    bench.wait_until_idle()
    settings = settings_from(bench.environment())
    topics = catalogue.topics(bench.prefix)
    partition = bench.read("decisions.paf")[0].partition
    monkeypatch.setattr(reopening, "READ_WITHIN_S", 2.0)

    def unread(offset: int) -> set[str]:
        place = Place(topics.cases, partition, offset)
        return asyncio.run(reopening.unread(connect_kafka(settings), topics, {"job-1": place}))

    assert unread(0) == set()
    assert unread(10_000) == {"job-1"}
