"""A decision larger than its topic takes: its case is set aside after one restart, until the topic takes more."""

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
from tests.e2e.verifier import faults, said
from tests.scenario import line

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EXIT_FATAL = 70
LINE_ITEMS = 700
LONG_SOURCE = "/billing/" + "s" * 1_900
SIZES = {"as little as is accepted": 1_000_000, "what a worker makes": 8_388_608}


def paid_offline(case_id: str, line_items: int) -> list[bytes]:
    """Return a booked job that was paid for in part outside of the platform; a refund rests on each line item."""
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
    told: list[tuple[str, dict[str, Any], str]] = [
        ("ticket.created", ticket | opened, "/s"),
        ("ticket.partner_identified", ticket | {"partner_id": partner, "phone": phone}, "/s"),
        ("ticket.payment_proof_added", ticket | proof, "/s"),
    ]
    for number in range(line_items):
        item = {"line_id": f"l-{number}", "amount": {"amount": "0.10", "currency": "INR"}}
        told.append(("job.line_item_added", item, LONG_SOURCE))
    facts = [
        line(kind, case_id, LONG_AGO + number, f"{case_id}-{number}", data, source)
        for number, (kind, data, source) in enumerate(told)
    ]
    return [*Visit(case_id, partner, LONG_AGO - MINUTE).booking, *facts]


def let(bench: Bench, topic: str, size: int) -> None:
    """Have a topic take records up to a size."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, bench.prefix + topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result()


def refunds(bench: Bench) -> dict[str, str]:
    """Return the last outcome of each case's refund."""
    return {each.data["case_id"]: each.data["outcome"] for each in said(bench.read("decisions.refund"))}


def test_a_case_whose_decision_its_topic_does_not_take_is_set_aside_until_it_does(redis_bench: Bench) -> None:
    bench = redis_bench
    assert bench.start_ready().stop() == 0  # makes the topics
    let(bench, "decisions.refund", SIZES["as little as is accepted"])
    first = bench.start_ready()
    assert "decisions.refund: max.message.bytes is less than 8388608" in first.log
    bench.feed_lines(paid_offline("job-large", LINE_ITEMS))
    until(lambda: first.process.poll() is not None, lambda: first.log)
    assert first.process.wait() == EXIT_FATAL
    reason = f"{bench.prefix}decisions.refund accepts no record of "
    assert f"case:job-large: {reason}" in first.log.splitlines()[-1]
    bench.workers.remove(first)
    second = bench.start_ready()
    bench.feed_lines(paid_offline("job-small", 1))
    until(lambda: refunds(bench).get("job-small") == "eligible_partial", lambda: second.log)
    told = run_sop("status", env=bench.environment())
    (quarantine,) = told.stderr.splitlines()
    assert told.returncode == 1
    assert quarantine.startswith(f"sop: case:job-large is quarantined: internal: {reason}")
    assert second.stop() == 0
    assert bench.read("dead-letters") == []
    let(bench, "decisions.refund", SIZES["what a worker makes"])
    third = bench.start_ready()
    until(lambda: refunds(bench).get("job-large") == "eligible_partial", lambda: third.log)
    bench.wait_until_idle()
    (last,) = (each for each in said(bench.read("decisions.refund"))[-1:])
    assert len(last.data["evidence"]) > LINE_ITEMS
    assert faults(said(bench.outputs())) == []
    assert run_sop("status", env=bench.environment()).returncode == 0


def test_a_topic_that_takes_too_little_is_told_at_the_start(bench: Bench) -> None:
    assert bench.start_ready().stop() == 0  # makes the topics
    let(bench, "decisions.refund", SIZES["as little as is accepted"] - 1)
    worker = bench.start()
    until(lambda: worker.process.poll() is not None, lambda: worker.log)
    assert worker.process.wait() == 2
    assert worker.log.splitlines()[-1].endswith(
        f"{bench.prefix}decisions.refund: max.message.bytes is 999999, "
        "it must be at least 1000000 to hold what a worker writes"
    )
