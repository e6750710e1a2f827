"""Brokers stop, crash, restart or reject records; once they recover, every output is emitted exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported all the same
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from streams.simulator.rng import Rng
from tests.brokers import Cluster, FaultyKafka
from tests.faults.conftest import KnownStream, Report
from tests.faults.disk import full_disk
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder
from tests.faults.supervision import FaultBench

COUNTS = scale()
IDLE_WITHIN_S = 150.0
BOUNCES = 5
GIVES_UP_S = 6

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + (COUNTS.bounces + 1) * (60 + COUNTS.silence_s))]


def feed_with_faults(bench: FaultBench, known: KnownStream, faults: Sequence[Callable[[], object]]) -> None:
    """Feed a part of the stream before each fault and after the last; each fault happens under load."""
    for _ in range(2):
        bench.add_worker()
    bench.wait_until_ready()
    share = known.stream.events // (len(faults) + 1)
    with Feeder(bench, known.stream) as feeder:
        for inject in faults:
            feeder.allow(share * 3 // 4)
            bench.wait_for_progress(10)
            feeder.allow(share // 4)
            inject()
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyKafka]:
    """Yield one broker with an authorizer that allows everything without an ACL."""
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with FaultyKafka(tmp_path_factory.mktemp("broker"), properties) as started:
        yield started


def test_the_only_broker_stops_and_restarts(
    make_bench: Callable[..., FaultBench], tmp_path: Path, short: KnownStream, run_scale: Scale, report: Report
) -> None:
    with FaultyKafka(tmp_path / "broker") as broker:
        bench = make_bench(broker.address)

        def crash(seconds: float, times: int = 1) -> None:
            for _ in range(times):
                broker.kill()
                bench.run_for(seconds)
                broker.start()

        def stop() -> None:
            broker.stop()
            broker.start()

        faults: list[Callable[[], object]] = [
            stop,
            partial(crash, 0.5),
            partial(crash, 0.1, BOUNCES),
            partial(crash, run_scale.silence_s),
        ]
        feed_with_faults(bench, short, faults * run_scale.bounces)
        kinds = f"stopped, killed, killed {BOUNCES} times in a row, away for {run_scale.silence_s} s"
        report(f"F5 the only broker in turn {kinds}", len(faults) * run_scale.bounces, bench, short)
        bench.close()


def test_the_brokers_disk_is_full_for_a_while(
    make_bench: Callable[..., FaultBench], small_disk: Path, short: KnownStream, report: Report
) -> None:
    with FaultyKafka(small_disk / "broker") as broker:
        bench = make_bench(broker.address)
        began = time.monotonic()

        def fill() -> None:
            nonlocal began
            with full_disk(small_disk):
                began = time.monotonic()
                bench.wait_until(lambda: not broker.alive)
                began = time.monotonic() - began
            broker.start()

        feed_with_faults(bench, short, [fill])
        report("F17 the broker's disk full", 1, bench, short, **{"seconds until the broker ends": round(began, 1)})
        bench.close()


RULES = ((AclOperation.ALL, AclPermissionType.ALLOW), (AclOperation.WRITE, AclPermissionType.DENY))


class Operator:
    """Changes one topic's configuration and ACLs, or deletes it."""

    def __init__(self, bench: FaultBench, topic: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
        self._topic = bench.prefix + topic

    def configure(self, name: str, value: str | None) -> None:
        kind = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        entry = ConfigEntry(name, value, incremental_operation=kind)
        resource = ConfigResource(ResourceType.TOPIC, self._topic, incremental_configs=[entry])
        for future in self._admin.incremental_alter_configs([resource]).values():
            future.result()

    def forbid(self) -> None:
        """Deny writing to everybody, and allow everything else."""
        rules = [AclBinding(*self._rule(*each)) for each in RULES]
        for future in self._admin.create_acls(rules).values():
            future.result()

    def allow(self) -> None:
        rules = [AclBindingFilter(*self._rule(*each)) for each in RULES]
        for future in self._admin.delete_acls(rules).values():
            future.result()

    def delete(self) -> None:
        for future in self._admin.delete_topics([self._topic]).values():
            future.result()

    def exists(self) -> bool:
        return self._topic in self._admin.list_topics(timeout=10.0).topics

    def _rule(self, operation: AclOperation, permission: AclPermissionType) -> tuple[Any, ...]:
        pattern = (ResourceType.TOPIC, self._topic, ResourcePatternType.LITERAL)
        return (*pattern, "User:ANONYMOUS", "*", operation, permission)


REFUSALS: dict[str, tuple[Callable[[Operator], None], Callable[[Operator], None]]] = {
    "too large": (
        lambda operator: operator.configure("max.message.bytes", "100"),
        lambda operator: operator.configure("max.message.bytes", str(8 * 1024 * 1024)),
    ),
    "no permission": (Operator.forbid, Operator.allow),
}


def refused_then_accepted(
    bench: FaultBench,
    topic: str,
    feeder: Feeder,
    events: int,
    refuse: Callable[[], None],
    accept: Callable[[], None],
) -> list[str]:
    """Reject records of a topic until a worker exits, then accept them; return the overcommitted partitions by then."""
    bench.add_worker()
    bench.wait_until_ready()
    refuse()
    feeder.allow(events)
    bench.wait_until(lambda: bench.exits[70] > 0)
    assert bench.read(topic) == []
    overcommitted = bench.overcommitted()
    accept()
    return overcommitted


@pytest.mark.parametrize(("refusal", "topic"), [("too large", "decisions.tagging"), ("no permission", "dead-letters")])
def test_a_rejected_output_stops_consumption(
    make_bench: Callable[..., FaultBench],
    broker: FaultyKafka,
    short: KnownStream,
    report: Report,
    refusal: str,
    topic: str,
) -> None:
    bench = make_bench(broker.address, SOP_TRANSACTION_TIMEOUT_S=GIVES_UP_S)
    refuse, accept = REFUSALS[refusal]
    operator = Operator(bench, topic)
    with Feeder(bench, short.stream) as feeder:
        events = short.stream.events
        overcommitted = refused_then_accepted(
            bench, topic, feeder, events, lambda: refuse(operator), lambda: accept(operator)
        )
    bench.wait_until_idle(IDLE_WITHIN_S)
    report(f"F8 {topic} refused: {refusal}", 1, bench, short, **{"offset overrun": len(overcommitted)})
    assert overcommitted == []


def test_nodes_of_a_cluster_crash_and_restart(
    make_bench: Callable[..., FaultBench], tmp_path: Path, short: KnownStream, run_scale: Scale, report: Report
) -> None:
    """First one node, for a topic with min.insync.replicas 3; then one or two, for topics with 2."""
    rng = Rng("nodes", run_scale.seed)
    with Cluster(tmp_path / "cluster") as cluster:
        bench = make_bench(cluster.addresses, SOP_REPLICAS=3, SOP_TRANSACTION_TIMEOUT_S=GIVES_UP_S)
        operator, topic, lost = Operator(bench, "decisions.tagging"), "decisions.tagging", cluster.nodes[2]
        share = short.stream.events // (run_scale.bounces + 2)

        def refuse() -> None:
            operator.configure("min.insync.replicas", "3")
            lost.kill()

        def accept() -> None:
            lost.start()
            operator.configure("min.insync.replicas", None)

        with Feeder(bench, short.stream) as feeder:
            overcommitted = refused_then_accepted(bench, topic, feeder, share, refuse, accept)
            for _ in range(run_scale.bounces):
                feeder.allow(share)
                bench.wait_for_progress(10)
                first, second, _ = rng.shuffled(cluster.nodes)
                first.kill()
                bench.run_for(rng.between(0.5, 4.0))
                if rng.chance(0.5):
                    second.kill()  # the last node has no majority
                    bench.run_for(rng.between(0.5, 2.0))
                    second.start()
                first.start()
            feeder.allow_all()
        bench.wait_until_idle(IDLE_WITHIN_S)
        metrics = {"offset overrun": len(overcommitted)}
        report("F5, F8 nodes of three killed; too few replicas", run_scale.bounces + 1, bench, short, **metrics)
        bench.close()
    assert overcommitted == []


def test_a_deleted_output_topic_is_created_again_and_used_if_the_setting_accepts_that(
    make_bench: Callable[..., FaultBench], broker: FaultyKafka, short: KnownStream, report: Report
) -> None:
    bench = make_bench(broker.address, SOP_TRANSACTION_TIMEOUT_S=GIVES_UP_S)
    bench.add_worker()
    bench.wait_until_ready()
    operator = Operator(bench, "decisions.paf")
    operator.delete()
    with Feeder(bench, short.stream) as feeder:
        feeder.allow_all()
    bench.wait_until(operator.exists)
    bench.wait_until(lambda: "decisions.paf: deleted and created again" in bench.log_tails())
    bench.settings["SOP_ACCEPT_TRIMMED_INPUTS"] = "true"
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F8 decisions.paf deleted before the first decision", 1, bench, short)
