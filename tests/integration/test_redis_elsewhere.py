"""A real Redis with another set-up than ours is refused with a reason, also when it changes later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from schemas.errors import Fatal, StoreLost, Unavailable, UsageError
from streams.config.settings import Settings
from streams.redis.checks import check_redis
from streams.redis.connection import connect_redis
from streams.redis.store import CHECK_EVERY_S, RedisStore
from streams.runtime.ports import Changes, Checkpoint
from tests.redis_server import RedisServer

CLUSTER_PORT_MAX = 55_535
"""A cluster node also opens the port 10,000 above its own."""
SAVED = Checkpoint({"jobs-0": 3}, {}, {})


def connected(url: str) -> Redis:
    client = connect_redis(Settings(redis_url=url, redis_timeout_s=2))
    assert client is not None
    return client


@contextmanager
def running(program: Path, folder: Path, *arguments: str) -> Iterator[RedisServer]:
    folder.mkdir()
    server = RedisServer(program, folder, *arguments)
    while server.port > CLUSTER_PORT_MAX:
        server = RedisServer(program, folder, *arguments)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--cluster-enabled", "yes"), "this is a Redis Cluster, which is not supported"),
        (("--replicaof", "127.0.0.1", "1"), "this Redis is a replica"),
        (("--maxmemory-policy", "allkeys-lru"), "Redis may evict keys (maxmemory-policy allkeys-lru)"),
    ],
)
async def test_a_redis_that_cannot_keep_checkpoints_is_refused(
    redis_program: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    with running(redis_program, tmp_path / "redis", *arguments) as server:
        async with connected(server.url) as client:
            with pytest.raises(UsageError) as refused:
                await check_redis(client, 2.0)
    assert str(refused.value).startswith(f"SOP_REDIS_URL: {expected}")


async def test_a_server_that_is_not_redis_is_refused() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"redis://127.0.0.1:{port}/0") as client:
            with pytest.raises(UsageError, match=r"^SOP_REDIS_URL: "):
                await check_redis(client, 0.0)


@pytest.mark.parametrize("query", ["", "?protocol=3&health_check_interval=1", "?socket_timeout=3&client_name=sop"])
async def test_checkpoints_are_kept_with_every_known_option(redis_server: RedisServer, prefix: str, query: str) -> None:
    async with connected(redis_server.url + query) as client:
        await check_redis(client, 2.0)
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, Changes({"case:a": b"\xff"}, {"a": 7}))
        assert await store.load(["case:a"]) == {"case:a": b"\xff"}
        assert await store.due(9, 9) == ["a"]
        assert await RedisStore(client, prefix, 0).claim() == SAVED


async def test_an_eviction_policy_that_is_set_later_is_noticed(
    own_redis_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(own_redis_server.url) as client:
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, Changes({"case:a": b"a"}))
        await client.config_set("maxmemory-policy", "allkeys-lru")
        assert await store.load(["case:a"]) == {"case:a": b"a"}, "the policy is not read at each call"
        store._checked_s -= CHECK_EVERY_S
        with pytest.raises(Fatal, match=r"Redis may evict keys \(maxmemory-policy allkeys-lru\)"):
            await store.load(["case:a"])
        store._checked_s -= CHECK_EVERY_S
        with pytest.raises(Fatal, match="Redis may evict keys"):
            await store.save(SAVED, Changes())
        await client.config_set("maxmemory-policy", "volatile-lru")
        store._checked_s -= CHECK_EVERY_S
        assert await store.load(["case:a"]) == {"case:a": b"a"}


async def test_without_the_right_to_read_info_eviction_is_not_checked(
    own_redis_server: RedisServer, prefix: str
) -> None:
    async with connected(own_redis_server.url) as client:
        rules = {"enabled": True, "passwords": ["+pw"], "keys": ["*"], "commands": ["+@all", "-info"]}
        await client.acl_setuser("blind", **rules)  # type: ignore[arg-type] # of several types
    async with connected(own_redis_server.url.replace("//", "//blind:pw@")) as blind:
        await check_redis(blind, 2.0)
        store = RedisStore(blind, prefix, 0)
        await store.claim()
        await store.save(SAVED, Changes())


async def test_keys_that_something_else_overwrote_are_the_store_s_fault(redis_server: RedisServer, prefix: str) -> None:
    async with connected(redis_server.url) as client:
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, Changes())
        await client.delete(f"{{{prefix}:0}}:due")
        await client.set(f"{{{prefix}:0}}:due", "a string")
        with pytest.raises(Unavailable, match="WRONGTYPE"):
            await store.due(9, 9)
        await client.hset(f"{{{prefix}:0}}:meta", "saved", "{")
        with pytest.raises(StoreLost, match="holds no checkpoint"):
            await RedisStore(client, prefix, 0).claim()


async def test_a_full_redis_can_still_be_read(own_redis_server: RedisServer, prefix: str) -> None:
    """Decisions continue then; only checkpoints wait."""
    async with connected(own_redis_server.url) as client:
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, Changes({"case:1": b"one"}))
        await client.config_set("maxmemory", "1")
        assert await store.load(["case:1", "case:2"]) == {"case:1": b"one"}
        with pytest.raises(Unavailable):
            await store.save(SAVED, Changes({"case:1": b"two"}))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis://:wrong@127.0.0.1:{port}/0", "Redis denies access: "),
        ("redis://127.0.0.1:{port}/0", "Redis denies access: "),
        ("redis://:right@127.0.0.1:{port}/99", "Redis answers with an error: DB index is out of range"),
    ],
)
async def test_an_error_that_redis_answers_with_is_reported(
    own_redis_server: RedisServer, address: str, expected: str
) -> None:
    async with connected(own_redis_server.url) as client:
        await client.config_set("requirepass", "right")
    async with connected(address.format(port=own_redis_server.port)) as client:
        with pytest.raises(UsageError) as refused:
            await check_redis(client, 2.0)
    assert str(refused.value).startswith(f"SOP_REDIS_URL: {expected}")
