"""When settled cases, silent partners and old watches leave the state (surfaces.md, "Retention").

Expiries are saved with cases and tracks, and the store returns those that have passed. So nothing has to be searched,
and a case that nothing touched for months is loaded once, to depart. The worker's clock decides, but nothing departs
shortly after a record came for it: other records that are just as old may be on their way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from agents.anomalies.image_watch import ImageWatch
from agents.anomaly_agent import AnomalyAgent
from agents.case_agent import CaseAgent, CaseUpdate
from agents.location_agent import LocationAgent
from schemas.policy.model import DAY, HOUR
from streams.processor.state_cache import StateCache
from streams.processor.subject import Subjects, case_name, partner_name, watch_name
from streams.runtime.ports import Store

LOOK_EVERY_US: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """How long state is kept, in microseconds."""

    case: int = 90 * DAY
    """A settled case, after its latest fact."""
    memory: int = 730 * DAY
    """The remains of a departed case, after it departed, and the use of an image, after it."""
    quiet: int = HOUR
    """Anything, after a record came for it, unless its own limit is shorter."""


class Retention:
    """The retention of one partition number's cases, tracks and watches, with counts that checkpoints contain."""

    def __init__(
        self,
        rules: RetentionRules,
        store: Store,
        *,
        cases: CaseAgent,
        locations: LocationAgent,
        anomalies: AnomalyAgent,
        cache: StateCache,
    ) -> None:
        self.changed = False
        """Whether a count changed since this was last set to False."""
        self.cases_departed = self.cases_forgotten = self.cases_reopened = self.partners_departed = 0
        self._rules, self._store = rules, store
        self._cases, self._locations, self._anomalies, self._cache = cases, locations, anomalies, cache
        self._looked_at = 0
        self._expired = Subjects()
        """What may depart, unless a record comes for it first."""
        self._new: dict[str, int | None] = {}
        """Expiries that the next checkpoint saves, by name."""
        self._saving: Mapping[str, int | None] = {}

    @property
    def departed_cases(self) -> int:
        """How many departed cases still have remains."""
        return self.cases_departed - self.cases_forgotten - self.cases_reopened

    async def expired(self, now: int, limit: int) -> Subjects:
        """Return what has expired by now (microseconds), except what has a new expiry that is not saved yet."""
        if now - self._looked_at < LOOK_EVERY_US:
            return Subjects()
        self._looked_at = now
        found = await self._store.expired(now, limit)
        expired = Subjects.parse(name for name in found if name not in self._new and name not in self._saving)
        self._expired.update(expired)
        return expired

    def postpone_case(self, case_id: str) -> None:
        """Keep a case for now, since a record came for it."""
        self._expired.cases.discard(case_id)

    def postpone_track(self, partner_id: str) -> None:
        """Keep a track for now, since a record came for it."""
        self._expired.partners.discard(partner_id)

    def postpone_watch(self, watch: str) -> None:
        """Keep a watch for now, since a record came for it."""
        self._expired.watches.discard(watch)

    def retain_case(self, case_id: str, update: CaseUpdate, now: int) -> None:
        """Set the expiry of a case that was just decided, or have it depart if it is settled and has expired."""
        settled_at = None if update.next_deadline is not None else self._cases.settled_at(case_id)
        if settled_at is None:
            self._set_case(case_id, None)
            return
        until = settled_at + self._rules.case
        if update.messages or now < until or case_id not in self._expired.cases:
            self._set_case(case_id, self._at_least_quiet(until, now, self._rules.case))
            return
        self._cases.case(case_id).depart()
        self._cache.departed.add(case_id)
        self._set_case(case_id, now + self._rules.memory)
        self.cases_departed += 1
        self.changed = True

    def erase_case(self, case_id: str, now: int) -> None:
        """Set the expiry of the remains of a case that was just erased, and have them saved."""
        self._cases.case(case_id).decided_at = now
        self._cache.departed.add(case_id)
        self._cache.mark_dirty(Subjects({case_id}))
        self._set_case(case_id, now + self._rules.memory)
        self.cases_departed += 1
        self.changed = True

    def reopen_case(self, case_id: str, *, had_departed: bool) -> None:
        """Keep a case that was just reopened for now."""
        self.postpone_case(case_id)
        if had_departed:
            self._cache.departed.discard(case_id)
            self.cases_reopened += 1
            self.changed = True

    def retain_departed_case(self, case_id: str, now: int) -> None:
        """Remove a departed case if its remains have expired."""
        until = self._cases.case(case_id).decided_at + self._rules.memory
        if until <= now and case_id in self._expired.cases:
            self._cache.remove_case(case_id)
            self._expired.cases.discard(case_id)
            self._new.pop(case_name(case_id), None)
            self.cases_forgotten += 1
            self.changed = True

    def retain_track(self, partner_id: str, now: int) -> bool:
        """Set the expiry of a track or its remains, or remove it if it has expired; return whether anything is kept."""
        track = self._locations.track(partner_id)
        remains_until = track.latest + self._rules.memory
        is_departed = track.is_empty and track.has_remains
        until = remains_until if is_departed else self._locations.kept_until(partner_id)
        if now < until or partner_id not in self._expired.partners:
            self._set_track(partner_id, self._at_least_quiet(until, now, until - track.latest))
            return True
        if not is_departed:
            self.partners_departed += 1
            self.changed = True
            if self._locations.depart(partner_id):
                self._set_track(partner_id, remains_until)
                return True
        self._cache.remove_track(partner_id)
        self._expired.partners.discard(partner_id)
        self._new.pop(partner_name(partner_id), None)
        return False

    def depart_watch(self, watch: str) -> None:
        """Have a watch depart if it has expired; only which alerts it emitted is remembered, until that expires."""
        if watch in self._expired.watches:
            self._anomalies.watch(watch).depart()

    def retain_watch(self, watch: str, now: int) -> bool:
        """Set the expiry of a watch, or remove it if it is empty and has expired; return whether it is kept.

        An image's watch, whose name has its link, goes as soon as it is empty.
        """
        found = self._anomalies.watch(watch)
        if found.is_empty and (watch in self._expired.watches or isinstance(found, ImageWatch)):
            self._cache.remove_watch(watch)
            self._expired.watches.discard(watch)
            self._new.pop(watch_name(watch), None)
            return False
        self._new[watch_name(watch)] = now + (
            self._rules.memory if found.has_departed else self._anomalies.kept_for(watch)
        )
        self._expired.watches.discard(watch)
        return True

    def freeze(self) -> Mapping[str, int | None]:
        """Return the expiries to save with a checkpoint, by name; None where nothing expires."""
        self._saving, self._new = self._new, {}
        return self._saving

    def mark_saved(self) -> None:
        """Note that the store has what `freeze` returned last."""
        self._saving = {}

    def dump(self) -> bytes:
        """Return the counts as a checkpoint keeps them."""
        return _ENCODER.encode((self.cases_departed, self.cases_forgotten, self.partners_departed, self.cases_reopened))

    def load(self, blob: bytes) -> None:
        """Resume from the counts that a checkpoint kept."""
        counts = (*_DECODER.decode(blob), 0)[:4]  # former versions, which reopened none, kept three
        self.cases_departed, self.cases_forgotten, self.partners_departed, self.cases_reopened = counts

    def _at_least_quiet(self, until: int, now: int, kept_for: int) -> int:
        return max(until, now + min(self._rules.quiet, kept_for))

    def _set_case(self, case_id: str, at: int | None) -> None:
        self._new[case_name(case_id)] = at
        self._expired.cases.discard(case_id)

    def _set_track(self, partner_id: str, at: int) -> None:
        self._new[partner_name(partner_id)] = at
        self._expired.partners.discard(partner_id)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(tuple[int, ...])
