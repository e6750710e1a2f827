"""Checkpoints in Redis. They are a cache: Kafka has the truth (runtime.md, "Delivery guarantees").

The keys of one partition number share a hash tag: `meta` (epoch, sequence number, positions), `due` (deadlines by
case), `expiry` (expiries by key), `stage`, and one string for each case and partner. Scripts do all writing and check
the owner's epoch and the sequence number of the write before. Every read returns both too. So an owner that was
replaced, or whose acknowledged writes are lost, finds out before it acts on what it read.

A checkpoint is written in parts, so that no call blocks Redis for long. The parts are appended to `stage`, which nobody
reads. When all are there, `meta` commits them, and `stage` becomes a redo log: its parts are applied one by one, by the
next owner if this one dies.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from schemas.errors import Fatal, StoreLost, Unavailable
from streams.redis.checks import eviction_reason
from streams.runtime.ports import Changes, Checkpoint

# Applies the first part of a committed stage, 200 items per call, since Lua's stack is limited.
_APPLY_PART: Final = """
local function call(items, ...)
  for first = 1, #items, 200 do
    local few = {...}
    for i = first, math.min(first + 199, #items) do few[#few + 1] = items[i] end
    redis.call(unpack(few))
  end
end
local function apply_part(meta, due, stage, expiry, base)
  local head, blobs = unpack(redis.call('LRANGE', stage, 0, 1))
  local keys, lengths, dues, undue, expiries, unexpiring, deleted = unpack(cmsgpack.unpack(head))
  local items, at = {}, 0
  for i, key in ipairs(keys) do
    items[2 * i - 1], items[2 * i] = base .. key, string.sub(blobs, at + 1, at + lengths[i])
    at = at + lengths[i]
  end
  call(items, 'MSET')
  call(dues, 'ZADD', due)
  call(undue, 'ZREM', due)
  if deleted then -- version 0.1 staged only what is above
    call(expiries, 'ZADD', expiry)
    call(unexpiring, 'ZREM', expiry)
    call(deleted, 'ZREM', expiry)
    for i, key in ipairs(deleted) do deleted[i] = base .. key end
    call(deleted, 'UNLINK')
  end
  redis.call('LTRIM', stage, 2, -1)
  return redis.call('HINCRBY', meta, 'parts', -1)
end
"""

# KEYS: meta, due, stage, expiry. Returns the new epoch, the sequence number, the checkpoint, and how many parts are
# still to be applied. The epoch starts at Redis's clock, so that none is used twice if Redis loses writes. A number in
# Lua is precise enough for it.
_CLAIM: Final = """
local time = redis.call('TIME')
local old, seq, saved, parts = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'saved', 'parts'))
local epoch = math.max(time[1] * 1000000 + time[2], (old or 0) + 1)
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch))
if tonumber(parts or 0) == 0 then redis.call('UNLINK', KEYS[3]) end
return {epoch, tonumber(seq or 0), saved, tonumber(parts or 0)}
"""

# KEYS: as above; ARGV: epoch, last sequence number, how many parts are staged, a part's head, its blobs. A part that is
# there already, since only the reply was lost, is skipped. An owner that may not write learns it from `_COMMIT`.
_STAGE: Final = """
local owner = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
if owner[1] ~= ARGV[1] or (owner[2] or '0') ~= ARGV[2] then return end
if ARGV[3] == '0' then redis.call('UNLINK', KEYS[3]) end
if redis.call('LLEN', KEYS[3]) == 2 * ARGV[3] then redis.call('RPUSH', KEYS[3], ARGV[4], ARGV[5]) end
"""

# KEYS: as above; ARGV: epoch, last sequence number, how many parts are staged, prefix of keys, checkpoint. Returns
# {1, parts still to be applied} if committed, {2} if parts are missing, else {0, epoch, sequence number} as found.
_COMMIT: Final = """
local epoch, seq, saved, parts = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'saved', 'parts'))
if epoch == ARGV[1] and tonumber(seq or 0) == ARGV[2] + 1 and saved == ARGV[5] then return {1, tonumber(parts)} end
if epoch ~= ARGV[1] or (seq or '0') ~= ARGV[2] then return {0, epoch or '0', seq or '0'} end
if redis.call('LLEN', KEYS[3]) ~= 2 * ARGV[3] then return {2} end
redis.call('HSET', KEYS[1], 'seq', ARGV[2] + 1, 'saved', ARGV[5], 'parts', ARGV[3])
return {1, apply_part(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[4])}
"""

# KEYS: as above; ARGV: epoch, prefix of keys. Returns {1, parts still to be applied}, else as above.
_APPLY_NEXT: Final = """
local epoch, seq, parts = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'parts'))
if epoch ~= ARGV[1] then return {0, epoch or '0', seq or '0'} end
return {1, tonumber(parts or 0) > 0 and apply_part(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2]) or 0}
"""

CHECK_EVERY_S: Final = 10.0
"""How often Redis's eviction policy is checked, since it can be changed at run time."""
PART_BYTES: Final = 1 << 17
PART_INSTANTS: Final = 500
"""Size of a part: bytes of blobs, number of deadlines and of expiries. Redis serves others between parts."""

