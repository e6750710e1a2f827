"""Checkpoints in Redis: a cache of a fold over the topics, never the truth (architecture, 3.3).

Everything of one partition number lies under one hash tag, so a Redis cluster keeps it together: `meta` (epoch,
sequence, positions), `due` (deadlines by case), and one string for every case and partner. Every write is one
server-side script that checks the owner's epoch and the sequence of the write before, and every read brings both
along: an owner that was replaced, or whose acknowledged writes are gone, notices before it acts on what it read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from schemas.errors import StoreLost, Unavailable
from streams.ports import Saved

# KEYS: meta. Returns the new epoch, the sequence and the positions. The epoch begins at Redis's time, so that none
# comes twice when Redis was emptied or thrown back; its digits fit into a number of Lua's.
_CLAIM: Final = """
local time = redis.call('TIME')
local epoch = math.max(time[1] * 1000000 + time[2], (redis.call('HGET', KEYS[1], 'epoch') or 0) + 1)
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', epoch))
return {epoch, tonumber(redis.call('HGET', KEYS[1], 'seq') or '0'), redis.call('HGET', KEYS[1], 'saved')}
"""

# KEYS: meta, due, blobs…; ARGV: epoch, sequence before, positions, number of blobs, blobs…, (case, deadline or '')…
# Returns {1} when written, else {0, epoch, sequence} as they stand.
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
local blobs = tonumber(ARGV[4])
for i = 1, blobs do
  redis.call('SET', KEYS[2 + i], ARGV[4 + i])
end
for i = 5 + blobs, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('ZREM', KEYS[2], ARGV[i])
  else
    redis.call('ZADD', KEYS[2], ARGV[i + 1], ARGV[i])
  end
end
redis.call('HSET', KEYS[1], 'seq', ARGV[2] + 1, 'saved', ARGV[3])
return {1}
"""

_saved = msgspec.json.Decoder(Saved)


class RedisStore:
    """The checkpoints of one partition number of one group (see `streams.ports.Store`)."""

    def __init__(self, redis: Redis, namespace: str, partition: int) -> None:
        """Take a connected client with its own timeouts, a namespace (prefix and group), the partition number."""
        self._redis = redis
        self._base = f"{{{namespace}:{partition}}}:"
        self._epoch = self._seq = -1
        self._writing = False
        self._claim = redis.register_script(_CLAIM)
        self._save = redis.register_script(_SAVE)

    async def claim(self) -> Saved | None:
        """Become the owner and return where the state stands."""
        epoch, seq, saved = await self._answer(self._claim(keys=[self._base + "meta"]))
        self._epoch, self._seq = int(epoch), int(seq)
        return _saved.decode(saved) if saved else None

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist; the owner's standing is read in the same transaction.

        A write may go on meanwhile, so the standing may be anything from before it to after it.
        """
        seq_before = self._seq
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(self._base + "meta", ["epoch", "seq"])
        pipeline.mget([self._base + key for key in keys])
        (epoch, seq), blobs = await self._answer(pipeline.execute())
        self._check(epoch, seq, seq_before, self._seq + self._writing)
        return {key: blob for key, blob in zip(keys, blobs, strict=True) if blob is not None}

    async def save(self, saved: Saved, blobs: Mapping[str, bytes], deadlines: Mapping[str, int | None]) -> None:
        """Write all at once; a write repeated because its answer was lost is recognised."""
        dues = [part for case_id, due in deadlines.items() for part in (case_id, "" if due is None else str(due))]
        self._writing = True  # and still so after `Unavailable`: then it is not known whether it was written
        answer = await self._answer(
            self._save(
                keys=[self._base + "meta", self._base + "due", *(self._base + key for key in blobs)],
                args=[self._epoch, self._seq, msgspec.json.encode(saved), len(blobs), *blobs.values(), *dues],
            )
        )
        if not answer[0]:
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
