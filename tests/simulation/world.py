"""Runs the real task of each partition number in a simulated world, with faults injected by a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final

from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from agents.presence.queries import PresenceAnswer
from agents.presence.track import AddReportResult
from agents.sops import catalogue
from schemas.codec.limits import Limits
from schemas.errors import Fatal, Unavailable
from schemas.events import AnyEvent
from schemas.policy.model import HOUR, MINUTE, SECOND, Policy
from streams.policies.source import FixedPolicies
from streams.processor.decoder import partition_of
from streams.processor.processor import SopProcessor
from streams.processor.retention import RetentionRules
from streams.processor.settings import ProcessorSettings
from streams.runtime.circuit_breaker import CircuitBreaker
from streams.runtime.health import Health
from streams.runtime.poison_isolation import ATTEMPTS_MAX, Attempt
from streams.runtime.ports import TP, Layout, Outgoing
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task import Task
from streams.simulator.rng import Rng
from tests.scenario import MIDNIGHT
from tests.simulation.clocks import ManualClock, SkewedClock
from tests.simulation.expiry import Expiry
from tests.simulation.fault_injector import FAULTS, FOREVER_S, FaultInjector
from tests.simulation.history import Delivery, history, settling_history
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher
from tests.simulation.poison import Poison, decide_or_die
from tests.simulation.publications import Publications, look_at
from tests.simulation.reopenings import Reopenings
from tests.simulation.store import SimulatedRedis, SimulatedStore

AT_REST_WITHIN_S: Final = 2_400.0
"""A case that always raises takes three lives of about ten seconds for each of its records."""
QUEUED_MAX: Final = 16
NOTHING_DUE_WITHIN_US: Final = 11 * SECOND
"""Longer than the longest wait for an answer."""
DEFAULT: Final = Policy()

LogAttempts = Callable[[Attempt | None], Awaitable[None]]


class NotAtRestError(AssertionError):
    """Something is still to be done long after all owners were healed."""


def _retention(rng: Rng) -> RetentionRules | None:
    """Return rules by which cases depart before a history is over; None for the default rules."""
    if rng.chance(0.6):
        return None
    return RetentionRules(case=rng.pick((MINUTE, HOUR, 12 * HOUR)), quiet=rng.pick((SECOND, MINUTE)))


class World:
    """One simulated run."""

    def __init__(self, seed: int, *, expires: bool = True) -> None:
        self.rng = Rng("world", seed)
        self.clock = ManualClock()
        self.kafka = SimulatedKafka(lambda: self.clock.now_us() // 1000)
        broker = Rng("broker", seed)
        if broker.chance(0.25):
            self.kafka.forgets = lambda _: not self.healed.is_set() and broker.chance(0.02)
        self.topics = catalogue.topics()
        self.partitions = self.rng.whole(1, 3)
        self.retention = _retention(Rng("retention", seed))
        facts_max, cached_max = self.rng.pick((6, 200, 200, 200)), self.rng.pick((0, 1, 2, 100))
        wait, may_be_retroactive = self.rng.pick((SECOND // 10, 10 * SECOND)), self.retention is None
        published = Rng("policies", seed)
        self.publications = Publications(published, self.kafka, wait, may_be_retroactive=may_be_retroactive)
        self.processor_settings = ProcessorSettings(
            topics=self.topics,
            partitions=self.partitions,
            limits=Limits(),
            facts_per_case_max=facts_max,
            cached_cases_max=cached_max,
            policies=FixedPolicies(self.publications.in_files),
            retention=self.retention or RetentionRules(),
        )
        self.task_settings = TaskSettings(
            input_topics=self.topics.consumed,
            internal_topics=self.topics.internal,
            required_topics=self.topics.consumed,
            accepts_trimmed=False,
            output_topics=self.topics.outputs,
            decision_topics=self.topics.decisions,
            latest_topic=self.topics.latest,
            progress_topic=self.topics.progress,
            layout=Layout(self.partitions, {}),
            step_records_max=self.rng.pick((1, 10, 50)),
            checkpoint_interval=self.rng.pick((0, SECOND // 5, 2 * SECOND, 30 * SECOND)),
            store_retry_s=Rng("store retry", seed).pick((0.05, 5.0)),
            transaction_timeout_s=10.0,
            version="1",
            step_spacing_s=Rng("spacing", seed).pick((0.0, 0.0, 0.03)),
            packed_at_once=Rng("packing", seed).pick((1, 3, 100)),
            backlog_idle_s=0.1,
        )
        self.packing_slack = Rng("residents", seed).pick((1, 1, 500))
        self.stores = [SimulatedRedis() for _ in range(self.partitions)]
        expiring = Rng("expiry", seed)
        happens = expires and expiring.chance(0.4)
        self.expiry = Expiry(expiring, Rng("rarer", seed), self.kafka, self.topics, self.stores, happens=happens)
        self.reopenings = Reopenings(Rng("reopenings", seed), self.kafka, self.topics, self.partitions)
        self.tasks: dict[int, Task] = {}
        self.processors: dict[int, SopProcessor] = {}
        self.at: dict[int, dict[TP, int]] = {}
        self.faults_met: list[str] = []
        self.healed = asyncio.Event()
        self.haste = self.rng.pick((0.3, 0.8, 0.97))
        self.skewed = self.rng.chance(0.3)
        self.poison = self._poison(Rng("poison", seed)) if self.rng.chance(0.3) else None
        self.past_retention: set[tuple[str, str]] = set()
        """Partners and refs of the reports that were past their retention when last read: they may count as missing."""
        self.answered_after_departure: set[str] = set()
        """Cases that had departed when an answer came for them."""
        self.healthy: set[int] = set()
        self.owner_runs: list[asyncio.Task[bool]] = []
        self.injectors: list[FaultInjector] = []
        self._finishing = asyncio.Event()

    def _poison(self, others: Rng) -> Poison:
        begins_at = MIDNIGHT + self.rng.pick((0, 9 * HOUR, 12 * HOUR, 30 * HOUR))
        poison = Poison(self.rng.pick(("job-1", "job-2")), begins_at, "kills" if self.rng.chance(0.5) else "raises")
        if others.chance(0.4):
            poison = replace(poison, how="is refused")
            self.kafka.tells_which = others.chance(0.5)
            self.kafka.refuses = partial(self._refuses, poison)
        return poison

    def _refuses(self, poison: Poison, record: Outgoing) -> bool:
        is_late = self.clock.now_us() >= poison.begins_at
        return is_late and record.about == f"case:{poison.case_id}" and record.topic in self.topics.outputs

    async def run(self) -> int:
        """Deliver a whole history, heal all owners and wait until they are at rest; return the instant of that."""
        owners = [asyncio.create_task(self._run_owners(partition)) for partition in range(self.partitions)]
        delivering = asyncio.create_task(self._deliver())
        rest = asyncio.create_task(self._rest(delivering))
        expiring = asyncio.create_task(self.expiry.run(self.healed, self._end_all))
        done, _ = await asyncio.wait([rest, delivering, expiring, *owners], return_when=asyncio.FIRST_EXCEPTION)
        for each in done:
            each.result()
        for owner_run in self.owner_runs:
            if owner_run.done():
                await self._ended_at_rest(owner_run)
        return rest.result()

    async def _deliver(self) -> None:
        deliveries = history(self.rng)
        if self.retention is not None:
            deliveries += settling_history(self.rng)
        for delivery in sorted(deliveries, key=lambda each: each.arrive_at):
            self.clock.move_to(delivery.arrive_at)
            self._append(delivery)
            await self.publications.happen(self.clock)
            if self.rng.chance(0.3):
                await asyncio.sleep(self.rng.between(0.0, 1.0))

    def _append(self, delivery: Delivery) -> None:
        partition = partition_of(delivery.key.decode(), self.partitions)
        if delivery.misplaced:
            partition = self.rng.whole(0, self.partitions - 1)
        self.kafka.append(TP(delivery.topic, partition), delivery.key, delivery.value)

    async def _rest(self, delivering: asyncio.Task[None]) -> int:
        await delivering
        if self.rng.chance(0.5):
            await asyncio.sleep(self.rng.between(0.0, 20.0))
        self.clock.move_to(self.clock.now_us() + self.rng.pick((HOUR, 4 * HOUR, 100 * HOUR)))
        await asyncio.sleep(self.rng.between(0.0, 20.0))
        if self.retention is not None:
            await self._deliver_again()
        self.healed.set()
        await self._wait_for_rest()
        ends_at = self.clock.now_us()
        self._finishing.set()
        return ends_at

    async def _deliver_again(self) -> None:
        """Let old cases depart, then deliver some records again, whether they were accepted or refused before."""
        await asyncio.sleep(self.rng.between(0.0, 60.0))
        for tp, record in self.kafka.delivered:
            if tp.topic != self.topics.locations and self.rng.chance(0.3):
                self.kafka.append(tp, record.key, record.value)
                await asyncio.sleep(self.rng.pick((0.0, 0.0, 3.0)))
        if not self.expiry.recreated:  # the archive then has several records at one place
            await self.reopenings.run()

    async def _wait_for_rest(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + AT_REST_WITHIN_S
        rested_for = 0
        while rested_for < 5:
            unfinished = [why for number in range(self.partitions) if (why := self._unfinished(number))]
            rested_for = 0 if unfinished else rested_for + 1
            if loop.time() > until:
                raise NotAtRestError("; ".join(unfinished))
            await asyncio.sleep(0.5)

    def _unfinished(self, number: int) -> str:
        """Return what a partition number still has to do."""
        if number not in self.healthy:
            return f"{number} has no owner"
        task = self.tasks[number]
        for tp in task._inputs:
            if self.at[number].get(tp, 0) < self.kafka.bounds(tp)[1]:
                return f"{tp.name} is not read to its end"
        processor = self.processors[number]
        policies = processor._policies
        if policies.positions.get("policies-0", 0) < self.publications.end or policies._since is not None:
            return f"{number} does not know all policies, or has cases to decide anew"
        if len(task._inbox) or task.health.at_work:
            return f"{number} is at work"
        if task._is_catching_up():
            return f"{number} catches up to {task._catch_up._until}, is at {task._positions.inputs}"
        stored = self.stores[number].state.deadlines.items()
        due = [at for case_id, at in stored if f"case:{case_id}" not in task.progress().quarantined]
        due += [at] if (at := processor._timers.next()) is not None else []
        if due and min(due) < self.clock.now_us() + NOTHING_DUE_WITHIN_US:
            return f"{number} has something due at {min(due)}, it is {self.clock.now_us()}"
        return ""

    # -- owners ------------------------------------------------------------------------------------------------------

    async def _run_owners(self, partition: int) -> None:
        """Run one owner of a partition number after another."""
        while True:
            self.healthy.discard(partition)
            injector = FaultInjector(self.rng, () if self.healed.is_set() else FAULTS, self.haste, self.healed)
            skew = self.rng.whole(-2, 2) * MINUTE if self.skewed and not self.healed.is_set() else 0
            owner_run = asyncio.create_task(self._run_owner(partition, injector, SkewedClock(self.clock, skew)))
            self.owner_runs.append(owner_run)
            self.injectors.append(injector)
            over = asyncio.create_task(injector.over.wait())
            heal = asyncio.create_task(self._until_healed(injector))
            await asyncio.wait([owner_run, over, heal], return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            heal.cancel()
            if injector.over.is_set() and injector.fault is not None:
                self.faults_met.append(injector.fault)
                await self._inject(partition, injector, owner_run)
            elif not owner_run.done():
                continue  # healed before its fault was due: an owner without a fault follows
            elif await self._ended_at_rest(owner_run):
                return
            await asyncio.sleep(self.rng.pick((0.0, 0.1, 3.0)))

    def _end_all(self) -> bool:
        """End all owners at once; return False if one is at a last attempt, which would be blamed for it."""
        alive = [
            injector
            for owner_run, injector in zip(self.owner_runs, self.injectors, strict=True)
            if not owner_run.done()
        ]
        may_end = not any(injector.is_spared for injector in alive)
        for injector in alive if may_end else ():
            injector.die()
        return may_end

    async def _until_healed(self, injector: FaultInjector) -> None:
        await (self.healed.wait() if injector.fault else asyncio.sleep(FOREVER_S))

    async def _inject(self, partition: int, injector: FaultInjector, owner_run: asyncio.Task[bool]) -> None:
        if injector.fault == "revoked":
            if partition in self.tasks:
                self.tasks[partition].finish()
            await asyncio.wait([owner_run], timeout=self.rng.pick((0.05, 5.0)))
        elif injector.fault == "store_lost":
            self.stores[partition].lose(self.rng.whole(0, 4) if self.rng.chance(0.7) else 100)
            await asyncio.wait([owner_run], timeout=self.rng.pick((1.0, 60.0)))
        if owner_run.done():
            await self._ended_at_rest(owner_run)

    @staticmethod
    async def _ended_at_rest(owner_run: asyncio.Task[bool]) -> bool:
        """Return whether an owner ended because all is at rest; raise its error if it is a fault of the code."""
        try:
            return await owner_run
        except (Fatal, Unavailable):
            return False

    async def _run_owner(self, partition: int, injector: FaultInjector, clock: SkewedClock) -> bool:
        health = Health()
        answering = SimulatedStore(self.stores[partition], injector.pause, injector.fails)
        store = CircuitBreaker(answering, name=f"partition {partition}")
        policies = self.publications.source(injector.pause)
        processor = SopProcessor(partition, replace(self.processor_settings, policies=policies), store)
        processor._cache.packing_slack = self.packing_slack
        if self.poison is not None and self.poison.how != "is refused":
            processor._cases.decide = partial(decide_or_die, processor._cases.decide, self.poison, injector)  # type: ignore[method-assign]
        processor._locations.receive = partial(self._receive, processor._locations)  # type: ignore[method-assign]
        processor._cases.apply_answer = partial(self._apply_answer, processor._cases)  # type: ignore[method-assign]
        task = Task(
            partition,
            processor,
            replace(self.task_settings, accepts_trimmed=self.expiry.is_accepted(partition), layout=self.expiry.layout),
            publisher=SimulatedPublisher(self.kafka, f"sop-{partition}", injector.pause),
            log=SimulatedLog(self.kafka, injector.pause),
            store=store,
            clock=clock,
            health=health,
            attempts=SharedLock(),
        )
        task._chunks.log_attempts = partial(_log_attempts, task._chunks.log_attempts, injector)  # type: ignore[method-assign]
        positions = await self.expiry.recover(task, answering)
        self.tasks[partition], self.processors[partition], self.at[partition] = task, processor, dict(positions)
        if injector.fault is None:
            self.healthy.add(partition)
        running = asyncio.create_task(task.run())
        feeding = asyncio.create_task(self._feed(task, self.at[partition], injector))
        finishing = asyncio.create_task(self._finish_when_at_rest(task))
        looking = asyncio.create_task(look_at(policies))
        try:
            await asyncio.wait([running, feeding], return_when=asyncio.FIRST_COMPLETED)
        finally:
            feeding.cancel()
            finishing.cancel()
            looking.cancel()
        if feeding.done():
            running.cancel()
            feeding.result()
        await self.expiry.ended(partition, running)
        await task.stop()
        return self._finishing.is_set()

    def _receive(self, locations: LocationAgent, event: AnyEvent) -> AddReportResult:
        """Receive a report; note whether it was past its retention and no known query was about it."""
        received = LocationAgent.receive(locations, event)
        track = locations.track(event.subject)
        is_past = event.time < track._retained_from and not track._matters_to_a_query(event.time)
        retention = self.publications.in_files.default.presence.retention
        is_past |= event.time + retention <= self.clock.now_us() + 2 * MINUTE
        (self.past_retention.add if is_past else self.past_retention.discard)((event.subject, event.ref))
        return received

    def _apply_answer(self, cases: CaseAgent, answer: PresenceAnswer) -> bool:
        """Apply an answer; note whether its case had departed."""
        if cases.case(answer.query.case_id).is_departed:
            self.answered_after_departure.add(answer.query.case_id)
        return CaseAgent.apply_answer(cases, answer)

    async def _finish_when_at_rest(self, task: Task) -> None:
        await self._finishing.wait()
        task.finish()

    async def _feed(self, task: Task, at: dict[TP, int], injector: FaultInjector) -> None:
        """Enqueue what is to be read, from one partition or another as the seed has it."""
        weights = {tp: self.rng.pick((1.0, 1.0, 0.03)) for tp in task._inputs}
        while True:
            await injector.pause()
            ready = [tp for tp in task._inputs if self.kafka.bounds(tp)[1] > at.get(tp, 0) and task.wants_more(tp)]
            if not ready or len(task._inbox) >= QUEUED_MAX:
                await asyncio.sleep(0.05)
                continue
            tp = self.rng.weighted(ready, [weights[each] for each in ready])
            end = self.kafka.bounds(tp)[1]
            at[tp] = self.expiry.skip(task, tp, at.get(tp, 0))
            records = self.kafka.committed(tp, at.get(tp, 0), end)[: self.rng.whole(1, 12)]
            at[tp] = records[-1].offset + 1 if records else end
            if records:
                task.enqueue(tp, records)
            else:
                task.advance(tp, end)


async def _log_attempts(log: LogAttempts, injector: FaultInjector, current: Attempt | None = None) -> None:
    """Log an attempt, or its end; during a last attempt no fault is injected."""
    injector.is_spared = injector.is_spared if current is None else current.number >= ATTEMPTS_MAX
    await log(current)
    injector.is_spared &= current is not None
