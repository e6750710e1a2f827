"""Each planted anomaly is reported once by live workers, however often they are killed, and no decoy is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from agents.sops import catalogue
from schemas.outputs import AlertBody, AlertMessage
from schemas.policy.model import HOUR
from streams.process.clock import SystemClock
from tests.e2e.conftest import Day
from tests.e2e.harness import Bench, Worker, until
from tests.e2e.test_crashes import parts
from tests.e2e.verifier import emitted, violations
from tests.planted import EXPECTED, is_planted, named, planted_lines, without_flip

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
KILLS = 4


def reported(bench: Bench) -> list[AlertBody]:
    """Return the moments that were reported, as often as they were, and the conditions that fire at the end.

    On the way others fire, as topics are read side by side: a decision about a past event is overdue until what settles
    it arrives, and a claim is nobody's until the assignment arrives, which takes the decision about nobody back.
    """
    messages = [catalogue.decode_message(record.value) for record in bench.read("alerts")]
    alerts = [each for each in messages if isinstance(each, AlertMessage) and is_planted(each.body.labels)]
    moments = [each.body for each in alerts if each.body.state == "firing" and each.body.ends_at is not None]
    moments = [each for each in moments if each.name != "decision_flip" or "partner_id" in each.labels]
    last = {each.alert_id: each.body for each in alerts}
    return moments + [each for each in last.values() if each.state == "firing" and each.ends_at is None]


def has_written_more(bench: Bench, written: int) -> bool:
    return bench.written("alerts") > written


def killed_while_alerting(bench: Bench, worker: Worker, lines: Sequence[bytes]) -> Worker:
    """Feed lines, kill the worker once it has published an alert, and return the next one."""
    written = bench.written("alerts")
    bench.feed_lines(lines)
    until(partial(has_written_more, bench, written), bench.lag)
    worker.kill()
    return bench.start_ready()


def test_each_planted_anomaly_is_reported_once_across_kills(redis_bench: Bench, short_day: Day) -> None:
    bench = redis_bench
    bench.settings = {"SOP_SESSION_TIMEOUT_S": "3", "SOP_CACHED_CASES_MAX": "5"}
    # stuck since 48 h, not forgotten after 72 h
    lines, flip = without_flip(planted_lines(SystemClock().now_us() - 60 * HOUR))
    worker = bench.start_ready()
    for others, part in zip(parts(short_day.lines, KILLS), parts(lines, KILLS), strict=True):
        worker = killed_while_alerting(bench, worker, [*others, *part])
    bench.wait_until_idle()
    worker = killed_while_alerting(bench, worker, [flip])
    bench.wait_until_idle()
    assert sorted(named(each) for each in reported(bench)) == EXPECTED
    assert violations(emitted(bench.outputs())) == []
    assert worker.stop() == 0
