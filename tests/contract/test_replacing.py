"""What every store does when its content is replaced."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from streams.memory.store import MemoryState, MemoryStore
from streams.redis.store import RedisStore
from streams.runtime.ports import Changes, Checkpoint, ReplaceableStore
from tests.redis_server import RedisServer

FIRST, SECOND, THIRD = (Checkpoint({"jobs-3": at}, {}, {}) for at in (1, 2, 3))


async def replace_and_check(store: ReplaceableStore, successor: ReplaceableStore) -> None:
    await store.claim()
    await store.save(FIRST, Changes({"case:a": b"one", "partner:p": b"p"}, {"a": 7}, {"case:a": 8}))
    await store.clear(SECOND)
    assert await store.load(["case:a", "partner:p"]) == {}
    assert (await store.due(100, 10), await store.expired(100, 10)) == ([], [])
    await store.save(THIRD, Changes({"case:b": b"two"}, {"b": 9}))
    assert await successor.claim() == THIRD
    assert await successor.load(["case:a", "case:b"]) == {"case:b": b"two"}


async def test_the_memory_store_is_replaced() -> None:
    state = MemoryState()
    await replace_and_check(MemoryStore(state), MemoryStore(state))


@pytest.mark.parametrize("namespace", ["group", "a[b]*?\\"])
async def test_the_redis_store_is_replaced_whatever_the_name_of_the_group(
    redis_server: RedisServer, prefix: str, namespace: str
) -> None:
    async with Redis.from_url(redis_server.url, socket_timeout=2.0) as client:
        other = RedisStore(client, prefix + namespace.replace("[b]", "b"), 4)
        await other.claim()
        await other.save(FIRST, Changes({"case:a": b"another"}))
        first, second = (RedisStore(client, prefix + namespace, 3) for _ in range(2))
        await replace_and_check(first, second)
        assert await other.load(["case:a"]) == {"case:a": b"another"}
