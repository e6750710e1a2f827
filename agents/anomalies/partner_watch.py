"""Watches a partner for out-of-scope claims far more often than others have them (domain.md, "Alerts").

A claim is judged by what the partner did anywhere, and by what the others did in its area. So the area's watch is told
how the partner stands at each claim, and tells where that stands out (`area_watch`). The alert is raised here, since a
claim may come to another area, and is said once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple

from msgspec import Struct

from agents.anomalies.messages import ClaimKey, Contribution, Outlier, Standing, place_of
from agents.anomalies.watch import Contributions, count_between
from agents.sops.cross_case_alerts import PARTNER_OOS_SPIKE
from schemas.outputs import AlertBody
from schemas.policy.model import PolicySet


class PartnerState(Struct, frozen=True, array_like=True, tag="partner"):
    """A partner's watch in a checkpoint."""

    watch: str
    contributions: list[Contribution]
    standings: list[Standing]
    outliers: list[Outlier]
    emitted: dict[str, int]
    forgotten: int
    changed_since: int | None


class CountedClaim(NamedTuple):
    """A claim at its place in the order of time (microseconds)."""

    time: int
    ref: str
    case_id: str
    ticket_id: str


class PartnerWatch(Contributions):
    """A partner's claims and assignments."""

    def __init__(self, watch: str) -> None:
        super().__init__(watch)
        self._claims: list[CountedClaim] = []
        self._assigned: list[int] = []
        self._standings: dict[ClaimKey, Standing] = {}
        """What the areas were told, by case and ticket."""
        self._outliers: list[Outlier] = []
        """What the areas told since the watch was evaluated last."""

    def count(self, contribution: Contribution) -> None:
        """Count the facts of a contribution."""
        for each in contribution.claims:
            insort(self._claims, CountedClaim(each.time, each.ref, contribution.case_id, each.ticket_id))
        for assignment in contribution.assignments:
            insort(self._assigned, assignment.time)

    def discount(self, contribution: Contribution) -> None:
        """Take back what `count` counted."""
        for each in contribution.claims:
            counted = CountedClaim(each.time, each.ref, contribution.case_id, each.ticket_id)
            del self._claims[bisect_left(self._claims, counted)]
        for assignment in contribution.assignments:
            del self._assigned[bisect_left(self._assigned, assignment.time)]

    def new_standings(self, policies: PolicySet) -> list[Standing]:
        """Return how the partner stands at each claim, where that changed. A claim without an area is not judged."""
        since = self.take_changed_since()
        if since is None:
            return []
        present = {(each.case_id, each.ticket_id) for each in self._claims}
        self._standings = {key: each for key, each in self._standings.items() if key in present}
        found = self._claims[bisect_left(self._claims, (since,)) :]
        standings = [standing for each in found if (standing := self._standing(each, policies)) is not None]
        new = [each for each in standings if self._standings.get(each.key) != each]
        self._standings.update((each.key, each) for each in new)
        return new

    def receive_outlier(self, outlier: Outlier) -> None:
        """Take that the partner stands out at a claim."""
        self._outliers.append(outlier)

    def new_alerts(self, policies: PolicySet) -> list[AlertBody]:
        """Return the alerts that have not been emitted; call it after `new_standings`.

        An area that judged an outdated standing has been told another one by then, and will judge again.
        """
        outliers, self._outliers = self._outliers, []
        current = [each for each in outliers if self._standings.get(each.standing.key) == each.standing]
        return self.not_emitted(_alert(each, policies) for each in current)

    def forget_before(self, time: int) -> None:
        """Drop what happened before an instant (microseconds), for good; emitted alerts are remembered."""
        super().forget_before(time)
        self._standings = {key: each for key, each in self._standings.items() if each.claim.time >= self.forgotten}

    def state(self) -> PartnerState:
        """Return the watch as a checkpoint keeps it."""
        return PartnerState(
            watch=self.id,
            contributions=[*self.of_case.values()],
            standings=[*self._standings.values()],
            outliers=self._outliers,
            emitted=self.emitted,
            forgotten=self.forgotten,
            changed_since=self.changed_since,
        )

    @classmethod
    def resume(cls, state: PartnerState) -> PartnerWatch:
        """Return the watch that a checkpoint kept."""
        watch = cls(state.watch)
        watch._outliers, watch.emitted = state.outliers, state.emitted
        watch.forgotten = state.forgotten
        watch.load_contributions(state.contributions)
        watch.changed_since = state.changed_since
        watch._standings = {each.key: each for each in state.standings}
        return watch

    def _standing(self, claim: CountedClaim, policies: PolicySet) -> Standing | None:
        contribution = self.of_case[claim.case_id]
        if contribution.area is None:
            return None
        rules = policies.at(contribution.begins_at).alert
        first = claim.time - rules.spike_window
        counted = self._claims[bisect_left(self._claims, (first,)) : bisect_left(self._claims, (claim.time + 1,))]
        return Standing(
            watch=contribution.area,
            case_id=claim.case_id,
            begins_at=contribution.begins_at,
            claim=next(each for each in contribution.claims if each.ticket_id == claim.ticket_id),
            claims=len(counted),
            assignments=count_between(self._assigned, first, claim.time),
            evidence=tuple(sorted(each.ref for each in counted[-rules.spike_claims :])),
        )


def _alert(outlier: Outlier, policies: PolicySet) -> AlertBody:
    standing, place = outlier.standing, place_of(outlier.standing.watch)
    claim = standing.claim
    assert claim.partner_id is not None, "nobody is no partner"
    return AlertBody(
        name=PARTNER_OOS_SPIKE.name,
        severity=PARTNER_OOS_SPIKE.severity,
        state="firing",
        key=("partner_id", "ticket_id"),
        labels={"partner_id": claim.partner_id, "ticket_id": claim.ticket_id, **place},
        summary=f"the partner has {standing.claims} out-of-scope claims, {standing.rate:.2f} for each assignment; "
        f"all others in {place['city']} for {place['category']} have {outlier.others_rate:.2f}",
        evidence=standing.evidence,
        starts_at=claim.time,
        ends_at=claim.time + policies.at(standing.begins_at).alert.moment_ttl,
    )
