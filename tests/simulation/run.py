"""One seed from beginning to end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agents.case.case import NO_LONGER_KEPT
from schemas.errors import SopError
from tests.simulation.checks import aside, check, letters
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import NotQuietError, World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a seed showed: what does not hold, and how much it went through."""

    seed: int
    violations: list[str]
    fates: int
    records: int
    said: int
    aside: int
    left: int
    refused_late: int
    stops: int
    lost: int
    created_again: int
    said_unseen: int


def run_seed(seed: int, *, expires: bool = True) -> Outcome:
    """Run a seed; the same seed gives the same outcome. Only with `expires` do records expire, if the seed says so."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_run(seed, expires=expires))


async def _run(seed: int, *, expires: bool) -> Outcome:
    world = World(seed, expires=expires)
    unexpected: list[str] = []

    def never_retrieved(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if not isinstance(context.get("exception"), SopError):
            unexpected.append(str(context))

    asyncio.get_running_loop().set_exception_handler(never_retrieved)
    try:
        violations = check(world, await world.run())
    except NotQuietError as restless:
        violations = [f"never quiet: {restless}"]
    topics = world.topics
    return Outcome(
        seed,
        violations + unexpected,
        len(world.fates_met),
        world.kafka.count(topics.inputs),
        world.kafka.count(topics.outputs),
        len(aside(world)),
        sum(work.state_size().cases_departed for work in world.works.values()),
        sum(letter.reason == NO_LONGER_KEPT for letter in letters(world)),
        world.expiry.stops,
        len(world.expiry.concerned()[0]),
        world.expiry.created_again.total(),
        len(world.expiry.said_unseen),
    )
