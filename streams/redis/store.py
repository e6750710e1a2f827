"""Checkpoints in Redis: a cache of a fold over the topics, never the truth (architecture, 3.3).

Everything of one partition number lies under one hash tag, so a Redis cluster keeps it together: `meta` (epoch,
sequence, positions), `due` (deadlines by case), `expiry` (when which key may be let go), one string for every case and
partner, and `stage`. Every write is by
server-side scripts that check the owner's epoch and the sequence of the write before, and every read brings both along:
an owner that was replaced, or whose acknowledged writes are gone, notices before it acts on what it read.

A checkpoint is written in parts, so that no call keeps others waiting. Parts go to `stage`, which nobody reads. When
all are there, `meta` says that they hold, and from then on `stage` is a redo log: its parts are carried over one by
one, by a new owner if this one dies.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from schemas.errors import Fatal, StoreLost, Unavailable
from streams.redis.checks import eviction
from streams.runtime.ports import Checkpoint

# Carries a part that holds over from the stage; a call for 200 items each, since Lua's stack is short.
_CARRY_OVER: Final = """
local function call(items, ...)
  for first = 1, #items, 200 do
    local few = {...}
    for i = first, math.min(first + 199, #items) do few[#few + 1] = items[i] end
    redis.call(unpack(few))
  end
end
local function carry_over(meta, due, stage, expiry, base)
  local head, blobs = unpack(redis.call('LRANGE', stage, 0, 1))
  local keys, lengths, dues, ended, expiries, lasting, gone = unpack(cmsgpack.unpack(head))
  local items, at = {}, 0
  for i, key in ipairs(keys) do
    items[2 * i - 1], items[2 * i] = base .. key, string.sub(blobs, at + 1, at + lengths[i])
    at = at + lengths[i]
  end
  call(items, 'MSET')
  call(dues, 'ZADD', due)
  call(ended, 'ZREM', due)
  if gone then -- version 0.1 staged no more than the above
    call(expiries, 'ZADD', expiry)
    call(lasting, 'ZREM', expiry)
    call(gone, 'ZREM', expiry)
    for i, key in ipairs(gone) do gone[i] = base .. key end
    call(gone, 'UNLINK')
  end
  redis.call('LTRIM', stage, 2, -1)
  return redis.call('HINCRBY', meta, 'parts', -1)
end
"""

# KEYS: meta, due, stage, expiry. Returns the new epoch, the sequence, the positions, and how many
# parts are still to be carried over. The epoch begins at Redis's time, so that none comes twice when Redis was emptied
# or thrown back; its digits fit into a number of Lua's.
_CLAIM: Final = """
local time = redis.call('TIME')
local epoch = math.max(time[1] * 1000000 + time[2], (redis.call('HGET', KEYS[1], 'epoch') or 0) + 1)
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch))
local parts = tonumber(redis.call('HGET', KEYS[1], 'parts') or '0')
if parts == 0 then redis.call('UNLINK', KEYS[3]) end
return {epoch, tonumber(redis.call('HGET', KEYS[1], 'seq') or '0'), redis.call('HGET', KEYS[1], 'saved'), parts}
"""

# KEYS: as above; ARGV: epoch, sequence before, how many parts were staged, a part's head, its blobs. A part that came,
# with its answer lost, is passed over; whoever may not write hears of it at the end.
_STAGE: Final = """
local standing = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
if standing[1] ~= ARGV[1] or (standing[2] or '0') ~= ARGV[2] then return end
if ARGV[3] == '0' then redis.call('UNLINK', KEYS[3]) end
if redis.call('LLEN', KEYS[3]) == 2 * ARGV[3] then redis.call('RPUSH', KEYS[3], ARGV[4], ARGV[5]) end
"""

# KEYS: as above; ARGV: epoch, sequence before, how many parts were staged, what precedes keys, positions.
# Returns {1, parts to be carried over} when written, {2} when parts are missing, else {0, epoch, sequence} as found.
_SAVE: Final = """
local epoch = redis.call('HGET', KEYS[1], 'epoch') or '0'
local seq = redis.call('HGET', KEYS[1], 'seq') or '0'
if epoch ~= ARGV[1] or seq ~= ARGV[2] then
  if epoch == ARGV[1] and tonumber(seq) == tonumber(ARGV[2]) + 1 and redis.call('HGET', KEYS[1], 'saved') == ARGV[5]
  then
    return {1, tonumber(redis.call('HGET', KEYS[1], 'parts'))}
  end
  return {0, epoch, seq}
