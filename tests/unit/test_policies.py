"""A partition number under policies that become others: which cases are decided anew, and what outputs say of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import structs

from agents.sops import catalogue
from agents.sops.out_of_scope.policy import Proof
from schemas.policy.model import HOUR, SECOND, Policy, PolicySet
from streams.memory.store import MemoryState
from streams.policies.source import FixedPolicies, KnownPolicies
from streams.processor.policies import LOOK_EVERY_US
from streams.processor.processor import SopProcessor
from streams.runtime.ports import TP, Stored
from tests.processors import WITHOUT_WAIT, owner_of, packed, save
from tests.scenario import MIDNIGHT, Scenario

TICKETS = TP("tickets", 0)
AFTER = MIDNIGHT + 48 * HOUR
STRICT = structs.replace(
    WITHOUT_WAIT, label="strict", hash="s", effective_from=MIDNIGHT, sections=(Proof(min_images=2),)
)
LATER = structs.replace(STRICT, label="later", hash="l", effective_from=AFTER - HOUR)


class Published(FixedPolicies):
    """Policies that become more when the test says so."""

    def __init__(self, *policies: Policy) -> None:
        super().__init__(PolicySet(policies, WITHOUT_WAIT))

    def publish(self, *policies: Policy) -> None:
        position = self.known.positions.get("policies-0", 0) + 1
        self.known = KnownPolicies(PolicySet(policies, WITHOUT_WAIT), {"policies-0": position})


class Owner:
    """An owner of a partition number whose clock runs a step at a time."""

    def __init__(self, processor: SopProcessor, at: int = AFTER) -> None:
        self.processor = processor
        self.now = at

    async def read(self, *scenarios: Scenario) -> list[dict[str, object]]:
        lines = [line for scenario in scenarios for line in scenario.lines()]
        batch = [Stored(number, b"", line) for number, line in enumerate(lines)]
        await self.processor.process([(TICKETS, batch)], self.now)
        return await self.step()

    async def step(self) -> list[dict[str, object]]:
        """Return the decisions of one step."""
        self.now += LOOK_EVERY_US
        names = await self.processor.due(self.now, 1_000)
        outgoing = await self.processor.evaluate(self.now, {"tickets-0": 9}, names)
        return [json.loads(each.value) for each in outgoing if each.topic in catalogue.topics().decisions]

    async def rest(self) -> list[dict[str, object]]:
        """Return the decisions until no case is left to look at."""
        found = await self.step()
        while self.processor._policies._since is not None:
            found += await self.step()
        return found


def claim(case_id: str) -> Scenario:
    """Return a claim with one image, which is not enough under the strict policies."""
    return Scenario(case_id).booked().assigned().ticket("10:00").image("10:05").cancelled("10:30")


def decided_under(decisions: Sequence[dict[str, object]]) -> set[tuple[str, str]]:
    return {(str(each["subject"]), each["data"]["policy"].partition("@")[0]) for each in decisions}  # type: ignore[index]


async def owner(state: MemoryState, policies: Published, **settings: int) -> Owner:
    return Owner(await owner_of(state, policies=policies, **settings))


async def test_a_case_in_memory_is_decided_anew_under_the_policy_that_applies_to_it_now() -> None:
    policies = Published()
    one = await owner(MemoryState(), policies)
    first = await one.read(claim("job-1"))
    assert decided_under(first) == {("job-1", WITHOUT_WAIT.label)}
    assert await one.rest() == []
    policies.publish(STRICT)
    second = await one.rest()
    assert decided_under(second) == {("job-1", "strict")}
    assert {each["data"]["revision"] for each in second} == {2}  # type: ignore[index]
    assert await one.rest() == []


async def test_a_policy_that_applies_to_no_case_changes_nothing() -> None:
    policies = Published()
    one = await owner(MemoryState(), policies)
    await one.read(claim("job-1"))
    policies.publish(LATER)
    assert await one.rest() == []
    (changes,) = [packed(one.processor)]
    assert "policies" in changes.blobs


async def test_outputs_say_how_far_the_policies_were_read() -> None:
    policies = Published()
    one = await owner(MemoryState(), policies)
    assert {each["inputs"] for each in await one.read(claim("job-1"))} == {"tickets-0:8"}
    policies.publish(STRICT)
    assert {each["inputs"] for each in await one.rest()} == {"policies-0:0,tickets-0:8"}


async def test_cases_that_only_the_store_has_are_found_a_few_at_a_time() -> None:
    state, policies = MemoryState(), Published()
    one = await owner(state, policies, cached_cases_max=0)
    names = [f"job-{number}" for number in range(230)]
    await one.read(*map(claim, names))
    await save(one.processor)
    one.processor.mark_saved()
    assert not one.processor._cases.cases
    policies.publish(STRICT)
    first = await one.step()
    assert 0 < len({each["subject"] for each in first}) <= 100
    assert decided_under([*first, *await one.rest()]) == {(name, "strict") for name in names}


async def test_packed_cases_are_decided_anew_too() -> None:
    policies = Published()
    one = await owner(MemoryState(), policies, cached_cases_max=0)
    one.processor._cache.packing_slack = 1
    names = [f"job-{number}" for number in range(20)]
    await one.read(*map(claim, names))
    await one.step()
    assert one.processor._cache._cases._packed
    policies.publish(STRICT)
    assert decided_under(await one.rest()) == {(name, "strict") for name in names}


async def test_the_next_owner_finishes_what_the_last_one_did_not() -> None:
    state, policies = MemoryState(), Published()
    one = await owner(state, policies)
    await one.read(claim("job-1"))
    await one.rest()
    await save(one.processor)
    policies.publish(STRICT)  # the last owner dies before it does anything about it
    two = await owner(state, policies)
    assert decided_under(await two.rest()) == {("job-1", "strict")}
    await save(two.processor)
    three = await owner(state, policies)
    assert three.processor._policies._since is None, "there is nothing left to do"


async def test_another_set_of_files_after_a_restart_is_a_change_too() -> None:
    state = MemoryState()
    one = await owner(state, Published(STRICT))
    assert decided_under(await one.read(claim("job-1"))) == {("job-1", "strict")}
    await one.rest()
    await save(one.processor)
    assert decided_under(await (await owner(state, Published())).rest()) == {("job-1", WITHOUT_WAIT.label)}


async def test_a_case_that_is_touched_meanwhile_is_decided_under_the_new_policy_at_once() -> None:
    state, policies = MemoryState(), Published()
    one = await owner(state, policies, cached_cases_max=0)
    await one.read(claim("job-1"), claim("job-2"))
    await save(one.processor)
    one.processor.mark_saved()
    policies.publish(STRICT)
    await one.processor.due(one.now, 10)
    one.now += SECOND
    touched = await one.read(Scenario("job-2").assigned("11:00", "p2"))
    assert ("job-2", "strict") in decided_under(touched)
