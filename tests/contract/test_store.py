"""What every store does: it has one owner at a time, and returns an earlier checkpoint as a whole, never a mixture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import msgspec
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from schemas.errors import StoreLost, Unavailable
from streams.memory.store import MemoryState, MemoryStore
from streams.redis.store import RedisStore
from streams.runtime.ports import Changes, Checkpoint, Store
from tests.redis_server import RedisServer

NewOwner = Callable[[], Store]


def connected(server: RedisServer) -> Redis:
    return Redis.from_url(server.url, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))


def saved(at: int) -> Checkpoint:
    return Checkpoint({"jobs-3": at}, {"actions-3": at + 1}, {"jobs-3": {"applied": at}}, {"jobs-3": at})


@pytest.fixture(scope="module", autouse=True)
def _redis_starts_first(request: pytest.FixtureRequest) -> None:
    """Start the server, if there is one, outside of any test's time limit."""
    with suppress(pytest.skip.Exception):
        request.getfixturevalue("redis_server")


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with connected(redis_server) as client:
        yield client


@pytest.fixture(params=["memory", "redis"])
async def new_owner(request: pytest.FixtureRequest, prefix: str) -> AsyncIterator[NewOwner]:
    """Yield a function that makes a new owner of the same checkpoints."""
    if request.param == "memory":
        state = MemoryState()
        yield lambda: MemoryStore(state)
        return
    async with connected(request.getfixturevalue("redis_server")) as client:
        yield lambda: RedisStore(client, prefix, 3)


async def test_a_new_store_is_empty(new_owner: NewOwner) -> None:
    store = new_owner()
    assert await store.claim() is None
    assert await store.load(["case:a"]) == {}
    assert await store.due(10**18, 10) == []
    assert await store.expired(10**18, 10) == []


async def test_the_next_owner_finds_all_that_was_saved(new_owner: NewOwner) -> None:
    store = new_owner()
    await store.claim()
    await store.save(saved(1), Changes({"case:a": b"\x00one", "partner:p": b"p"}, {"a": 7}))
    await store.save(saved(2), Changes({"case:a": b"\xfftwo", "case:b": b""}, {"a": None, "b": 8}))
    successor = new_owner()
    assert await successor.claim() == saved(2)
    found = await successor.load(["case:a", "case:b", "case:c", "partner:p"])
    assert found == {"case:a": b"\xfftwo", "case:b": b"", "partner:p": b"p"}
    assert await successor.due(100, 10) == ["b"]


async def test_a_save_without_changes_moves_the_positions(new_owner: NewOwner) -> None:
    store = new_owner()
    await store.claim()
    await store.save(saved(1), Changes())
    assert await new_owner().claim() == saved(1)


async def test_due_cases_come_earliest_first_up_to_the_limit(new_owner: NewOwner) -> None:
    store = new_owner()
    await store.claim()
    early, late = 1_795_219_200_000_001, 1_795_219_200_000_002  # one microsecond apart
    await store.save(saved(1), Changes({}, {"c": late, "a": early, "b": early - 5, "never": None}))
    assert await store.due(early, 10) == ["b", "a"]
    assert await store.due(late, 2) == ["b", "a"]
    assert await store.due(early - 6, 10) == []


async def test_a_deleted_blob_loses_its_expiry_and_the_others_stay(new_owner: NewOwner) -> None:
    store = new_owner()
    await store.claim()
    blobs = {"case:a": b"a", "case:b": b"b", "partner:a": b"p"}
    await store.save(saved(1), Changes(blobs, {"a": 5, "b": 6}, {"case:a": 3, "case:b": 4, "partner:a": 2}))
    await store.save(saved(2), Changes({"case:a": None, "case:never": None}, {"a": None}))
    successor = new_owner()
    assert await successor.claim() == saved(2)
    assert await successor.load(list(blobs)) == {"case:b": b"b", "partner:a": b"p"}
    assert await successor.due(10, 10) == ["b"]
    assert await successor.expired(10, 10) == ["partner:a", "case:b"]


async def test_a_deleted_blob_can_be_saved_again(new_owner: NewOwner) -> None:
    store = new_owner()
    await store.claim()
    await store.save(saved(1), Changes({"case:a": b"a"}, {}, {"case:a": 3}))
    await store.save(saved(2), Changes({"case:a": None}, {}, {"case:a": 7}))
    assert await store.expired(10, 10) == [], "a deleted blob has no expiry"
    await store.save(saved(3), Changes({"case:a": b"anew"}, {}, {"case:a": 9}))
    assert await store.load(["case:a"]) == {"case:a": b"anew"}
    assert await store.expired(9, 10) == ["case:a"]


