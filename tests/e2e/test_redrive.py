"""Dead letters are listed by cause, shown unchanged, and redriven without deciding anything twice."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import run_sop
from tests.e2e.harness import DECISIONS, Bench, Feed, feed_of
from tests.e2e.stories import Visit
from tests.e2e.verifier import emitted, outcome, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

VISIT = Visit("job-1", "partner-1")
TOO_STRICT = {"SOP_VALUE_BYTES_MAX": 64}


def test_a_record_redriven_twice_is_decided_once(redis_bench: Bench) -> None:
    bench = redis_bench
    lines = [*VISIT.booking, *VISIT.report, *VISIT.claim]
    strict = bench.start_ready(**TOO_STRICT)
    bench.feed(Feed(each.topic, each.key, each.value, (("trace", b"t-1"),)) for each in map(feed_of, lines))
    bench.wait_until_idle()
    assert strict.stop() == 0
    refused = outcome(each.envelope for each in emitted(bench.outputs())).refused
    assert refused.total() > 3  # type: ignore[attr-defined] # a counter
    environment = bench.environment()

    listed = run_sop("dead-letters", "list", env=environment)
    assert listed.returncode == 0, listed.stderr
    assert "value: " in listed.stdout

    planned = run_sop("dead-letters", "redrive", "--cause", "value", env=environment)
    assert planned.returncode == 0, planned.stderr
    assert "0 kept" in planned.stdout
    before = bench.written("jobs", "tickets", "cancellations", "locations")

    bench.start_ready()
    bench.wait_until_idle()
    assert bench.written("jobs", "tickets", "cancellations", "locations") == before, "a dry run sent something"
    for _ in range(2):
        sent = run_sop("dead-letters", "redrive", "--cause", "value", "--send", env=environment)
        assert sent.returncode == 0, sent.stderr
        audit = [json.loads(line) for line in sent.stderr.splitlines()]
        assert {each["redrives"] for each in audit} == {1}
        assert len(audit) == refused.total()  # type: ignore[attr-defined] # a counter
        bench.wait_until_idle()
    messages = emitted(bench.outputs())
    assert violations(messages) == []
    decided = [each for each in messages if each.record.topic in DECISIONS]
    assert decided
    ids = [each.data["decision_id"] for each in decided]
    assert len(ids) == len(set(ids))
    assert outcome(each.envelope for each in messages).refused == refused


def test_a_record_is_redriven_no_more_often_than_allowed(bench: Bench) -> None:
    environment = bench.environment()
    bench.start_ready()
    bench.feed([Feed("jobs", b"job-1", b'{"specversion": "1.0"}')])
    for kept in (0, 0, 1):
        bench.wait_until_idle()
        sent = run_sop("dead-letters", "redrive", "--topic", "jobs", "--send", "--redrives-max", "2", env=environment)
        assert sent.returncode == 0, sent.stderr
        assert f"{kept} kept" in sent.stdout
    bench.wait_until_idle()
    assert len(bench.read("jobs")) == 3
    assert len(bench.read("dead-letters")) == 3


def test_a_refused_record_is_shown_unchanged(bench: Bench) -> None:
    environment = bench.environment()
    bench.start_ready()
    bench.feed([Feed("jobs", b"job-\n1", b"\x1b[2Jnot JSON", (("trace", b"t-1"),))])
    bench.wait_until_idle()
    (place,) = (json.loads(each.value)["data"] for each in bench.read("dead-letters"))
    origin = f"{place['topic']}-{place['partition']}@{place['offset']}"
    shown = run_sop("dead-letters", "show", origin, env=environment)
    assert shown.returncode == 0, shown.stderr
    assert "key:         job-\\n1" in shown.stdout
    assert "header:      trace: t-1" in shown.stdout
    assert "\\x1b[2Jnot JSON" in shown.stdout
    absent = run_sop("dead-letters", "show", f"{origin}9", env=environment)
    assert (absent.returncode, absent.stdout) == (2, "")


def test_a_redrive_needs_a_selection(bench: Bench) -> None:
    result = run_sop("dead-letters", "redrive", "--send", env=bench.environment())
    assert result.returncode == 2
    assert result.stderr.startswith(
        "sop: name the records to send: TOPIC-PARTITION@OFFSET, --topic or --cause (see sop "
    )
