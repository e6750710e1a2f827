"""What a real broker's compaction leaves of `decisions.latest` is the last revision of every decision."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported all the same
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from tests.e2e.conftest import Day
from tests.e2e.harness import DECISIONS, LATEST, Bench, until
from tests.e2e.test_crashes import parts
from tests.e2e.verifier import emitted, outcome, violations

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SOON = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000"}


def compact_soon(bench: Bench) -> None:
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in SOON.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, bench.prefix + LATEST, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result()


def test_the_compacted_topic_has_the_state_of_all_chains(redis_bench: Bench, short_day: Day) -> None:
    bench = redis_bench
    worker = bench.start_ready()
    compact_soon(bench)
    for part in parts(short_day.lines, 4):
        bench.feed_lines(part)
        bench.wait_until_idle()
    revisions = len(bench.read(*DECISIONS))
    until(lambda: len(bench.read(LATEST)) < revisions, lambda: f"{len(bench.read(LATEST))} of {revisions} are left")
    assert worker.stop() == 0
    assert violations(emitted(bench.outputs())) == []
    compacted = outcome(each.envelope for each in emitted(bench.read(LATEST)))
    assert compacted.decisions == short_day.replayed.decisions
