"""Brokers stop, die, bounce, refuse what is written; when they are well again everything is said, once."""

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
from tests.faults.conftest import Known, Report
from tests.faults.crew import CrewBench
from tests.faults.disk import filled
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder

COUNTS = scale()
IDLE_WITHIN_S = 150.0
BOUNCES = 5
GIVES_UP_S = 6

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + (COUNTS.bounces + 1) * (60 + COUNTS.silence_s))]


def through(bench: CrewBench, known: Known, faults: Sequence[Callable[[], object]]) -> None:
    """Feed a part of a stream before each fault and one after the last, each fault while events are worked on."""
    for _ in range(2):
        bench.join()
    bench.ready()
    share = known.stream.events // (len(faults) + 1)
    with Feeder(bench, known.stream) as feeder:
        for befall in faults:
            feeder.allow(share * 3 // 4)
            bench.work_on(10)
            feeder.allow(share // 4)
            befall()
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyKafka]:
    """One broker, which asks whether a client may; all may what no rule is about."""
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with FaultyKafka(tmp_path_factory.mktemp("broker"), properties) as started:
        yield started


def test_the_only_broker_goes_and_comes_back(
    make_crew: Callable[..., CrewBench], tmp_path: Path, short: Known, run_scale: Scale, report: Report
) -> None:
    with FaultyKafka(tmp_path / "broker") as broker:
        bench = make_crew(broker.address)

        def away(seconds: float, times: int = 1) -> None:
            for _ in range(times):
                broker.kill()
                bench.rest(seconds)
                broker.start()

        def stopped() -> None:
            broker.stop()
            broker.start()

        ways: list[Callable[[], object]] = [
            stopped,
            partial(away, 0.5),
            partial(away, 0.1, BOUNCES),
            partial(away, run_scale.silence_s),
        ]
        through(bench, short, ways * run_scale.bounces)
        told = f"stopped, killed, killed {BOUNCES} times in a row, away for {run_scale.silence_s} s"
        report(f"F5 the only broker in turn {told}", len(ways) * run_scale.bounces, bench, short)
        bench.close()


def test_the_brokers_disk_is_full_for_a_while(
    make_crew: Callable[..., CrewBench], small_disk: Path, short: Known, report: Report
) -> None:
    with FaultyKafka(small_disk / "broker") as broker:
        bench = make_crew(broker.address)
        began = time.monotonic()

        def fill() -> None:
            nonlocal began
            with filled(small_disk):
                began = time.monotonic()
                bench.await_that(lambda: not broker.alive)
                began = time.monotonic() - began
            broker.start()

        through(bench, short, [fill])
        report("F17 the broker's disk full", 1, bench, short, **{"seconds until it ends": round(began, 1)})
        bench.close()


RULES = ((AclOperation.ALL, AclPermissionType.ALLOW), (AclOperation.WRITE, AclPermissionType.DENY))


class Operator:
    """Changes what a broker lets be written to one topic."""

    def __init__(self, bench: CrewBench, topic: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bench.brokers, "log_level": 0})
        self._topic = bench.prefix + topic

    def configure(self, name: str, value: str | None) -> None:
        kind = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        entry = ConfigEntry(name, value, incremental_operation=kind)
        resource = ConfigResource(ResourceType.TOPIC, self._topic, incremental_configs=[entry])
        for done in self._admin.incremental_alter_configs([resource]).values():
            done.result()

    def forbid(self) -> None:
        """Let nobody write, while everybody may do all else."""
        rules = [AclBinding(*self._rule(*each)) for each in RULES]
        for done in self._admin.create_acls(rules).values():
            done.result()

    def allow(self) -> None:
        rules = [AclBindingFilter(*self._rule(*each)) for each in RULES]
        for done in self._admin.delete_acls(rules).values():
            done.result()

    def delete(self) -> None:
        for done in self._admin.delete_topics([self._topic]).values():
            done.result()

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
    bench: CrewBench, topic: str, feeder: Feeder, events: int, refuse: Callable[[], None], accept: Callable[[], None]
) -> list[str]:
    """Have a topic refused until a worker gives up, then accepted; return where too much was committed by then."""
    bench.join()
    bench.ready()
    refuse()
    feeder.allow(events)
    bench.await_that(lambda: bench.ends[70] > 0)
    assert bench.read(topic) == []
    overrun = bench.overrun()
    accept()
    return overrun


