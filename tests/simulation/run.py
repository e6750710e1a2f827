"""One seed from beginning to end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agents.case.case import NO_LONGER_KEPT
from schemas.errors import SopError
from tests.simulation.checks import check, dead_letters, quarantined
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import NotAtRestError, World


@dataclass(frozen=True, slots=True)
class Outcome:
    """The violations that a seed showed, and counts of what happened in it."""

    seed: int
    violations: list[str]
    faults: int
    records: int
    outputs: int
    quarantined: int
    departed: int
    refused_late: int
    reopened: int
    stops: int
    cases_with_losses: int
    recreated: int
    lost_outputs: int


def run_seed(seed: int, *, expires: bool = True) -> Outcome:
    """Run a seed; the same seed gives the same outcome. With `expires`, records expire if the seed says so."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_run(seed, expires=expires))


def run_world(seed: int) -> World:
    """Run a seed without records that expire, and return the world as it is at the end."""

    async def run() -> World:
        world = World(seed, expires=False)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # `run_seed` looks at these
        await world.run()
        return world

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


async def _run(seed: int, *, expires: bool) -> Outcome:
    world = World(seed, expires=expires)
    unexpected: list[str] = []

    def never_retrieved(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if not isinstance(context.get("exception"), SopError):
            unexpected.append(str(context))

    asyncio.get_running_loop().set_exception_handler(never_retrieved)
    try:
        violations = check(world, await world.run())
    except NotAtRestError as unfinished:
        violations = [f"never at rest: {unfinished}"]
    topics = world.topics
    return Outcome(
        seed,
        violations + unexpected,
        len(world.faults_met),
        world.kafka.count(topics.inputs),
        world.kafka.count(topics.outputs),
        len(quarantined(world)),
        sum(processor.state_size().cases_departed for processor in world.processors.values()),
        sum(letter.reason == NO_LONGER_KEPT for letter in dead_letters(world)),
        sum(processor._retention.cases_reopened for processor in world.processors.values()),
        world.expiry.stops,
        len(world.expiry.losers()[0]),
        world.expiry.recreated.total(),
        len(world.expiry.lost_outputs),
    )
