"""Which holders have the lock at the same time."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from streams.runtime.shared_lock import SharedLock


class Holders:
    """Keeps the order in which holders take and release the lock."""

    def __init__(self) -> None:
        self.lock = SharedLock()
        self.events: list[str] = []

    async def use(self, name: str, held: AbstractAsyncContextManager[None], *, fails: bool = False) -> None:
        async with held:
            self.events.append(f"{name} in")
            for _ in range(3):
                await asyncio.sleep(0)
            if fails:
                raise KeyError
            self.events.append(f"{name} out")


async def test_many_can_share_it() -> None:
    holders = Holders()
    await asyncio.gather(*(holders.use(name, holders.lock.shared()) for name in "ab"))
    assert holders.events == ["a in", "b in", "a out", "b out"]


async def test_a_holder_alone_waits_for_those_that_share_it_and_comes_before_later_ones() -> None:
    holders, lock = Holders(), Holders().lock
    await asyncio.gather(
        holders.use("a", lock.shared()),
        holders.use("b", lock.shared()),
        holders.use("c", lock.alone()),
        holders.use("d", lock.shared()),
        holders.use("e", lock.alone()),
    )
    pairs = list(zip(holders.events[::2], holders.events[1::2], strict=True))
    assert pairs == [("a in", "b in"), ("a out", "b out"), ("c in", "c out"), ("d in", "d out"), ("e in", "e out")]


async def test_a_holder_that_raises_releases_it() -> None:
    holders, lock = Holders(), Holders().lock
    held = [lock.shared(), lock.alone(), lock.shared()]
    await asyncio.gather(*(holders.use("a", each, fails=True) for each in held), return_exceptions=True)
    await holders.use("b", lock.alone())
    assert holders.events == ["a in", "a in", "a in", "b in", "b out"]
