"""The policies that a worker knows, and the cases to be decided anew when these become others (contracts.md, "Policy").

The cases that are in memory come first, then the store's, a few at a time. Which policies all cases have been decided
under is part of checkpoints, so a new owner finishes what the last one did not, and finds what it did not know of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from agents.anomaly_agent import AnomalyAgent
from agents.case.case import Case
from agents.case_agent import CaseAgent
from agents.location_agent import LocationAgent
from streams.policies.source import PolicySource
from streams.processor.state_cache import StateCache
from streams.processor.subject import CASE, Subject
from streams.runtime.ports import Store

LOOK_EVERY_US: Final = 100_000
LOOKED_AT_ONCE: Final = 100
"""How many cases are looked at in each look: unpacking them takes some milliseconds."""
BEFORE_ALL: Final = -(2**63) - 1
"""Where a case without facts begins."""

Starts = tuple[tuple[int, str], ...]
"""Policies, as `PolicySet.starts` has them."""

_DECODER: Final = msgspec.msgpack.Decoder(Starts)


class Policies:
    """The policies that the agents of one partition number use, and the change under way, if there is one."""

    def __init__(
        self,
        source: PolicySource,
        store: Store,
        cache: StateCache,
        agents: tuple[CaseAgent, LocationAgent, AnomalyAgent],
    ) -> None:
        self.changed = False
        """Whether `dump` returns something new since this was last set to False."""
        self._source, self._store, self._cache, self._agents = source, store, cache, agents
        self._cases = agents[0].cases
        self._known = source.known
        self._decided_under: Starts = ()
        """The policies under which all cases have been decided."""
        self._since: int | None = None
        """The earliest instant (microseconds) at which another policy is in force than then; None: there is none."""
        self._in_memory: list[str] = []
        """Ids of the cases in memory that are left to look at."""
        self._keys: list[str] = []
        """Keys of cases in the store that were found and are left to look at."""
        self._cursor: int | None = 0
        """Where the scan of the store goes on; None: it is over."""
        self._looked_at = 0

    @property
    def positions(self) -> Mapping[str, int]:
        """The next offsets of what the agents' policies were read from."""
        return self._known.positions

    def load(self, blob: bytes) -> None:
        """Resume from a checkpoint."""
        self._decided_under = _DECODER.decode(blob)

    def dump(self) -> bytes:
        """Return what a checkpoint keeps."""
        return msgspec.msgpack.encode(self._decided_under)

    async def read(self) -> None:
        """Read all policies. The last owner, which is fenced by now, knew no others: nothing is decided under fewer."""
        await self._source.read()
        self._use_known()

    def begin(self, *, store_is_empty: bool) -> None:
        """Begin to look for the cases that were decided under other policies; none if there are none."""
        if store_is_empty:
            self._end()
            return
        differing = {*self._known.policies.starts} ^ {*self._decided_under}
        self._since = min((start for start, _ in differing), default=None)
        self._in_memory, self._keys, self._cursor = self._cache.case_ids(), [], 0

    async def cases(self, now: int) -> list[str]:
        """Return the ids of some more cases, at most every tenth of a second; those returned before are decided.

        Policies that have become known are used from here on: call it between two steps. Raises `Unavailable` if the
        store does not answer.
        """
        if self._source.known is not self._known:
            self._use_known()
            self.begin(store_is_empty=False)
        if self._since is None or now - self._looked_at < LOOK_EVERY_US:
            return []
        self._looked_at = now
        if self._in_memory:
            chunk, self._in_memory = self._in_memory[:LOOKED_AT_ONCE], self._in_memory[LOOKED_AT_ONCE:]
            return [each for each in chunk if (case := self._cases.get(each)) is None or self._is_affected(case)]
        if not self._keys and self._cursor is not None:
            cursor, keys = await self._store.scan(self._cursor)
            self._cursor, self._keys = cursor or None, [key for key in keys if Subject.parse(key).kind == CASE]
        if not self._keys and self._cursor is None:
            self._end()
            return []
        found = await self._cache.read_cases(self._keys[:LOOKED_AT_ONCE])
        del self._keys[:LOOKED_AT_ONCE]
        return [case.case_id for case in found if self._is_affected(case)]

    def _use_known(self) -> None:
        self._known = self._source.known
        for agent in self._agents:
            agent.use(self._known.policies)

    def _is_affected(self, case: Case) -> bool:
        assert self._since is not None, "there is a change"
        return min((fact.time for fact in case.facts.values()), default=BEFORE_ALL) >= self._since

    def _end(self) -> None:
        wanted = self._known.policies.starts
        self.changed |= self._decided_under != wanted
        self._decided_under, self._since = wanted, None
