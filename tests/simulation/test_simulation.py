"""Whatever faults are injected into a simulated cluster, its final state is that of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.errors import Fatal
from streams.processor.processor import SopProcessor
from streams.runtime.catch_up_buffer import CatchUpBuffer
from streams.runtime.layout import find_recreated
from tests.simulation.kafka import SimulatedKafka
from tests.simulation.run import run_seed

SEEDS_BEFORE: Final = {
    "goes_on_without_unread_records": 149,
    "goes_on_without_records_that_decisions_rest_on": 11,
    "stops_for_records_in_a_checkpoint": 8,
    "goes_on_without_lost_outputs": 43,
    "stops_for_outputs_in_a_checkpoint": 10,
    "goes_on_in_a_topic_created_again": 10,
}
"""How many seeds to skip for a safeguard, because they do not notice its absence; it is looked for from there on."""
GROUPS: Final = 5
SEEDS_PER_GROUP: Final = 25
pytestmark = pytest.mark.timeout(300)

ONCE_FAILED: Final = [
    int(line) for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines() if line.isdigit()
]


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_a_seed_that_once_failed_holds(seed: int) -> None:
    assert run_seed(seed, expires=False).violations == []


@pytest.mark.parametrize("group", range(GROUPS))
def test_seeds_hold(group: int) -> None:
    first = 1 + group * SEEDS_PER_GROUP
    outcomes = [run_seed(seed) for seed in range(first, first + SEEDS_PER_GROUP)]
    assert {each.seed: each.violations for each in outcomes if each.violations} == {}
    assert sum(each.stops for each in outcomes) > 0
    assert sum(each.faults for each in outcomes) > SEEDS_PER_GROUP
    assert sum(each.outputs for each in outcomes) > 10 * SEEDS_PER_GROUP


def test_a_seed_runs_the_same_twice() -> None:
    assert run_seed(5) == run_seed(5)


def forgets_restored_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.processor.emitted_outputs.EmittedOutputs.add", lambda *_: {})


def does_not_wait_to_catch_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CatchUpBuffer, "is_active", lambda *_: False)


def is_not_fenced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedKafka, "_check", lambda *_: None)


def forgets_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing_is_due(*_: object) -> list[str]:
        return []

    monkeypatch.setattr(SopProcessor, "due", nothing_is_due)


def takes_all_records_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Everywhere(int):
        def __ne__(self, _: object) -> bool:
            return False

    monkeypatch.setattr("streams.processor.processor.partition_of", lambda *_: Everywhere())


def goes_on_without_unread_records(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("recovery", "task"):
        monkeypatch.setattr(f"streams.runtime.{module}.unread_count", lambda *_, accepts: accepts)


def goes_on_without_records_that_decisions_rest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.runtime.recovery.refuse_missing", lambda *_, accepts: accepts)


def stops_for_records_in_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(names: Iterable[str], _: object, earliest: Mapping[str, int], __: object, *, accepts: bool) -> None:
        if not accepts and (gone := [name for name in names if earliest[name]]):
            raise Fatal(f"{gone} are no longer there")

    monkeypatch.setattr("streams.runtime.recovery.refuse_missing", refuse)


def goes_on_without_lost_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.runtime.recovery.forgotten_count", lambda *_, accepts: 0 * accepts)


def stops_for_outputs_in_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, _: int, earliest: int, __: int, *, accepts: bool) -> int:
        if earliest and not accepts:
            raise Fatal(f"{name}: 0 to {earliest} are no longer there")
        return 0

    monkeypatch.setattr("streams.runtime.recovery.forgotten_count", refuse)


def goes_on_in_a_topic_created_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def accepted(*layouts: Any, accepts: bool) -> frozenset[str]:
        return find_recreated(*layouts, accepts=True)

    monkeypatch.setattr("streams.runtime.recovery.find_recreated", accepted)


def loses_held_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CatchUpBuffer, "release", lambda *_: [])


@pytest.mark.parametrize(
    "fault",
    [
        goes_on_without_unread_records,
        goes_on_without_records_that_decisions_rest_on,
        stops_for_records_in_a_checkpoint,
        goes_on_without_lost_outputs,
        stops_for_outputs_in_a_checkpoint,
        goes_on_in_a_topic_created_again,
        loses_held_records,
    ],
)
def test_a_removed_safeguard_is_noticed(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    first = SEEDS_BEFORE.get(fault.__name__, 0) + 1
    assert any(run_seed(seed).violations for seed in range(first, first + 200))
