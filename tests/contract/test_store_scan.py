"""What every store does: a scan finds all keys, a part of them at a time."""

from __future__ import annotations

from streams.runtime.ports import Changes, Store
from tests.contract.test_store import NewOwner, _redis_starts_first, client, new_owner, saved

__all__ = ["_redis_starts_first", "client", "new_owner"]


async def test_a_scan_finds_all_that_is_there_the_whole_time_and_nothing_else(new_owner: NewOwner) -> None:
    store = new_owner()
    await store.claim()
    assert await scanned(store) == set()
    blobs = {f"case:{number}|ü*[": b"x" for number in range(1_200)} | {"partner:p": b"p", "letters": b""}
    await store.save(saved(1), Changes(blobs, {"0|ü*[": 5}, {"partner:p": 4}))
    await store.save(saved(2), Changes({"case:0|ü*[": None}))
    assert await scanned(store) == blobs.keys() - {"case:0|ü*["}


async def scanned(store: Store) -> set[str]:
    cursor, found = await store.scan(0)
    keys = set(found)
    while cursor:
        cursor, found = await store.scan(cursor)
        keys.update(found)
    return keys
