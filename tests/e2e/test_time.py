"""What depends on time or the order of arrival: timers, waiting for an answer, facts in any order."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.policy.model import HOUR, SECOND
from streams.process.clock import SystemClock
from tests.e2e.conftest import replayed
from tests.e2e.harness import DEADLINE_S, Bench, until
from tests.e2e.stories import Visit
from tests.e2e.verifier import Emitted, emitted, outcome, violations
from tests.scenario import rfc3339

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def steps(bench: Bench, code: str) -> list[Emitted]:
    """Return the revisions of an action; a test has only one of its code."""
    return [each for each in emitted(bench.read("actions")) if each.data["code"] == code]


def pafs(messages: list[Emitted], case_id: str) -> list[tuple[str, list[str]]]:
    """Return outcome and reasons of each revision of a case's PAF decision."""
    found = [each.data for each in messages if each.record.topic == "decisions.paf" and each.data["case_id"] == case_id]
    return [(data["outcome"], data["reasons"]) for data in found]


@pytest.mark.parametrize("ended", [None, signal.SIGINT, signal.SIGKILL], ids=["same-worker", "restarted", "killed"])
def test_a_parked_ticket_leads_to_a_call_when_due_without_new_events(
    redis_bench: Bench, ended: signal.Signals | None
) -> None:
    bench = redis_bench
    # Before a kill there is no checkpoint; after a stop only the store knows the deadline.
    bench.settings = {"SOP_CHECKPOINT_INTERVAL_S": "60", "SOP_SESSION_TIMEOUT_S": "2"}
    worker = bench.start_ready()
    due_at = SystemClock().now_us() + (15 if ended else 6) * SECOND
    visit = Visit("job-1", "p-1", ticket_at=due_at - 3 * HOUR)
    bench.feed_lines([*visit.booking, *visit.report, *visit.ticket])
    until(lambda: len(steps(bench, "park_ticket")) == 1, lambda: worker.log)
    if ended:
        assert worker.stop(ended) == (-signal.SIGKILL if ended == signal.SIGKILL else 0)
        assert steps(bench, "call_partner") == []
        worker = bench.start_ready()
    until(lambda: steps(bench, "call_partner") != [], lambda: worker.log)
    (called,) = steps(bench, "call_partner")
    assert called.data["state"] == "open"
    assert called.data["due_at"] == called.envelope["time"] == rfc3339(due_at)
    assert called.record.timestamp_ms >= due_at // 1000, "emitted too early"
    assert [each.data["state"] for each in steps(bench, "park_ticket")] == ["open", "done"]
    assert violations(emitted(bench.outputs())) == []
    assert worker.stop() == 0


def test_a_decision_waits_for_an_answer_and_a_late_answer_revises_it(bench: Bench, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('label = "hasty"\n[presence]\nreading_wait = "3 s"\n', encoding="utf-8")
    worker = bench.start_ready(SOP_POLICIES=policy)
    visit = Visit("job-1", "p-1")
    bench.feed_lines([*visit.booking, *visit.report])
    bench.wait_until_idle()
    with OpenTransaction(bench):
        bench.feed_lines(visit.claim)
        until(lambda: bench.read("decisions.paf") != [], lambda: worker.log)
        messages = emitted(bench.read("decisions.paf"))
        assert pafs(messages, "job-1") == [("under_review", ["presence_unknown"])]
    last_fact = max(record.timestamp_ms for record in bench.read("tickets", "cancellations"))
    (paf,) = (each for each in messages if each.type == "decision.paf")
    assert paf.record.timestamp_ms >= last_fact + 3000
    bench.wait_until_idle()
    messages = emitted(bench.outputs())
    assert pafs(messages, "job-1") == [("under_review", ["presence_unknown"]), ("waived", [])]
    assert violations(messages) == []


class OpenTransaction:
    """An open transaction on the topic of presence queries, which blocks the location agents."""

    def __init__(self, bench: Bench) -> None:
        self._producer = Producer(
            {"bootstrap.servers": bench.brokers, "transactional.id": f"{bench.prefix}other", "log_level": 0}
        )
        self._topic, self._partitions = f"{bench.prefix}internal.partners", bench.partitions

    def __enter__(self) -> None:
        self._producer.init_transactions(DEADLINE_S)
        self._producer.begin_transaction()
        for partition in range(self._partitions):
            self._producer.produce(self._topic, b"never committed", partition=partition)
        assert self._producer.flush(DEADLINE_S) == 0

    def __exit__(self, *_: object) -> None:
        self._producer.abort_transaction(DEADLINE_S)


def test_booking_claim_and_report_may_arrive_in_any_order(bench: Bench, tmp_path: Path) -> None:
    bench.start_ready()
    orders = list(itertools.permutations(["booking", "claim", "report"]))
    visits = {Visit(f"job-{number}", f"partner-{number}"): order for number, order in enumerate(orders, 1)}
    file = tmp_path / "events.jsonl"
    with file.open("wb") as events:
        for wave in range(3):
            lines = [line for visit, order in visits.items() for line in getattr(visit, order[wave])]
            events.writelines(line + b"\n" for line in lines)
            bench.feed_lines(lines)
            bench.wait_until_idle()
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    assert outcome(each.envelope for each in messages) == replayed(file, tmp_path / "replayed.jsonl")
    met = {record.key: record.partition for record in bench.read("jobs", "locations")}
    assert any(met[visit.case_id.encode()] != met[visit.partner_id.encode()] for visit in visits)
    for visit, order in visits.items():
        revisions = pafs(messages, visit.case_id)
        assert revisions[-1] == ("waived", [])
        if order[-1] != "report":  # presence was known
            assert ("under_review", ["presence_unknown"]) not in revisions