async def test_expired_keys_come_earliest_first_up_to_the_limit_until_their_expiry_changes(new_owner: NewOwner) -> None:
    store = new_owner()
    await store.claim()
    blobs = {f"case:{each}": b"x" for each in "abcd"}
    await store.save(saved(1), Changes(blobs, {}, {"case:a": 3, "case:b": 1, "case:c": 2, "case:d": None}))
    assert [await store.expired(until, 2) for until in (0, 1, 3)] == [[], ["case:b"], ["case:b", "case:c"]]
    assert await store.expired(3, 9) == ["case:b", "case:c", "case:a"], "reading changes nothing"
    await store.save(saved(2), Changes({}, {}, {"case:b": 9, "case:c": None}))
    assert await store.expired(3, 9) == ["case:a"]


async def test_a_replaced_owner_can_neither_save_nor_load(new_owner: NewOwner) -> None:
    first, second = new_owner(), new_owner()
    await first.claim()
    await first.save(saved(1), Changes({"case:a": b"one"}))
    await second.claim()
    with pytest.raises(StoreLost):
        await first.save(saved(2), Changes({"case:a": b"late"}, {"a": 1}))
    with pytest.raises(StoreLost):
        await first.load(["case:a"])
    assert await second.load(["case:a"]) == {"case:a": b"one"}
    assert await second.due(10, 10) == []
    await second.save(saved(3), Changes())
    assert await new_owner().claim() == saved(3)


async def test_partition_numbers_share_nothing(client: Redis, prefix: str) -> None:
    three, thirty = RedisStore(client, prefix, 3), RedisStore(client, prefix, 30)
    await three.claim()
    await thirty.claim()
    await three.save(saved(1), Changes({"case:a": b"three"}, {"a": 1}))
    assert await thirty.load(["case:a"]) == {}
    assert await thirty.due(10, 10) == []


async def test_an_emptied_redis_is_noticed_by_the_next_call(client: Redis, prefix: str) -> None:
    store = RedisStore(client, prefix, 3)
    await store.claim()
    await store.save(saved(1), Changes({"case:a": b"one"}))
    await _empty(client, prefix)
    with pytest.raises(StoreLost):
        await store.load(["case:b"])
    with pytest.raises(StoreLost):
        await store.save(saved(2), Changes())
    assert await RedisStore(client, prefix, 3).claim() is None


async def test_a_redis_restored_to_an_older_state_is_noticed(client: Redis, prefix: str) -> None:
    store = RedisStore(client, prefix, 3)
    await store.claim()
    await store.save(saved(1), Changes())
    older = {key: await client.dump(key) for key in await client.keys(f"*{prefix}*")}
    await store.save(saved(2), Changes())
    for key, value in older.items():
        await client.restore(key, 0, cast("Any", value), replace=True)
    with pytest.raises(StoreLost):
        await store.save(saved(3), Changes())
    with pytest.raises(StoreLost):
        await store.load(["case:a"])
    assert await RedisStore(client, prefix, 3).claim() == saved(1)


async def test_an_owner_from_before_redis_was_emptied_stays_refused(client: Redis, prefix: str) -> None:
    old = RedisStore(client, prefix, 3)
    await old.claim()
    await old.save(saved(1), Changes())
    await _empty(client, prefix)
    new = RedisStore(client, prefix, 3)
    await new.claim()
    await new.save(saved(5), Changes({"case:a": b"new"}))  # as many writes as the old owner has made
    with pytest.raises(StoreLost):
        await old.save(saved(2), Changes({"case:a": b"old"}))
    assert await new.load(["case:a"]) == {"case:a": b"new"}


async def test_a_save_repeated_after_a_lost_reply_is_recognised(client: Redis, prefix: str) -> None:
    store = RedisStore(client, prefix, 3)
    await store.claim()
    before = store._seq
    await store.save(saved(1), Changes({"case:a": b"one"}, {"a": 5}))
    store._seq = before  # as if the reply had been lost
    await store.save(saved(1), Changes({"case:a": b"one"}, {"a": 5}))
    await store.save(saved(2), Changes())
    assert await RedisStore(client, prefix, 3).claim() == saved(2)


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.redis.store.PART_BYTES", 10)
    monkeypatch.setattr("streams.redis.store.PART_INSTANTS", 2)