@pytest.mark.parametrize(("refusal", "topic"), [("too large", "decisions.tagging"), ("no permission", "dead-letters")])
def test_refused_output_stops_the_input(
    make_crew: Callable[..., CrewBench], broker: FaultyKafka, short: Known, report: Report, refusal: str, topic: str
) -> None:
    bench = make_crew(broker.address, SOP_TRANSACTION_TIMEOUT_S=GIVES_UP_S)
    refuse, accept = REFUSALS[refusal]
    operator = Operator(bench, topic)
    with Feeder(bench, short.stream) as feeder:
        events = short.stream.events
        overrun = refused_then_accepted(
            bench, topic, feeder, events, lambda: refuse(operator), lambda: accept(operator)
        )
    bench.wait_until_idle(IDLE_WITHIN_S)
    report(f"F8 {topic} refused: {refusal}", 1, bench, short, **{"offset overrun": len(overrun)})
    assert overrun == []


def test_nodes_of_a_cluster_die_and_come_back(
    make_crew: Callable[..., CrewBench], tmp_path: Path, short: Known, run_scale: Scale, report: Report
) -> None:
    """First one, with a topic that all three have to keep; then one or two, with topics that two have to keep."""
    rng = Rng("nodes", run_scale.seed)
    with Cluster(tmp_path / "cluster") as cluster:
        bench = make_crew(cluster.addresses, SOP_REPLICAS=3, SOP_TRANSACTION_TIMEOUT_S=GIVES_UP_S)
        operator, topic, lost = Operator(bench, "decisions.tagging"), "decisions.tagging", cluster.nodes[2]
        share = short.stream.events // (run_scale.bounces + 2)

        def refuse() -> None:
            operator.configure("min.insync.replicas", "3")
            lost.kill()

        def accept() -> None:
            lost.start()
            operator.configure("min.insync.replicas", None)

        with Feeder(bench, short.stream) as feeder:
            overrun = refused_then_accepted(bench, topic, feeder, share, refuse, accept)
            for _ in range(run_scale.bounces):
                feeder.allow(share)
                bench.work_on(10)
                first, second, _ = rng.shuffled(cluster.nodes)
                first.kill()
                bench.rest(rng.between(0.5, 4.0))
                if rng.chance(0.5):
                    second.kill()  # what is left has no majority
                    bench.rest(rng.between(0.5, 2.0))
                    second.start()
                first.start()
            feeder.allow_all()
        bench.wait_until_idle(IDLE_WITHIN_S)
        metrics = {"offset overrun": len(overrun)}
        report("F5, F8 nodes of three killed; too few replicas", run_scale.bounces + 1, bench, short, **metrics)
        bench.close()
    assert overrun == []


def test_an_output_topic_that_vanished_is_made_again_and_gone_on_with_where_that_is_accepted(
    make_crew: Callable[..., CrewBench], broker: FaultyKafka, short: Known, report: Report
) -> None:
    bench = make_crew(broker.address, SOP_TRANSACTION_TIMEOUT_S=GIVES_UP_S)
    bench.join()
    bench.ready()
    operator = Operator(bench, "decisions.paf")
    operator.delete()
    with Feeder(bench, short.stream) as feeder:
        feeder.allow_all()
    bench.await_that(operator.exists)
    bench.await_that(lambda: "decisions.paf: deleted and created again" in bench.told())
    bench.settings["SOP_ACCEPT_TRIMMED_INPUTS"] = "true"
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F8 decisions.paf deleted before the first decision", 1, bench, short)
