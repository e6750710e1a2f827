"""How much waits for a task: batches by their number and by their bytes."""

from __future__ import annotations

import asyncio

import pytest

from streams.runtime.catch_up_buffer import AHEAD_BYTES_MAX, CatchUpBuffer
from streams.runtime.inbox import BATCHES_WAITING_MAX, BYTES_WAITING_MAX, Inbox
from streams.runtime.ports import TP, Stored

JOBS = TP("jobs", 0)
QUARTER = BYTES_WAITING_MAX // 4


def batch(
    number: int, value: bytes | None = b"", key: bytes | None = None, header: bytes | None = None
) -> list[Stored]:
    return [Stored(number, key, value, (("h", header),))]


async def put(inbox: Inbox, batches: list[list[Stored]]) -> asyncio.Task[None]:
    """Hand batches over, one after the other, until no more is taken."""

    async def all_of_them() -> None:
        for each in batches:
            await inbox.put(JOBS, each)

    putting = asyncio.create_task(all_of_them())
    for _ in range(4 * len(batches)):
        await asyncio.sleep(0)
    return putting


async def taken(inbox: Inbox, records_max: int) -> list[int]:
    return [records[0].offset for _, records in await inbox.take(0, records_max)]


@pytest.mark.parametrize("part", ["value", "key", "header"])
async def test_no_batch_is_taken_beside_as_many_bytes_as_may_wait(part: str) -> None:
    inbox = Inbox()
    putting = await put(inbox, [batch(number, **{part: bytes(QUARTER)}) for number in range(9)])
    assert len(inbox) == 4
    assert await taken(inbox, 1) == [0]
    await asyncio.sleep(0)
    assert len(inbox) == 4
    found: list[int] = []
    while not putting.done() or len(inbox):
        found += await taken(inbox, 2)
    assert found == list(range(1, 9))


async def test_small_batches_are_bound_by_their_number() -> None:
    inbox = Inbox()
    putting = await put(inbox, [batch(number, None) for number in range(BATCHES_WAITING_MAX + 1)])
    assert len(inbox) == BATCHES_WAITING_MAX
    assert await taken(inbox, 99) == list(range(BATCHES_WAITING_MAX))
    await putting
    assert len(inbox) == 1


def test_what_is_kept_until_the_rest_is_read_is_bound_by_its_bytes() -> None:
    catch_up = CatchUpBuffer({"tickets-0": 5}, 99)
    assert catch_up.before([(JOBS, batch(0, bytes(AHEAD_BYTES_MAX // 2)))]) == []
    assert catch_up.wants(JOBS)
    catch_up.before([(JOBS, batch(1, bytes(AHEAD_BYTES_MAX // 2)))])
    assert not catch_up.wants(JOBS)
    assert len(catch_up.release()) == 2
    assert catch_up.wants(JOBS)