@pytest.mark.usefixtures("_small_parts")
async def test_a_save_of_many_parts_is_atomic(client: Redis, prefix: str) -> None:
    store = RedisStore(client, prefix, 3)
    await store.claim()
    blobs = {f"case:{number}": bytes([number]) * number for number in range(40)}
    expiries = {key: at for at, key in enumerate(blobs)}
    await store.save(saved(1), Changes(blobs, {f"{number}": number for number in range(500)}, expiries))
    changes: dict[str, bytes | None] = {"case:1": b"one"}
    deleted = [f"case:{number}" for number in range(30, 40)]
    await store.save(
        saved(2), Changes(changes | dict.fromkeys(deleted), {f"{number}": None for number in range(1, 500)})
    )
    blobs = {key: blob for key, blob in blobs.items() if key not in deleted}
    successor = RedisStore(client, prefix, 3)
    assert await successor.claim() == saved(2)
    assert await successor.load(list(blobs)) == blobs | {"case:1": b"one"}
    assert await successor.due(10**18, 999) == ["0"]
    assert await successor.expired(10**18, 999) == list(blobs)
    assert sorted(await client.keys(f"*{prefix}*")) == sorted(
        f"{{{prefix}:3}}:{key}".encode() for key in ("meta", "due", "expiry", *blobs)
    )


@pytest.mark.usefixtures("_small_parts")
async def test_a_save_whose_parts_are_gone_fails_and_can_be_repeated(client: Redis, prefix: str) -> None:
    store, stage = RedisStore(client, prefix, 3), f"{{{prefix}:3}}:stage"
    await store.claim()
    blobs = {f"case:{number}": b"new-new-new" for number in range(3)}
    await store.save(saved(1), Changes(dict.fromkeys(blobs, b"old")))

    async def lost(**_: Any) -> None:
        await client.delete(stage)

    staging, store._run_stage = store._run_stage, cast("Any", lost)
    with pytest.raises(Unavailable, match="gone"):
        await store.save(saved(2), Changes(blobs))
    assert await store.load(list(blobs)) == dict.fromkeys(blobs, b"old")
    store._run_stage = staging
    await store.save(saved(2), Changes(blobs))
    assert await store.load(list(blobs)) == blobs


@pytest.mark.usefixtures("_small_parts")
async def test_a_save_of_many_parts_repeated_after_a_lost_reply_is_recognised(client: Redis, prefix: str) -> None:
    store = RedisStore(client, prefix, 3)
    await store.claim()
    blobs = {f"case:{number}": b"new-new-new" for number in range(3)}
    before = store._seq
    await store.save(saved(1), Changes(blobs))
    store._seq = before  # as if the reply had been lost
    await store.save(saved(1), Changes(blobs))
    await store.save(saved(2), Changes({"case:0": b"2"}))
    assert await store.load(["case:0", "case:1"]) == {"case:0": b"2", "case:1": b"new-new-new"}


@pytest.mark.usefixtures("_small_parts")
async def test_parts_of_a_replaced_owner_are_in_no_checkpoint(client: Redis, prefix: str) -> None:
    first, second = RedisStore(client, prefix, 3), RedisStore(client, prefix, 3)
    await first.claim()
    await second.claim()
    blobs = {f"case:{number}": b"late-late-late" for number in range(3)}
    with pytest.raises(StoreLost):
        await first.save(saved(1), Changes(blobs))
    await second.save(saved(2), Changes({"case:9": b"mine"}))
    assert await second.load([*blobs, "case:9"]) == {"case:9": b"mine"}


def broken(store: RedisStore, call: int, when: str) -> list[str]:
    """Make a call fail, counted from 1, before or after its script runs; return the list of calls made."""
    calls: list[str] = []

    def breaking(name: str, script: Any) -> Callable[..., Awaitable[Any]]:
        async def run(**arguments: Any) -> Any:
            calls.append(name)
            breaks = when if len(calls) == call else None
            if breaks == "before":
                raise RedisError("gone")
            answer = await script(**arguments)
            if breaks == "after":
                raise RedisError("gone")
            return answer

        return run

    for name in ("_run_stage", "_run_commit", "_run_apply_next"):
        setattr(store, name, breaking(name, getattr(store, name)))
    return calls


OLD = {f"case:{number}": b"old-old-old" for number in range(6)}
NEW = {f"case:{number}": b"new-new-new" for number in range(4)}
CHANGES = NEW | dict.fromkeys(["case:4", "case:5"])
PARTS = 5
CALLS = PARTS + 1 + PARTS - 1


