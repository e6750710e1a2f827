"""How a worker makes tasks, feeds them and releases their partitions."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable

from faust.types import TP

from agents.sops import catalogue
from agents.sops.catalogue import POLICIES
from schemas.codec.schema_ids import SCHEMA_VERSION
from schemas.policy.model import DAY, PolicySet
from streams.config.settings import Settings
from streams.faust_transport.assignment import Assignment
from streams.faust_transport.batch import BatchOptions
from streams.kafka.connection import KafkaConnection
from streams.kafka.record_batches import Record
from streams.memory.store import MemoryState, MemoryStore
from streams.policies.source import FixedPolicies
from streams.processor.processor import SopProcessor
from streams.processor.refusal_limit import RefusalLimits
from streams.processor.retention import RetentionRules
from streams.runtime import ports
from streams.runtime.ports import Layout, Stored
from streams.runtime.watchdog import WatchLimits
from streams.worker import TaskMaker, Tasks, processor_settings, refusal_limits, retention_rules, watch_limits
from tests.processors import WITHOUT_WAIT
from tests.scenario import MIDNIGHT, Scenario
from tests.unit.cluster import Cluster, Echo


async def test_outputs_name_their_schema_under_the_base_address() -> None:
    base = "https://schemas.example.com/sop"
    policies = FixedPolicies(PolicySet((), WITHOUT_WAIT))
    settings = processor_settings(Settings(schema_base_url=base), catalogue.topics(), policies, 1, {})
    store = MemoryStore(MemoryState())
    await store.claim()
    processor = SopProcessor(0, settings, store)
    await processor.begin({})
    await processor.apply_restored()
    lines = [*Scenario().booked().ticket("10:00").cancelled("10:30").lines(), b"{"]
    records = [Stored(number, b"k", line) for number, line in enumerate(lines)]
    await processor.process([(ports.TP("tickets", 0), records)], MIDNIGHT + DAY)
    outgoing = await processor.evaluate(MIDNIGHT + DAY, {}, await processor.due(MIDNIGHT + DAY, 99))
    messages = [json.loads(record.value) for record in outgoing if record.topic in catalogue.topics().outputs]
    named = {message["type"]: message["dataschema"] for message in messages}
    assert {"decision.paf", "action", "dead-letter"} <= set(named)
    assert named == {name: f"{base}/{name}-{SCHEMA_VERSION}.json" for name in named}


async def test_a_processor_is_dropped_with_its_task() -> None:
    settings = Settings()
    policies = FixedPolicies(POLICIES.load_all(()))
    maker = TaskMaker(settings, policies, KafkaConnection(settings.brokers), catalogue.topics(), Layout(4, {}), {})
    tasks = [maker.make(0), maker.make(1)]
    assert set(maker.processors) == {0, 1}
    del tasks[1]
    gc.collect()
    assert set(maker.processors) == {0}


def test_the_defaults_of_the_settings_are_those_of_the_features() -> None:
    settings = Settings()
    assert refusal_limits(settings) == RefusalLimits()
    assert retention_rules(settings) == RetentionRules()
    assert watch_limits(settings) == WatchLimits()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - gives way to the tasks that bring it about
        await asyncio.sleep(0)


class Member:
    """A member of a group that reads partition number 0 for one task of a cluster."""

    def __init__(self, cluster: Cluster, processor: Echo | None = None) -> None:
        self.errors: list[BaseException] = []
        self.tasks = Tasks(lambda _: cluster.owner(processor=processor)[0], self.errors.append)
        self.tps = frozenset(TP(topic, 0) for topic in ("jobs", "tickets", "answers"))
        self.assignment = Assignment(
            self.tps,
            1,
            options=BatchOptions(in_flight_max=1),
            on_position=self.tasks.on_position,
            fail=self.errors.append,
            wake_up=lambda: None,
        )

    async def join(self) -> None:
        self.assignment.seek(await self.tasks.on_assigned(self.tps))

    def fetch_job(self, offset: int) -> None:
        """Bring a record of the jobs topic all the way to the inbox of its task."""
        records = [Record(offset, 0, 0, b"", b"j%d" % offset, ())]
        for batch in self.assignment.deliver(TP("jobs", 0), records, offset + 1):
            self.assignment.dispatch(batch, self.tasks.enqueue)


async def test_a_batch_counts_as_in_flight_until_a_step_takes_it() -> None:
    member = Member(Cluster(b"j0"))
    await member.join()
    member.fetch_job(0)
    assert TP("jobs", 0) not in member.assignment.fetchable(member.tasks)
    await until(lambda: TP("jobs", 0) in member.assignment.fetchable(member.tasks))
    await member.tasks.on_revoked(member.tps)


async def test_revoked_partitions_are_released_once_their_steps_are_saved() -> None:
    cluster = Cluster(b"j0", b"j1", b"j2")
    first, second = Member(cluster), Member(cluster)
    await first.join()
    first.fetch_job(0)
    await until(lambda: cluster.outputs() != [])
    first.assignment.closed = True
    first.fetch_job(1)
    await first.tasks.on_revoked(first.tps)
    assert cluster.state.checkpoint is not None
    assert cluster.state.checkpoint.inputs == {"jobs-0": 1}
    assert (await second.tasks.on_assigned(second.tps))[TP("jobs", 0)] == 1
    assert (cluster.outputs(), first.errors) == ([b"j0"], [])


async def test_an_error_in_a_step_is_fatal() -> None:
    class Raises(Echo):
        async def process(self, *_: object) -> None:
            raise KeyError("no")

    member = Member(Cluster(b"j0"), Raises())
    await member.join()
    member.fetch_job(0)
    await until(lambda: member.errors != [])
    assert str(member.errors[0]).startswith("jobs-0@0: KeyError (")
