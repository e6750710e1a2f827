"""A decision too large for its topic: its case is quarantined after a restart, until the topic accepts it."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported all the same
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas.policy.model import MINUTE
from tests.e2e.conftest import run_sop
from tests.e2e.harness import Bench, until
from tests.e2e.stories import LONG_AGO, Visit
from tests.e2e.verifier import emitted, violations
from tests.scenario import line

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EXIT_FATAL = 70
LINE_ITEMS = 700
LONG_SOURCE = "/billing/" + "s" * 1_900
SIZES = {"smallest accepted": 1_000_000, "worker's default": 8_388_608}


def paid_offline(case_id: str, line_items: int) -> list[bytes]:
    """Return a job that was paid in part outside of the platform; its refund cites each line item."""
    ticket, partner, phone = {"ticket_id": f"of-{case_id}"}, f"partner-of-{case_id}", "+919810012345"
    proof = {
        "claimed_partner_id": partner,
        "method": "upi",
        "proof_url": "https://media.example/proof.jpg",
        "legible": True,
        "payee_phone": phone,
        "amount": {"amount": "500.00", "currency": "INR"},
        "paid_on": "2025-01-06",
        "service_date": "2025-01-06",
    }
    opened = {"kind": "offline_service", "opened_by": "customer", "refund_requested": True}
    events: list[tuple[str, dict[str, Any], str]] = [
        ("ticket.created", ticket | opened, "/s"),
        ("ticket.partner_identified", ticket | {"partner_id": partner, "phone": phone}, "/s"),
        ("ticket.payment_proof_added", ticket | proof, "/s"),
    ]
    for number in range(line_items):
        item = {"line_id": f"l-{number}", "amount": {"amount": "0.10", "currency": "INR"}}
        events.append(("job.line_item_added", item, LONG_SOURCE))
    facts = [
        line(kind, case_id, LONG_AGO + number, f"{case_id}-{number}", data, source)
        for number, (kind, data, source) in enumerate(events)
    ]
    return [*Visit(case_id, partner, LONG_AGO - MINUTE).booking, *facts]


def set_record_size_max(bench: Bench, topic: str, size: int) -> None:
    """Set the largest record size that a topic accepts."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, bench.prefix + topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result()


def refunds(bench: Bench) -> dict[str, str]:
    """Return the last outcome of each case's refund."""
    return {each.data["case_id"]: each.data["outcome"] for each in emitted(bench.read("decisions.refund"))}


def test_a_case_whose_decision_its_topic_refuses_is_quarantined_until_it_accepts_it(redis_bench: Bench) -> None:
    bench = redis_bench
    assert bench.start_ready().stop() == 0  # makes the topics
    set_record_size_max(bench, "decisions.refund", SIZES["smallest accepted"])
    first = bench.start_ready()
    assert (
        f"decisions.refund: max.message.bytes is {SIZES['smallest accepted']}, it should be at least 8388608"
        in first.log
    )
    bench.feed_lines(paid_offline("job-large", LINE_ITEMS))
    until(lambda: first.process.poll() is not None, lambda: first.log)
    assert first.process.wait() == EXIT_FATAL
    reason = f"{bench.prefix}decisions.refund accepts no record of "
    last_line = first.log.splitlines()[-1]
    assert f"case:job-large: {reason}" in last_line, last_line
    bench.workers.remove(first)
    second = bench.start_ready()
    bench.feed_lines(paid_offline("job-small", 1))
    until(lambda: refunds(bench).get("job-small") == "eligible_partial", lambda: second.log)
    result = run_sop("status", env=bench.environment())
    (quarantine,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert quarantine.startswith(f"sop: case:job-large is quarantined: internal: {reason}")
    assert second.stop() == 0
    assert bench.read("dead-letters") == []
    set_record_size_max(bench, "decisions.refund", SIZES["worker's default"])
    third = bench.start_ready()
    until(lambda: refunds(bench).get("job-large") == "eligible_partial", lambda: third.log)
    bench.wait_until_idle()
    (last,) = (each for each in emitted(bench.read("decisions.refund"))[-1:])
    assert len(last.data["evidence"]) > LINE_ITEMS
    assert violations(emitted(bench.outputs())) == []
    assert run_sop("status", env=bench.environment()).returncode == 0


def test_a_topic_that_accepts_too_little_stops_a_worker_at_its_start(bench: Bench) -> None:
    assert bench.start_ready().stop() == 0  # makes the topics
    set_record_size_max(bench, "decisions.refund", SIZES["smallest accepted"] - 1)
    worker = bench.start()
    until(lambda: worker.process.poll() is not None, lambda: worker.log)
    assert worker.process.wait() == 2
    assert worker.log.splitlines()[-1].endswith(
        f"{bench.prefix}decisions.refund: max.message.bytes is 999999, "
        "it should be at least 1000000: it must hold what a worker writes"
    )