SCAN_COUNT: Final = 500

COMMITTED: Final = 1
PARTS_MISSING: Final = 2

_CHECKPOINT: Final = msgspec.json.Decoder(Checkpoint)
_pack: Final = msgspec.msgpack.Encoder().encode


class RedisStore:
    """The checkpoints of one partition number of one group (see `streams.runtime.ports.Store`).

    `redis` is a client with timeouts of its own; `namespace` is the topic prefix and the group.
    """

    def __init__(self, redis: Redis, namespace: str, partition: int) -> None:
        self._redis = redis
        self._base = f"{{{namespace}:{partition}}}:"
        self._epoch = self._seq = -1
        self._writing = False
        self._checked_s = float("-inf")
        self._keys = [self._base + key for key in ("meta", "due", "stage", "expiry")]
        self._run_claim = redis.register_script(_CLAIM)
        self._run_stage = redis.register_script(_STAGE)
        self._run_commit = redis.register_script(_APPLY_PART + _COMMIT)
        self._run_apply_next = redis.register_script(_APPLY_PART + _APPLY_NEXT)

    async def claim(self) -> Checkpoint | None:
        """Become the owner; return the last checkpoint, None if there is none."""
        epoch, seq, checkpoint, parts = await self._reply(self._run_claim(keys=self._keys))
        self._epoch, self._seq = int(epoch), int(seq)
        await self._apply_parts(parts)
        try:
            return _CHECKPOINT.decode(checkpoint) if checkpoint else None
        except msgspec.DecodeError as error:
            raise StoreLost(f"{self._keys[0]} in Redis holds no checkpoint ({error}); delete {self._base}*") from error

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist.

        Epoch and sequence number are read after the blobs, so that no other owner can have written these. A save may be
        under way, so the number may be the one before or after it. This is no Redis transaction: a Redis that is full
        refuses even one that only reads.
        """
        await self._refuse_eviction()
        seq_before = self._seq
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.mget([self._base + key for key in keys])
        pipeline.hmget(self._keys[0], ["epoch", "seq"])
        blobs, (epoch, seq) = await self._reply(pipeline.execute())
        self._check(epoch, seq, seq_before, self._seq + self._writing)
        return {key: blob for key, blob in zip(keys, blobs, strict=True) if blob is not None}

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        """Write all in one step; a save that is repeated because its reply was lost is recognised."""
        await self._refuse_eviction()
        owner = (self._epoch, self._seq)
        staged = 0
        for part in _parts(changes):
            await self._reply(self._run_stage(keys=self._keys, args=[*owner, staged, *_encoded(part)]))
            staged += 1
        self._writing = True  # stays so after `Unavailable`: whether it was written is unknown then
        arguments: list[int | str | bytes] = [*owner, staged, self._base, msgspec.json.encode(checkpoint)]
        outcome, *reply = await self._reply(self._run_commit(keys=self._keys, args=arguments))
        if outcome == PARTS_MISSING:
            raise Unavailable(f"Redis: parts of a checkpoint are gone from {self._base}stage")
        if outcome != COMMITTED:
            self._check(reply[0], reply[1], self._seq, self._seq)
        await self._apply_parts(reply[0])
        self._writing = False
        self._seq += 1

    async def clear(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint, then delete everything else, some keys at a time."""
        await self.save(checkpoint, Changes())
        meta = self._keys[0].encode()
        cursor, is_done = 0, False
        while not is_done:
            cursor, keys = await self._reply(self._redis.scan(cursor, _pattern(self._base), SCAN_COUNT))
            if others := [key for key in keys if key != meta]:
                await self._reply(self._redis.unlink(*others))
            is_done = cursor == 0

    async def _apply_parts(self, parts: int) -> None:
        """Apply what is left in the redo log, one part per call."""
        while parts:
            outcome, *reply = await self._reply(self._run_apply_next(keys=self._keys, args=[self._epoch, self._base]))
            if outcome != COMMITTED:
                self._check(reply[0], reply[1], self._seq, self._seq + self._writing)
            parts = reply[0]

    async def due(self, until: int, limit: int) -> list[str]:
        """Return the ids of cases that are due, the earliest first."""
        return await self._at_or_before(self._keys[1], until, limit)

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return the keys that have expired, the earliest first."""
        return await self._at_or_before(self._keys[3], until, limit)

    async def scan(self, cursor: int) -> tuple[int, list[str]]:
        """Return the keys of some blobs, and the cursor to go on with; a part of the scan may find none."""
        found, keys = await self._reply(self._redis.scan(cursor, _pattern(self._base), SCAN_COUNT))
        others = {key.encode() for key in self._keys}
        return int(found), [key.decode().removeprefix(self._base) for key in keys if key not in others]

    async def _at_or_before(self, key: str, until: int, limit: int) -> list[str]:
        found = await self._reply(self._redis.zrange(key, "-inf", until, byscore=True, offset=0, num=limit))
        return [member.decode() for member in found]

    async def _refuse_eviction(self) -> None:
        """Raise `Fatal` if Redis may evict keys by now, which would make known cases look new."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._checked_s < CHECK_EVERY_S:
            return
        self._checked_s = now_s
        try:
            info = await self._redis.info("memory")
        except NoPermissionError:
            return
        except RedisError as error:
            raise Unavailable(f"Redis: {error}") from error
        if reason := eviction_reason(info):
            raise Fatal(reason)

    def _check(self, epoch: bytes | None, seq: bytes | None, seq_min: int, seq_max: int) -> None:
        """Raise `StoreLost` unless this is the owner, and the number of the last write is within bounds."""
        found_epoch, found_seq = int(epoch or 0), int(seq or 0)
        if found_epoch != self._epoch or not seq_min <= found_seq <= seq_max:
            raise StoreLost(
                f"{self._base} in Redis is at epoch {found_epoch}, write {found_seq}; "
                f"this owner is at epoch {self._epoch}, write {self._seq}"
            )

    async def _reply(self, call: object) -> Any:
        try:
            return await cast("Awaitable[Any]", call)
        except RedisError as error:
            keys = f", keys {self._base}*" if isinstance(error, ResponseError) else ""
            raise Unavailable(f"Redis{keys}: {error}") from error


