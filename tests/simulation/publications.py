"""Policies that are published while a history goes on: in time or in retrospect, changed, withdrawn, or of no use."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from agents.sops.catalogue import POLICIES
from agents.sops.out_of_scope.policy import Park, Proof
from schemas.errors import PolicyError
from schemas.policy.model import DAY, HOUR, MINUTE, SECOND, Alert, Policy, PolicySet, Presence, Section
from streams.policies.book import LEAD_US, PolicyBook
from streams.policies.topic import PolicyTopic
from streams.runtime.layout import LOOK_EVERY_S
from streams.runtime.ports import TP
from streams.simulator.rng import Rng
from tests.scenario import MIDNIGHT
from tests.simulation.clocks import ManualClock
from tests.simulation.kafka import Pause, SimulatedKafka, SimulatedLog

TOPIC: Final = "policies"
AFTERWARDS_S: Final = LEAD_US / SECOND + 10
"""After so long all workers know what was published."""
ALERT: Final = Alert(spike_window=30 * DAY, spike_claims=2, spike_ratio=1.2, surge_claims=2)
"""Few claims are many in so few cases; and none is so late that it counts no more."""
SECTIONS: Final[tuple[tuple[Section, ...], ...]] = (
    (Proof(min_images=2),),
    (Park(duration=HOUR),),
    (Proof(min_images=3), Park(duration=5 * HOUR)),
)
"""What the policies change. None changes how reports are kept: those that came before are not judged again."""


class Publications:
    """The topic of policies beside two policies in files, of which one comes into force in the midst of a history.

    `may_be_retroactive`: whether a policy may apply to earlier cases; one that has departed is not decided again.
    """

    def __init__(self, rng: Rng, kafka: SimulatedKafka, reading_wait: int, *, may_be_retroactive: bool) -> None:
        presence = Presence(reading_wait=reading_wait)
        later = Policy(label="later", effective_from=MIDNIGHT + 9 * HOUR, hash="h2", presence=presence, alert=ALERT)
        self.in_files = PolicySet((later,), Policy(hash="h1", presence=presence, alert=ALERT))
        self._presence = presence
        self._rng, self._kafka, self._may_be_retroactive = rng, kafka, may_be_retroactive
        self._happen = rng.chance(0.5)

    @property
    def policies(self) -> PolicySet:
        """The policies that there are by now."""
        book = PolicyBook(self.in_files)
        for record in self._kafka.committed(TP(TOPIC, 0)):
            with suppress(PolicyError):
                book.take(record, TOPIC)
        return book.policies

    @property
    def end(self) -> int:
        """The next offset of the topic."""
        return self._kafka.bounds(TP(TOPIC, 0))[1]

    def source(self, pause: Pause) -> PolicyTopic:
        """Return the topic as one process reads it."""
        return PolicyTopic(SimulatedLog(self._kafka, pause), TOPIC, PolicyBook(self.in_files))

    async def happen(self, clock: ManualClock) -> None:
        """Perhaps publish something, and let nothing else happen until all workers may know it if that matters."""
        if not (self._happen and self._rng.chance(0.03)):
            return
        key, value = self._record(clock.now_us())
        self._kafka.append(TP(TOPIC, 0), key, value)
        if not self._may_be_retroactive:
            await asyncio.sleep(AFTERWARDS_S)

    def _record(self, now: int) -> tuple[bytes, bytes | None]:
        rng, label = self._rng, self._rng.pick(("one", "two", "three"))
        if rng.chance(0.15):
            return label.encode(), None
        if rng.chance(0.1):
            return label.encode(), rng.pick((b"", b"label = 1", b"\xff", b'label = "other"'))
        before = (-30 * MINUTE, -2 * HOUR, -6 * HOUR) if self._may_be_retroactive else ()
        at = now + rng.pick((LEAD_US + 1, 10 * MINUTE, 2 * HOUR, *before))
        policy = Policy(
            label=label, effective_from=at, presence=self._presence, alert=ALERT, sections=rng.pick(SECTIONS)
        )
        return label.encode(), POLICIES.dump(policy).encode()


async def look_at(policies: PolicyTopic) -> None:
    """Look for policies as a worker does, for ever."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        await policies.look()
