"""A real Redis that is set up in another way than ours: what it cannot be is told, and what it becomes is noticed."""

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
from streams.redis.store import LOOK_EVERY_S, RedisStore
from streams.runtime.ports import Checkpoint
from tests.redis_server import RedisServer

CLUSTER_PORT_MAX = 55_535
"""A node of a cluster opens the port 10,000 further on too."""
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
    ("arguments", "told"),
    [
        (("--cluster-enabled", "yes"), "this is a Redis Cluster, which is not supported"),
        (("--replicaof", "127.0.0.1", "1"), "this Redis is a replica"),
        (("--maxmemory-policy", "allkeys-lru"), "Redis may drop keys (maxmemory-policy allkeys-lru)"),
    ],
)
async def test_a_redis_that_cannot_keep_checkpoints_is_refused(
    redis_program: Path, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    with running(redis_program, tmp_path / "redis", *arguments) as server:
        async with connected(server.url) as client:
            with pytest.raises(UsageError) as refused:
                await check_redis(client, 2.0)
    assert str(refused.value).startswith(f"SOP_REDIS_URL: {told}")


async def test_what_answers_as_no_redis_does_is_refused() -> None:
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
async def test_checkpoints_are_kept_with_every_option_that_is_known(
    redis_server: RedisServer, prefix: str, query: str
) -> None:
    async with connected(redis_server.url + query) as client:
        await check_redis(client, 2.0)
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, {"case:a": b"\xff"}, {"a": 7})
        assert await store.load(["case:a"]) == {"case:a": b"\xff"}
        assert await store.due(9, 9) == ["a"]
        assert await RedisStore(client, prefix, 0).claim() == SAVED


async def test_an_eviction_that_begins_later_is_noticed(
    own_redis_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(own_redis_server.url) as client:
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, {"case:a": b"a"}, {})
        await client.config_set("maxmemory-policy", "allkeys-lru")
        assert await store.load(["case:a"]) == {"case:a": b"a"}, "it is not asked at each call"
        store._looked_s -= LOOK_EVERY_S
        with pytest.raises(Fatal, match=r"Redis may drop keys \(maxmemory-policy allkeys-lru\)"):
            await store.load(["case:a"])
        store._looked_s -= LOOK_EVERY_S
        with pytest.raises(Fatal, match="Redis may drop keys"):
            await store.save(SAVED, {}, {})
        await client.config_set("maxmemory-policy", "volatile-lru")
        store._looked_s -= LOOK_EVERY_S
        assert await store.load(["case:a"]) == {"case:a": b"a"}


async def test_an_eviction_that_may_not_be_asked_for_is_passed_over(own_redis_server: RedisServer, prefix: str) -> None:
    async with connected(own_redis_server.url) as client:
        rules = {"enabled": True, "passwords": ["+pw"], "keys": ["*"], "commands": ["+@all", "-info"]}
        await client.acl_setuser("blind", **rules)  # type: ignore[arg-type] # of several types
    async with connected(own_redis_server.url.replace("//", "//blind:pw@")) as blind:
        await check_redis(blind, 2.0)
        store = RedisStore(blind, prefix, 0)
        await store.claim()
        await store.save(SAVED, {}, {})


async def test_what_somebody_else_put_in_its_place_is_the_store_s_fault(redis_server: RedisServer, prefix: str) -> None:
    async with connected(redis_server.url) as client:
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, {}, {})
        await client.delete(f"{{{prefix}:0}}:due")
        await client.set(f"{{{prefix}:0}}:due", "a string")
        with pytest.raises(Unavailable, match="WRONGTYPE"):
            await store.due(9, 9)
        await client.hset(f"{{{prefix}:0}}:meta", "saved", "{")
        with pytest.raises(StoreLost, match="holds no positions"):
            await RedisStore(client, prefix, 0).claim()


async def test_what_is_there_can_be_read_while_redis_is_full(own_redis_server: RedisServer, prefix: str) -> None:
    """Decisions go on then; only checkpoints wait."""
    async with connected(own_redis_server.url) as client:
        store = RedisStore(client, prefix, 0)
        await store.claim()
        await store.save(SAVED, {"case:1": b"one"}, {})
        await client.config_set("maxmemory", "1")
        assert await store.load(["case:1", "case:2"]) == {"case:1": b"one"}
        with pytest.raises(Unavailable):
            await store.save(SAVED, {"case:1": b"two"}, {})


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("redis://:wrong@127.0.0.1:{port}/0", "Redis does not let this user in: "),
        ("redis://127.0.0.1:{port}/0", "Redis does not let this user in: "),
        ("redis://:right@127.0.0.1:{port}/99", "Redis refuses: DB index is out of range"),
    ],
)
async def test_what_redis_has_against_who_asks_is_told(own_redis_server: RedisServer, address: str, told: str) -> None:
    async with connected(own_redis_server.url) as client:
        await client.config_set("requirepass", "right")
    async with connected(address.format(port=own_redis_server.port)) as client:
        with pytest.raises(UsageError) as refused:
            await check_redis(client, 2.0)
    assert str(refused.value).startswith(f"SOP_REDIS_URL: {told}")
