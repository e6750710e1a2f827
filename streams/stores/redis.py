"""Checkpoints in Redis: a cache of a fold over the topics, never the truth (architecture, 3.3).

Everything of one partition number lies under one hash tag, so a Redis cluster keeps it together: `meta` (epoch,
sequence, positions), `due` (deadlines by case), and one string for every case and partner. Every write is one
server-side script that checks the owner's epoch and the sequence of the write before, and every read brings both
along: an owner that was replaced, or whose acknowledged writes are gone, notices before it acts on what it read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.errors import StoreLost, Unavailable
from streams.ports import Saved

# KEYS: meta, stage. Returns the new epoch, the sequence and the positions. The epoch begins at Redis's time, so that
# none comes twice when Redis was emptied or thrown back; its digits fit into a number of Lua's.
_CLAIM: Final = """
local time = redis.call('TIME')
local epoch = math.max(time[1] * 1000000 + time[2], (redis.call('HGET', KEYS[1], 'epoch') or 0) + 1)
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch))
redis.call('UNLINK', KEYS[2])
return {epoch, tonumber(redis.call('HGET', KEYS[1], 'seq') or '0'), redis.call('HGET', KEYS[1], 'saved')}
"""

# KEYS: meta, stage; ARGV: epoch, how many were staged before, a part's head, its blobs. One that came, with its answer
# lost, is passed over.
_STAGE: Final = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return end
if ARGV[2] == '0' then redis.call('UNLINK', KEYS[2]) end
if redis.call('LLEN', KEYS[2]) == 2 * ARGV[2] then redis.call('RPUSH', KEYS[2], ARGV[3], ARGV[4]) end
"""

# KEYS: meta, due, stage; ARGV: epoch, sequence before, positions, what precedes keys, how many parts were staged, the
# last part's head and blobs, deadlines and their cases, the cases without. A head has keys and lengths of the part's
# blobs; heads and deadlines are MessagePack: an argument for each would take the client twice as long, and a call for
# each Redis. The keys of the blobs, which are not named to Redis, have the hash tag of the others.
# Returns {1} when written, {2} when parts are missing, else {0, epoch, sequence} as they stand.
_SAVE: Final = """
local epoch = redis.call('HGET', KEYS[1], 'epoch') or '0'
local seq = redis.call('HGET', KEYS[1], 'seq') or '0'
if epoch ~= ARGV[1] or seq ~= ARGV[2] then
  if epoch == ARGV[1] and tonumber(seq) == tonumber(ARGV[2]) + 1 and redis.call('HGET', KEYS[1], 'saved') == ARGV[3]
  then
    return {1}
  end
  return {0, epoch, seq}
end
if redis.call('LLEN', KEYS[3]) ~= 2 * ARGV[5] then
  if ARGV[5] ~= '0' then return {2} end
  redis.call('UNLINK', KEYS[3])
end
local function call(items, ...)
  for first = 1, #items, 200 do
    local few = {...}
    for i = first, math.min(first + 199, #items) do few[#few + 1] = items[i] end
    redis.call(unpack(few))
  end
end
local head, blobs = ARGV[6], ARGV[7]
while head do
  local keys, lengths = unpack(cmsgpack.unpack(head))
  local items, at = {}, 0
  for i, key in ipairs(keys) do
    items[2 * i - 1], items[2 * i] = ARGV[4] .. key, string.sub(blobs, at + 1, at + lengths[i])
    at = at + lengths[i]
  end
  call(items, 'MSET')
  head, blobs = redis.call('LPOP', KEYS[3]), redis.call('LPOP', KEYS[3])
end
call(cmsgpack.unpack(ARGV[8]), 'ZADD', KEYS[2])
call(cmsgpack.unpack(ARGV[9]), 'ZREM', KEYS[2])
redis.call('HSET', KEYS[1], 'seq', ARGV[2] + 1, 'saved', ARGV[3])
return {1}
"""

PART_BYTES: Final = 1 << 18
"""Blobs go over in parts of this size, between which others have their turn, here and in Redis."""

WRITTEN: Final = 1
MISSING: Final = 2

_saved: Final = msgspec.json.Decoder(Saved)
_packed: Final = msgspec.msgpack.Encoder().encode


