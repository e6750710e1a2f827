"""Watches an area, a city and a category: at each claim it compares how the partner stands with all others there.

`partner_watch` asks, and raises the alert (domain.md, "Alerts").
"""

from __future__ import annotations

from bisect import bisect_left, insort

from msgspec import Struct

from agents.anomalies.contributions import PARTNER
from agents.anomalies.messages import Assignment, Claim, ClaimKey, Contribution, Outlier, Standing, watch_id
from agents.anomalies.watch import Contributions, count_between
from schemas.policy.model import PolicySet


class AreaState(Struct, frozen=True, array_like=True, tag="area"):
    """An area's watch in a checkpoint."""

    watch: str
    contributions: list[Contribution]
    standings: list[Standing]
    reported: list[ClaimKey]
    forgotten: int
    changed_since: int | None


class Instants:
    """The instants of one kind of fact, of all partners and of each."""

    def __init__(self) -> None:
        self._of_all: list[int] = []
        self._of: dict[str | None, list[int]] = {}

    def add(self, fact: Claim | Assignment) -> None:
        """Add the instant of a fact."""
        for times in (self._of_all, self._of.setdefault(fact.partner_id, [])):
            insort(times, fact.time)

    def remove(self, fact: Claim | Assignment) -> None:
        """Remove the instant of a fact that was added."""
        for times in (self._of_all, self._of[fact.partner_id]):
            del times[bisect_left(times, fact.time)]
        if not self._of[fact.partner_id]:
            del self._of[fact.partner_id]

    def of_others(self, partner_id: str | None, first: int, last: int) -> int:
        """Return how many facts of all other partners lie between two instants, both included."""
        return count_between(self._of_all, first, last) - count_between(self._of.get(partner_id, ()), first, last)


class AreaWatch(Contributions):
    """The claims and assignments of all partners in a city and a category."""

    def __init__(self, watch: str) -> None:
        super().__init__(watch)
        self._claims, self._assignments = Instants(), Instants()
        self._standings: dict[ClaimKey, Standing] = {}
        self._in_order: list[tuple[int, str, str]] = []
        """The claims with a standing, in order: time, case and ticket."""
        self._reported: set[ClaimKey] = set()
        """The claims whose partners were told that they stand out, as they stand now."""

    def count(self, contribution: Contribution) -> None:
        """Count the facts of a contribution."""
        for claim in contribution.claims:
            self._claims.add(claim)
        for assignment in contribution.assignments:
            self._assignments.add(assignment)

    def discount(self, contribution: Contribution) -> None:
        """Take back what `count` counted."""
        for claim in contribution.claims:
            self._claims.remove(claim)
        for assignment in contribution.assignments:
            self._assignments.remove(assignment)

    def receive_standing(self, standing: Standing) -> None:
        """Take how a partner stands at a claim."""
        old = self._standings.pop(standing.key, None)
        self._reported.discard(standing.key)
        if old is not None:
            del self._in_order[bisect_left(self._in_order, (old.claim.time, *old.key))]
        if standing.claim.time >= self.forgotten:
            self._standings[standing.key] = standing
            insort(self._in_order, (standing.claim.time, *standing.key))
            self.changed_at([standing.claim.time])

    def new_outliers(self, policies: PolicySet) -> list[Outlier]:
        """Return the claims at which the partner stands out and whose watch was not told."""
        since = self.take_changed_since()
        found = () if since is None else self._in_order[bisect_left(self._in_order, (since,)) :]
        outliers = [
            outlier
            for _, *key in found
            if (case_and_ticket := (key[0], key[1])) not in self._reported
            and (outlier := self._outlier(self._standings[case_and_ticket], policies)) is not None
        ]
        self._reported.update(each.standing.key for each in outliers)
        return outliers

    def forget_before(self, time: int) -> None:
        """Drop what happened before an instant (microseconds), for good."""
        super().forget_before(time)
        self._load_standings([each for each in self._standings.values() if each.claim.time >= self.forgotten])
        self._reported &= self._standings.keys()

    def state(self) -> AreaState:
        """Return the watch as a checkpoint keeps it."""
        return AreaState(
            watch=self.id,
            contributions=[*self.of_case.values()],
            standings=[*self._standings.values()],
            reported=sorted(self._reported),
            forgotten=self.forgotten,
            changed_since=self.changed_since,
        )

    @classmethod
    def resume(cls, state: AreaState) -> AreaWatch:
        """Return the watch that a checkpoint kept."""
        watch = cls(state.watch)
        watch._reported, watch.forgotten = set(state.reported), state.forgotten
        watch.load_contributions(state.contributions)
        watch.changed_since = state.changed_since
        watch._load_standings(state.standings)
        return watch

    def _load_standings(self, standings: list[Standing]) -> None:
        self._standings = {each.key: each for each in standings}
        self._in_order = sorted((each.claim.time, *key) for key, each in self._standings.items())

    def _outlier(self, standing: Standing, policies: PolicySet) -> Outlier | None:
        """Return that a partner stands out at a claim; None if not, or if the claim is not of this area."""
        claim = standing.claim
        contribution = self.of_case.get(standing.case_id)
        if contribution is None or claim not in contribution.claims or claim.partner_id is None:
            return None
        rules = policies.at(standing.begins_at).alert
        window = (claim.time - rules.spike_window, claim.time)
        claims = self._claims.of_others(claim.partner_id, *window)
        others_rate = claims / max(self._assignments.of_others(claim.partner_id, *window), 1)
        bound = rules.spike_ratio * max(others_rate, rules.spike_floor)
        if standing.claims < rules.spike_claims or standing.rate <= bound:
            return None
        return Outlier(watch_id(PARTNER, claim.partner_id), standing, others_rate)