end
if redis.call('LLEN', KEYS[3]) ~= 2 * ARGV[3] then return {2} end
redis.call('HSET', KEYS[1], 'seq', ARGV[2] + 1, 'saved', ARGV[5], 'parts', ARGV[3])
return {1, carry_over(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[4])}
"""

# KEYS: as above; ARGV: epoch, what precedes keys. Returns {1, parts to be carried over}, else as above.
_GO_ON: Final = """
local epoch = redis.call('HGET', KEYS[1], 'epoch') or '0'
if epoch ~= ARGV[1] then return {0, epoch, redis.call('HGET', KEYS[1], 'seq') or '0'} end
local parts = tonumber(redis.call('HGET', KEYS[1], 'parts') or '0')
return {1, parts > 0 and carry_over(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2]) or 0}
"""

LOOK_EVERY_S: Final = 10.0
"""How often it is looked whether Redis keeps everything still; somebody may have told it otherwise."""
PART_BYTES: Final = 1 << 17
PART_INSTANTS: Final = 500
"""So many bytes of blobs, deadlines, and expiries make a part; between parts others have their turn."""

CLEARED_AT_ONCE: Final = 500

WRITTEN: Final = 1
MISSING: Final = 2

_saved: Final = msgspec.json.Decoder(Checkpoint)
_packed: Final = msgspec.msgpack.Encoder().encode


class RedisStore:
    """The checkpoints of one partition number of one group (see `streams.runtime.ports.Store`)."""

    def __init__(self, redis: Redis, namespace: str, partition: int) -> None:
        """Take a connected client with its own timeouts, a namespace (prefix and group), the partition number."""
        self._redis = redis
        self._base = f"{{{namespace}:{partition}}}:"
        self._epoch = self._seq = -1
        self._writing = False
        self._looked_s = float("-inf")
        self._keys = [self._base + key for key in ("meta", "due", "stage", "expiry")]
        self._run_claim = redis.register_script(_CLAIM)
        self._run_stage = redis.register_script(_STAGE)
        self._run_save = redis.register_script(_CARRY_OVER + _SAVE)
        self._run_go_on = redis.register_script(_CARRY_OVER + _GO_ON)

    async def claim(self) -> Checkpoint | None:
        """Become the owner and return where the state stands."""
        epoch, seq, saved, parts = await self._answer(self._run_claim(keys=self._keys))
        self._epoch, self._seq = int(epoch), int(seq)
        await self._carry_over(parts)
        try:
            return _saved.decode(saved) if saved else None
        except msgspec.DecodeError as error:
            raise StoreLost(f"{self._keys[0]} in Redis holds no positions ({error}); delete {self._base}*") from error

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist; the owner's standing is read after them, so nobody else wrote them.

        A write may go on meanwhile, so the standing may be anything from before it to after it. It is no transaction of
        Redis: one that is full takes none, not even to read.
        """
        await self._refuse_eviction()
        seq_before = self._seq
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.mget([self._base + key for key in keys])
        pipeline.hmget(self._keys[0], ["epoch", "seq"])
        blobs, (epoch, seq) = await self._answer(pipeline.execute())
        self._check(epoch, seq, seq_before, self._seq + self._writing)
        return {key: blob for key, blob in zip(keys, blobs, strict=True) if blob is not None}

    async def save(
        self,
        checkpoint: Checkpoint,
        blobs: Mapping[str, bytes | None],
        deadlines: Mapping[str, int | None],
        expiries: Mapping[str, int | None] = {},
    ) -> None:
        """Write all at once; a write repeated because its answer was lost is recognised."""
        await self._refuse_eviction()
        standing = (self._epoch, self._seq)
        staged = 0
        for part in _parts(blobs, deadlines, expiries):
            head, packed = part.encoded()
            await self._answer(self._run_stage(keys=self._keys, args=[*standing, staged, head, packed]))
            staged += 1
        self._writing = True  # and still so after `Unavailable`: then it is not known whether it was written
        positions = msgspec.json.encode(checkpoint)
        held = self._run_save(keys=self._keys, args=[*standing, staged, self._base, positions])
        outcome, *told = await self._answer(held)
        if outcome == MISSING:
            raise Unavailable(f"Redis: parts of a checkpoint are gone from {self._base}stage")
        if outcome != WRITTEN:
            self._check(told[0], told[1], self._seq, self._seq)
        await self._carry_over(told[0])
        self._writing = False
        self._seq += 1

    async def clear(self, checkpoint: Checkpoint) -> None:
        """Save positions, then drop everything else, some keys at a time."""
        await self.save(checkpoint, {}, {})
        meta = self._keys[0].encode()
        cursor, is_over = 0, False
        while not is_over:
            cursor, keys = await self._answer(self._redis.scan(cursor, _pattern(self._base), CLEARED_AT_ONCE))
            if gone := [key for key in keys if key != meta]:
                await self._answer(self._redis.unlink(*gone))
            is_over = cursor == 0

    async def _carry_over(self, parts: int) -> None:
        """Go on with what holds and is still in the redo log, a part at a time."""
        while parts:
            outcome, *told = await self._answer(self._run_go_on(keys=self._keys, args=[self._epoch, self._base]))
            if outcome != WRITTEN:
                self._check(told[0], told[1], self._seq, self._seq + self._writing)
            parts = told[0]

    async def due(self, until: int, limit: int) -> list[str]:
        """Return ids of cases that are due, the earliest first."""
        return await self._at_or_before(self._keys[1], until, limit)

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return keys that have expired, the earliest first."""
        return await self._at_or_before(self._keys[3], until, limit)

    async def _at_or_before(self, key: str, until: int, limit: int) -> list[str]:
        found = await self._answer(self._redis.zrange(key, "-inf", until, byscore=True, offset=0, num=limit))
        return [member.decode() for member in found]

    async def _refuse_eviction(self) -> None:
        """Raise `Fatal` if Redis may drop keys by now: a case would be taken for a new one."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = now_s
        try:
            info = await self._redis.info("memory")
        except NoPermissionError:
            return
        except RedisError as error:
            raise Unavailable(f"Redis: {error}") from error
        if reason := eviction(info):
            raise Fatal(reason)

    def _check(self, epoch: bytes | None, seq: bytes | None, seq_min: int, seq_max: int) -> None:
        standing = (int(epoch or 0), int(seq or 0))
        if standing[0] != self._epoch or not seq_min <= standing[1] <= seq_max:
            mine = f"epoch {self._epoch}, write {self._seq}"
            raise StoreLost(f"{self._base} in Redis stands at epoch {standing[0]}, write {standing[1]}; mine: {mine}")

    async def _answer(self, call: object) -> Any:
        try:
            return await cast("Awaitable[Any]", call)
        except ResponseError as error:
            raise Unavailable(f"Redis, keys {self._base}*: {error}") from error
        except RedisError as error:
            raise Unavailable(f"Redis: {error}") from error