class RedisStore:
    """The checkpoints of one partition number of one group (see `streams.ports.Store`)."""

    def __init__(self, redis: Redis, namespace: str, partition: int) -> None:
        """Take a connected client with its own timeouts, a namespace (prefix and group), the partition number."""
        self._redis = redis
        self._base = f"{{{namespace}:{partition}}}:"
        self._epoch = self._seq = -1
        self._writing = False
        self._meta, self._stage = self._base + "meta", self._base + "stage"
        self._run_claim = redis.register_script(_CLAIM)
        self._run_stage = redis.register_script(_STAGE)
        self._run_save = redis.register_script(_SAVE)

    async def claim(self) -> Saved | None:
        """Become the owner and return where the state stands."""
        epoch, seq, saved = await self._answer(self._run_claim(keys=[self._meta, self._stage]))
        self._epoch, self._seq = int(epoch), int(seq)
        return _saved.decode(saved) if saved else None

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist; the owner's standing is read in the same transaction.

        A write may go on meanwhile, so the standing may be anything from before it to after it.
        """
        seq_before = self._seq
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(self._meta, ["epoch", "seq"])
        pipeline.mget([self._base + key for key in keys])
        (epoch, seq), blobs = await self._answer(pipeline.execute())
        self._check(epoch, seq, seq_before, self._seq + self._writing)
        return {key: blob for key, blob in zip(keys, blobs, strict=True) if blob is not None}

    async def save(self, saved: Saved, blobs: Mapping[str, bytes], deadlines: Mapping[str, int | None]) -> None:
        """Write all at once; a write repeated because its answer was lost is recognised.

        What is too much for one call is staged before, where nobody reads it.
        """
        set_to = [each for case_id, due in deadlines.items() if due is not None for each in (due, case_id)]
        *parts, last = _parts(blobs)
        for number, part in enumerate(parts):
            staged = self._run_stage(keys=[self._meta, self._stage], args=[self._epoch, number, *part.encoded()])
            await self._answer(staged)
        self._writing = True  # and still so after `Unavailable`: then it is not known whether it was written
        answer = await self._answer(
            self._run_save(
                keys=[self._meta, self._base + "due", self._stage],
                args=[
                    self._epoch,
                    self._seq,
                    msgspec.json.encode(saved),
                    self._base,
                    len(parts),
                    *last.encoded(),
                    _packed(set_to),
                    _packed([case_id for case_id, due in deadlines.items() if due is None]),
                ],
            )
        )
        if answer[0] == MISSING:
            raise Unavailable(f"Redis: parts of a checkpoint are gone from {self._stage}")
        if answer[0] != WRITTEN:
            self._check(answer[1], answer[2], self._seq, self._seq)
        self._writing = False
        self._seq += 1

    async def due(self, until: int, limit: int) -> list[str]:
        """Return ids of cases that are due, the earliest first."""
        found = await self._answer(
            self._redis.zrange(self._base + "due", "-inf", until, byscore=True, offset=0, num=limit)
        )
        return [case_id.decode() for case_id in found]

    def _check(self, epoch: bytes | None, seq: bytes | None, seq_min: int, seq_max: int) -> None:
        standing = (int(epoch or 0), int(seq or 0))
        if standing[0] != self._epoch or not seq_min <= standing[1] <= seq_max:
            mine = f"epoch {self._epoch}, write {self._seq}"
            raise StoreLost(f"{self._base} in Redis stands at epoch {standing[0]}, write {standing[1]}; mine: {mine}")

    @staticmethod
    async def _answer(call: object) -> Any:
        try:
            return await cast("Awaitable[Any]", call)
        except RedisError as error:
            raise Unavailable(f"Redis: {error}") from error


class _Part(NamedTuple):
    """Some blobs by key, written when it is their turn: of all of a large checkpoint that would be a copy."""

    keys: list[str]
    blobs: list[bytes]

    def encoded(self) -> tuple[bytes, bytes]:
        return _packed((self.keys, [len(blob) for blob in self.blobs])), b"".join(self.blobs)


def _parts(blobs: Mapping[str, bytes]) -> list[_Part]:
    """Return blobs in parts of some size; one part at least."""
    parts = [_Part([], [])]
    size = 0
    for key, blob in blobs.items():
        if size >= PART_BYTES:
            parts.append(_Part([], []))
            size = 0
        parts[-1].keys.append(key)
        parts[-1].blobs.append(blob)
        size += len(blob)
    return parts