async def half_saved(client: Redis, prefix: str, call: int, when: str) -> RedisStore:
    """Return a store that saved OLD, and as much of CHANGES as comes before a lost call."""
    store = RedisStore(client, prefix, 3)
    await store.claim()
    await store.save(saved(1), Changes(OLD, dict.fromkeys("abcdefgh", 1), dict.fromkeys(OLD, 1)))
    calls = broken(store, call, when)
    with pytest.raises(Unavailable):
        await store.save(saved(2), Changes(CHANGES, dict.fromkeys("abcdefgh", 2), dict.fromkeys(NEW, 2)))
    assert len(calls) == call
    return store


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
async def test_a_save_can_be_repeated_whichever_call_was_lost(client: Redis, prefix: str, call: int, when: str) -> None:
    store = await half_saved(client, prefix, call, when)
    await store.save(saved(2), Changes(CHANGES, dict.fromkeys("abcdefgh", 2), dict.fromkeys(NEW, 2)))
    await store.save(saved(3), Changes({"case:0": b"newest"}))
    assert await store.load(list(OLD)) == NEW | {"case:0": b"newest"}
    assert await store.due(1, 9) == []
    assert [await store.expired(until, 9) for until in (1, 2)] == [[], list(NEW)]
    assert await RedisStore(client, prefix, 3).claim() == saved(3)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
async def test_the_next_owner_finds_all_of_an_interrupted_save_or_nothing(
    client: Redis, prefix: str, call: int, when: str
) -> None:
    store = await half_saved(client, prefix, call, when)
    successor = RedisStore(client, prefix, 3)
    found = await successor.claim()
    is_new = call > PARTS + 1 or (call == PARTS + 1 and when == "after")
    assert found == (saved(2) if is_new else saved(1))
    assert await successor.load(list(OLD)) == (NEW if is_new else OLD)
    assert await successor.due(1, 99) == ([] if is_new else list("abcdefgh"))
    assert await successor.expired(1, 99) == ([] if is_new else list(OLD))
    with pytest.raises(StoreLost):
        await store.save(saved(2), Changes(NEW))
    await successor.save(saved(9), Changes({"case:0": b"newest"}, {"a": None}))
    assert await successor.load(list(OLD)) == (NEW if is_new else OLD) | {"case:0": b"newest"}


@pytest.mark.usefixtures("_small_parts")
async def test_a_part_that_version_0_1_staged_is_applied(client: Redis, prefix: str) -> None:
    store, base = RedisStore(client, prefix, 3), f"{{{prefix}:3}}:"
    await store.claim()
    await store.save(saved(1), Changes({"case:a": b"old"}, {"a": 1, "b": 2}))
    head = msgspec.msgpack.encode((["case:a"], [3], [5, "a"], ["b"]))
    await client.rpush(f"{base}stage", head, b"new")
    await client.hset(f"{base}meta", "parts", "1")
    successor = RedisStore(client, prefix, 3)
    await successor.claim()
    assert await successor.load(["case:a"]) == {"case:a": b"new"}
    assert await successor.due(9, 9) == ["a"]


async def test_loads_work_during_a_save(client: Redis, prefix: str) -> None:
    store = RedisStore(client, prefix, 3)
    await store.claim()
    for at in range(1, 20):
        blobs = {f"case:{number}": b"x" * 1000 for number in range(50)}
        _, *found = await asyncio.gather(
            store.save(saved(at), Changes(blobs)), *(store.load([f"case:{number}"]) for number in range(10))
        )
        assert len(found) == 10


async def test_a_redis_that_is_down_is_unavailable_and_may_come_back(own_redis_server: RedisServer) -> None:
    async with connected(own_redis_server) as client:
        store = RedisStore(client, "down", 3)
        await store.claim()
        await store.save(saved(1), Changes({"case:a": b"one"}, {"a": 1}))
        own_redis_server.stop()
        with pytest.raises(Unavailable):
            await store.save(saved(2), Changes({"case:a": b"two"}))
        with pytest.raises(Unavailable):
            await store.load(["case:a"])
        with pytest.raises(Unavailable):
            await store.due(10, 10)
        with pytest.raises(Unavailable):
            await RedisStore(client, "down", 3).claim()
        own_redis_server.start()
        await store.save(saved(2), Changes({"case:a": b"two"}))
        assert await store.load(["case:a"]) == {"case:a": b"two"}


async def _empty(client: Redis, prefix: str) -> None:
    for key in await client.keys(f"*{prefix}*"):
        await client.delete(key)
