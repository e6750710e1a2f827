"""Watches a city for an hour with far more out-of-scope claims than those before it (domain.md, "Alerts")."""

from __future__ import annotations

from bisect import bisect_left, insort
from urllib.parse import unquote

from msgspec import Struct

from agents.anomalies.messages import Contribution
from agents.anomalies.watch import Contributions
from agents.sops.cross_case_alerts import CITY_OOS_SURGE
from schemas.outputs import AlertBody
from schemas.policy.model import HOUR, PolicySet
from schemas.timestamps import format_instant

HourlyClaim = tuple[int, str, int]
"""A claim at its place in its hour: its time (microseconds), its ref, and the time that selects its policy."""


class CityState(Struct, frozen=True, array_like=True, tag="city"):
    """A city's watch in a checkpoint."""

    watch: str
    contributions: list[Contribution]
    emitted: dict[str, int]
    forgotten: int
    changed_since: int | None


class CityWatch(Contributions):
    """The claims in a city, of all partners and of nobody, by clock hour in UTC."""

    def __init__(self, watch: str) -> None:
        super().__init__(watch)
        self._city = unquote(watch.partition("|")[2])
        self._claims: dict[int, list[HourlyClaim]] = {}
        """By the number of the hour since the Unix epoch."""

    def count(self, contribution: Contribution) -> None:
        """Count the facts of a contribution."""
        for each in contribution.claims:
            insort(self._claims.setdefault(each.time // HOUR, []), (each.time, each.ref, contribution.begins_at))

    def discount(self, contribution: Contribution) -> None:
        """Take back what `count` counted."""
        for each in contribution.claims:
            claims = self._claims[each.time // HOUR]
            del claims[bisect_left(claims, (each.time, each.ref, contribution.begins_at))]
            if not claims:
                del self._claims[each.time // HOUR]

    def new_alerts(self, policies: PolicySet) -> list[AlertBody]:
        """Return the alerts that have not been emitted."""
        since = self.take_changed_since()
        hours = () if since is None else sorted(hour for hour in self._claims if hour >= since // HOUR)
        alerts = (self._alert(hour, policies) for hour in hours)
        return self.not_emitted(alert for alert in alerts if alert is not None)

    def state(self) -> CityState:
        """Return the watch as a checkpoint keeps it."""
        return CityState(self.id, [*self.of_case.values()], self.emitted, self.forgotten, self.changed_since)

    @classmethod
    def resume(cls, state: CityState) -> CityWatch:
        """Return the watch that a checkpoint kept."""
        watch = cls(state.watch)
        watch.emitted, watch.forgotten = state.emitted, state.forgotten
        watch.load_contributions(state.contributions)
        watch.changed_since = state.changed_since
        return watch

    def _alert(self, hour: int, policies: PolicySet) -> AlertBody | None:
        """Return the alert about an hour, from its first claim that makes too many; None if no claim does."""
        for count, (time, _, begins_at) in enumerate(self._claims[hour], 1):
            rules = policies.at(begins_at).alert
            if count >= rules.surge_claims and self._exceeds(count, hour, rules.surge_hours, rules.surge_deviations):
                counted = self._claims[hour][count - rules.surge_claims : count]
                return AlertBody(
                    name=CITY_OOS_SURGE.name,
                    severity=CITY_OOS_SURGE.severity,
                    state="firing",
                    key=("city", "hour"),
                    labels={"city": self._city, "hour": format_instant(hour * HOUR)},
                    summary=f"{count} out-of-scope claims within an hour, far more than in the "
                    f"{rules.surge_hours} hours before",
                    evidence=tuple(sorted(ref for _, ref, _ in counted)),
                    starts_at=time,
                    ends_at=time + rules.moment_ttl,
                )
        return None

    def _exceeds(self, count: int, hour: int, hours: int, deviations: float) -> bool:
        """Return whether a count is above the mean of the hours before by more than so many standard deviations.

        Both sides are multiplied by the number of hours, so that only the deviation of whole numbers is left.
        """
        before = [len(self._claims.get(each, ())) for each in range(hour - hours, hour)]
        total, squares = sum(before), sum(each * each for each in before)
        above = count * hours - total
        return above > 0 and above * above > deviations * deviations * (hours * squares - total * total)
