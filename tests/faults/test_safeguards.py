"""Without any one of its safeguards the code fails the simulation, with seeds that pass otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Final

import pytest

from agents.case import case
from agents.presence.queries import PresenceAnswer
from schemas.errors import Fenced
from streams.memory.store import MemoryStore
from streams.processor.deduplication import DeadLetterIndex, ForwardDeduplication
from streams.processor.emitted_outputs import EmittedOutputs
from streams.processor.write_back_cache import WriteBackCache
from streams.runtime import task
from streams.runtime.catch_up_buffer import CatchUpBuffer
from streams.runtime.hanging_transactions import Visibility
from streams.runtime.ports import TP, Changes, Checkpoint, Outgoing, Stored
from tests.faults.conftest import Report
from tests.simulation import test_simulation as others
from tests.simulation.kafka import SimulatedLog, SimulatedPublisher
from tests.simulation.run import run_seed
from tests.simulation.store import SimulatedStore

SEEDS: Final = 400
SEEDS_BEFORE: Final = {
    "no_recovery_of_alerts": 3,
    "no_check_of_the_checkpoint_owner": 7,
    "no_catch_up_order": 1_072,
    "no_filter_for_committed_records": 2,
    "no_choice_between_answers": 23,
    "no_abort_of_hanging_transactions": 19,
    "no_forward_deduplication": 6,
    "no_memory_of_departed_cases": 7,
    "is_not_fenced": 3,
    "forgets_deadlines": 6,
    "takes_all_records_as_its_own": 2,
}
"""How many seeds to skip for a safeguard, because they do not notice its absence; it is looked for from there on."""

pytestmark = pytest.mark.timeout(300)


def no_dead_letter_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeadLetterIndex, "pop", lambda *_: None)


def no_recovery_of_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    _forget_after_adding(monkeypatch, lambda emitted: emitted.alert_ids.clear())


def _forget_after_adding(monkeypatch: pytest.MonkeyPatch, forget: Callable[[EmittedOutputs], None]) -> None:
    add = EmittedOutputs.add

    def add_and_forget(
        emitted: EmittedOutputs, topic: str, value: bytes, recreated: Collection[str] = ()
    ) -> Mapping[str, int]:
        positions = add(emitted, topic, value, recreated)
        forget(emitted)
        return positions

    monkeypatch.setattr(EmittedOutputs, "add", add_and_forget)


def no_check_of_the_checkpoint_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "_check", lambda _: None)


def no_protection_of_unsaved_state(monkeypatch: pytest.MonkeyPatch) -> None:
    evict = WriteBackCache.evict

    def evict_dirty(cache: WriteBackCache[object], objects_max: int, first: Collection[str] = ()) -> list[str]:
        cache.dirty.clear()
        return evict(cache, objects_max, first)

    monkeypatch.setattr(WriteBackCache, "evict", evict_dirty)


def no_atomic_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    save = SimulatedStore.save

    async def positions_first(store: SimulatedStore, checkpoint: Checkpoint, changes: Changes) -> None:
        await save(store, checkpoint, Changes())
        await save(store, checkpoint, changes)

    monkeypatch.setattr(SimulatedStore, "save", positions_first)


def no_catch_up_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CatchUpBuffer, "before", lambda _, batches: batches)


def no_filter_for_committed_records(monkeypatch: pytest.MonkeyPatch) -> None:
    async def everything(log: SimulatedLog, tp: TP, start: int) -> AsyncIterator[list[Stored]]:
        await log._pause()
        _, end = log._kafka.bounds(tp)
        yield [each.record for each in log._kafka._partitions[tp][start:end] if each.record]

    monkeypatch.setattr(SimulatedLog, "read", everything)


def no_choice_between_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PresenceAnswer, "replaces", lambda *_: True)


def no_wait_for_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat rejected records as published, and continue."""
    publish = SimulatedPublisher.publish
    dropped = {"records": 0}

    async def optimistic(publisher: SimulatedPublisher, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        dropped["records"] += 1
        if dropped["records"] % 20 == 0:
            return {}
        try:
            return await publish(publisher, records)
        except Fenced:
            return {}

    monkeypatch.setattr(SimulatedPublisher, "publish", optimistic)


def no_abort_of_hanging_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave_open(*_: object) -> None:
        return

    monkeypatch.setattr(task, "abort_hanging_transactions", leave_open)


def no_wait_for_visibility(monkeypatch: pytest.MonkeyPatch) -> None:
    async def optimistic(*_: object) -> None:
        return

    monkeypatch.setattr(Visibility, "wait_for", optimistic)


def no_forward_deduplication(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForwardDeduplication, "is_duplicate", lambda *_: False)


def no_memory_of_departed_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(each: case.Case) -> None:
        each.facts, each.answers, each.queries, each.emitted = {}, {}, {}, case.EmittedMessages()
        each.queried_view = each._view = None

    monkeypatch.setattr(case.Case, "depart", forget)


REMOVED: Final[Sequence[Callable[[pytest.MonkeyPatch], Any]]] = (
    no_dead_letter_index,
    no_recovery_of_alerts,
    no_check_of_the_checkpoint_owner,
    no_protection_of_unsaved_state,
    no_atomic_checkpoint,
    no_catch_up_order,
    no_filter_for_committed_records,
    no_choice_between_answers,
    no_wait_for_acknowledgement,
    no_abort_of_hanging_transactions,
    no_wait_for_visibility,
    no_forward_deduplication,
    no_memory_of_departed_cases,
    others.forgets_restored_outputs,
    others.does_not_wait_to_catch_up,
    others.is_not_fenced,
    others.forgets_deadlines,
    others.takes_all_records_as_its_own,
)


def fails(seed: int) -> bool:
    """Return whether the simulation of a seed finds a violation or crashes."""
    try:
        return bool(run_seed(seed).violations)
    except Exception:  # noqa: BLE001 - any crash counts
        return True


@pytest.mark.parametrize("remove", REMOVED)
def test_the_simulation_notices_a_missing_safeguard(
    remove: Callable[[pytest.MonkeyPatch], Any], monkeypatch: pytest.MonkeyPatch, report: Report
) -> None:
    remove(monkeypatch)
    before = SEEDS_BEFORE.get(remove.__name__, 0)
    noticed = next((seed for seed in range(before + 1, before + SEEDS + 1) if fails(seed)), None)
    name = remove.__name__.replace("_", " ")
    report.write(f"F23 safeguard removed: {name}", 1, 0, {}, {"noticed by simulation seed": noticed})
    assert noticed is not None