def _pattern(prefix: str) -> str:
    """Return the pattern for keys with a prefix, its special characters escaped."""
    return re.sub(r"([\\\[\]*?])", r"\\\1", prefix) + "*"


def _encoded(part: Changes) -> tuple[bytes, bytes]:
    """Return the head of a part, packed since Redis unpacks faster than it reads arguments, and its blobs."""
    blobs = {key: blob for key, blob in part.blobs.items() if blob is not None}
    lengths = [len(blob) for blob in blobs.values()]
    deleted = [key for key, blob in part.blobs.items() if blob is None]
    instants = (*_scores(part.deadlines), *_scores(part.expiries))
    return _pack((list(blobs), lengths, *instants, deleted)), b"".join(blobs.values())


def _scores(instants: Mapping[str, int | None]) -> tuple[list[int | str], list[str]]:
    """Return scores and members to add to a sorted set, and the members to remove from it."""
    added: list[int | str] = [each for name, at in instants.items() if at is not None for each in (at, name)]
    return added, [name for name, at in instants.items() if at is None]


def _parts(changes: Changes) -> Iterator[Changes]:
    """Yield changes in parts, at least one."""
    dues = iter(changes.deadlines.items())
    kept = iter([(key, at) for key, at in changes.expiries.items() if changes.blobs.get(key, b"") is not None])

    def next_part(blobs: Mapping[str, bytes | None]) -> Changes:
        return Changes(blobs, dict(islice(dues, PART_INSTANTS)), dict(islice(kept, PART_INSTANTS)))

    blobs: dict[str, bytes | None] = {}
    size = 0
    for key, blob in changes.blobs.items():
        if size >= PART_BYTES:
            yield next_part(blobs)
            blobs, size = {}, 0
        blobs[key] = blob
        size += len(key if blob is None else blob)
    yield next_part(blobs)
    while (more := next_part({})).deadlines or more.expiries:
        yield more