def _pattern(prefix: str) -> str:
    """Return the pattern that keys with a prefix match, whatever characters it has."""
    return re.sub(r"([\\\[\]*?])", r"\\\1", prefix) + "*"


class _Part(NamedTuple):
    """Some blobs by key (None: to be deleted), some deadlines by case, some expiries by key."""

    blobs: dict[str, bytes | None]
    deadlines: dict[str, int | None]
    expiries: dict[str, int | None]

    def encoded(self) -> tuple[bytes, bytes]:
        """Return its head, which Redis can unpack faster than it takes arguments, and its blobs."""
        blobs = {key: blob for key, blob in self.blobs.items() if blob is not None}
        lengths = [len(blob) for blob in blobs.values()]
        gone = [key for key, blob in self.blobs.items() if blob is None]
        instants = (*_scores(self.deadlines), *_scores(self.expiries))
        return _packed((list(blobs), lengths, *instants, gone)), b"".join(blobs.values())


def _scores(instants: Mapping[str, int | None]) -> tuple[list[int | str], list[str]]:
    """Return instants and names as a sorted set takes them, and the names that are to be in it no more."""
    kept: list[int | str] = [each for name, at in instants.items() if at is not None for each in (at, name)]
    return kept, [name for name, at in instants.items() if at is None]


def _parts(
    blobs: Mapping[str, bytes | None], deadlines: Mapping[str, int | None], expiries: Mapping[str, int | None]
) -> Iterator[_Part]:
    """Yield parts of some size; one at least."""
    dues = iter(deadlines.items())
    ends = iter([(key, at) for key, at in expiries.items() if blobs.get(key, b"") is not None])

    def begun() -> _Part:
        return _Part({}, dict(islice(dues, PART_INSTANTS)), dict(islice(ends, PART_INSTANTS)))

    part, size = begun(), 0
    for key, blob in blobs.items():
        if size >= PART_BYTES:
            yield part
            part, size = begun(), 0
        part.blobs[key] = blob
        size += len(key if blob is None else blob)
    yield part
    while (more := begun()).deadlines or more.expiries:
        yield more
