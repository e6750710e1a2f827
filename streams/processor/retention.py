"""When settled cases and silent partners leave the state, and for how long is known that a case was there (page 4.9).

What may leave is asked of the store, by the expiries saved with each case and track: so nothing has to be searched, and
what nobody has touched for months is loaded once, when it goes. The worker's clock decides, but only about what it has
heard nothing of for a while: facts that are old when they arrive belong together with others on their way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.policy.model import DAY, HOUR
from streams.runtime.ports import Store

LOOK_EVERY_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """For how long what is kept, in microseconds."""

    case: int = 90 * DAY
    """A settled case, after its latest fact."""
    memory: int = 730 * DAY
    """That there was a case, after it left."""
    quiet: int = HOUR
    """Whatever there is, after something was heard of it, but no longer than it is kept anyway."""


class Retention:
    """Expiries by key (`case:` or `partner:` and the id) that the store is to hear of, and counts of what left."""

    def __init__(self, rules: RetentionRules, store: Store) -> None:
        """Take the rules, and the store that knows what has expired."""
        self.rules = rules
        self.changed = False
        """Whether a count changed since this was last set to False."""
        self.cases_departed = self.cases_forgotten = self.partners_departed = 0
        self._store = store
        self._looked_at = 0
        self._expired: set[str] = set()
        self._new: dict[str, int | None] = {}
        self._saving: Mapping[str, int | None] = {}

    @property
    def departed_cases(self) -> int:
        """How many departed cases are known to have been there."""
        return self.cases_departed - self.cases_forgotten

    async def expired(self, now: int, limit: int) -> list[str]:
        """Return keys that have expired by now (microseconds), but none of which a new expiry is still to be saved."""
        if now - self._looked_at < LOOK_EVERY_US:
            return []
        self._looked_at = now
        found = await self._store.expired(now, limit)
        keys = [key for key in found if key not in self._new and key not in self._saving]
        self._expired.update(keys)
        return keys

    def heard_of(self, kind: str, each: str) -> None:
        """Note that something came: what had expired does not leave now."""
        if self._expired:
            self._expired.discard(kind + each)

    def is_over(self, key: str, until: int, now: int) -> bool:
        """Tell whether something may leave now that is kept up to an instant (both in microseconds)."""
        return until <= now and key in self._expired

    def keep(self, key: str) -> None:
        """Keep something for as long as it stays as it is."""
        self._set(key, None)

    def keep_until(self, key: str, until: int, now: int, kept_for: int) -> None:
        """Keep something up to an instant, but at least for a while after now, `kept_for` at most (microseconds)."""
        self._set(key, max(until, now + min(self.rules.quiet, kept_for)))

    def case_left(self, key: str, now: int) -> None:
        """Note that a case is departed."""
        self._set(key, now + self.rules.memory)
        self.cases_departed += 1
        self.changed = True

    def case_forgotten(self, key: str) -> None:
        """Note that it is not even known any more that a case was there."""
        self._drop(key)
        self.cases_forgotten += 1
        self.changed = True

    def partner_left(self, key: str, until: int | None) -> None:
        """Note that a track is gone; what remains of it, if anything does, is kept up to an instant (microseconds)."""
        if until is None:
            self._drop(key)
        else:
            self._set(key, until)
        self.partners_departed += 1
        self.changed = True

    def partner_forgotten(self, key: str) -> None:
        """Note that nothing remains of a track."""
        self._drop(key)

    def freeze(self) -> Mapping[str, int | None]:
        """Return what the store is to hear of, with what becomes of the cases and tracks themselves."""
        self._saving, self._new = self._new, {}
        return self._saving

    def mark_saved(self) -> None:
        """Hear that the store knows what `freeze` returned last."""
        self._saving = {}

    def dump(self) -> bytes:
        """Return the counts, as kept in a checkpoint."""
        return _ENCODER.encode((self.cases_departed, self.cases_forgotten, self.partners_departed))

    def load(self, blob: bytes) -> None:
        """Go on from the counts that a checkpoint kept."""
        self.cases_departed, self.cases_forgotten, self.partners_departed = _DECODER.decode(blob)

    def _set(self, key: str, at: int | None) -> None:
        self._new[key] = at
        self._expired.discard(key)

    def _drop(self, key: str) -> None:
        """Forget about what leaves the store: its expiry goes with it."""
        self._new.pop(key, None)
        self._expired.discard(key)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(tuple[int, int, int])
