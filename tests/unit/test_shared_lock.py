"""Who holds the lock with whom."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from streams.runtime.shared_lock import SharedLock


class Holders:
    """Writes down who comes in and goes out."""

    def __init__(self) -> None:
        self.lock = SharedLock()
        self.told: list[str] = []

    async def catch_up(self, name: str, held: AbstractAsyncContextManager[None], *, fails: bool = False) -> None:
        async with held:
            self.told.append(f"{name} in")
            for _ in range(3):
                await asyncio.sleep(0)
            if fails:
                raise KeyError
            self.told.append(f"{name} out")


async def test_many_share_it() -> None:
    holders = Holders()
    await asyncio.gather(*(holders.catch_up(name, holders.lock.shared()) for name in "ab"))
    assert holders.told == ["a in", "b in", "a out", "b out"]


async def test_one_has_it_alone_after_those_that_share_it_and_before_those_that_come_later() -> None:
    holders, lock = Holders(), Holders().lock
    await asyncio.gather(
        holders.catch_up("a", lock.shared()),
        holders.catch_up("b", lock.shared()),
        holders.catch_up("c", lock.alone()),
        holders.catch_up("d", lock.shared()),
        holders.catch_up("e", lock.alone()),
    )
    pairs = list(zip(holders.told[::2], holders.told[1::2], strict=True))
    assert pairs == [("a in", "b in"), ("a out", "b out"), ("c in", "c out"), ("d in", "d out"), ("e in", "e out")]


async def test_who_fails_lets_go_of_it() -> None:
    holders, lock = Holders(), Holders().lock
    held = [lock.shared(), lock.alone(), lock.shared()]
    await asyncio.gather(*(holders.catch_up("a", each, fails=True) for each in held), return_exceptions=True)
    await holders.catch_up("b", lock.alone())
    assert holders.told == ["a in", "a in", "a in", "b in", "b out"]
