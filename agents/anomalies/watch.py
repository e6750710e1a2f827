"""The contributions that a watch counts: what partners', areas' and cities' watches have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from msgspec import structs

from agents.anomalies.messages import Contribution
from schemas.codec.encoder import alert_id
from schemas.outputs import AlertBody, AlertMessage
from schemas.policy.model import HOUR


class Contributions(ABC):
    """What cases contributed, each contribution as a whole, and since when it has changed.

    A subclass counts the facts in them as they come and go. `watch` is its id.
    """

    def __init__(self, watch: str) -> None:
        self.id = watch
        self.emitted: dict[str, int] = {}
        """The ids of the alerts that were emitted, with their times (microseconds)."""
        self.of_case: dict[str, Contribution] = {}
        self.latest = 0
        """The latest time (microseconds) of anything that was contributed."""
        self.forgotten = 0
        """What happened before this instant (microseconds) does not count any more."""
        self.changed_since: int | None = None
        """The earliest time (microseconds) at which anything changed since the watch was evaluated last."""

    @abstractmethod
    def count(self, contribution: Contribution) -> None:
        """Count the facts of a contribution."""

    @abstractmethod
    def discount(self, contribution: Contribution) -> None:
        """Take back what `count` counted."""

    def receive(self, contribution: Contribution) -> None:
        """Take what a case contributes."""
        old = self._replace(contribution)
        self.changed_at([*([] if old is None else old.times), *contribution.times])

    def changed_at(self, times: Iterable[int]) -> None:
        """Note that facts of these times (microseconds) came or went."""
        known = () if self.changed_since is None else (self.changed_since,)
        self.changed_since = min((*times, *known), default=None)

    def take_changed_since(self) -> int | None:
        """Return `changed_since` and forget it."""
        since, self.changed_since = self.changed_since, None
        return since

    def forget(self, kept: int, remembered: int) -> None:
        """Drop what lies more than `kept` behind the latest, and alerts more than `remembered` (both microseconds).

        It drops nothing more often than hourly, to save time.
        """
        if self.latest - kept >= self.forgotten + HOUR:
            self.forget_before(self.latest - kept)
            self.emitted = {key: at for key, at in self.emitted.items() if at >= self.latest - remembered}

    def forget_before(self, time: int) -> None:
        """Drop what happened before an instant (microseconds), for good."""
        self.forgotten = max(self.forgotten, time)
        for contribution in [each for each in self.of_case.values() if min(each.times) < self.forgotten]:
            self._replace(contribution)

    def depart(self) -> None:
        """Drop everything but which alerts were emitted, for good; that too, if there is nothing else."""
        if self.has_departed:
            self.emitted.clear()
        self.forget_before(self.latest + 1)

    @property
    def has_departed(self) -> bool:
        """Whether only the alerts that were emitted are remembered."""
        return bool(self.emitted) and not self.of_case

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self.of_case or self.emitted)

    def restore(self, message: AlertMessage) -> None:
        """Note an alert that a previous owner emitted."""
        self.emitted[message.alert_id] = message.body.starts_at

    def not_emitted(self, alerts: Iterable[AlertBody]) -> list[AlertBody]:
        """Return the alerts that have not been emitted; they count as emitted."""
        new = []
        for alert in alerts:
            if (key := alert_id(alert)) not in self.emitted:
                self.emitted[key] = alert.starts_at
                new.append(alert)
        return new

    def load_contributions(self, contributions: Sequence[Contribution]) -> None:
        """Resume from the contributions of a checkpoint."""
        for each in contributions:
            self._add(each)

    def _replace(self, contribution: Contribution) -> Contribution | None:
        """Put a contribution, as far as it is not forgotten, in the place of its case's; return that."""
        old = self.of_case.pop(contribution.case_id, None)
        if old is not None:
            self.discount(old)
        new = structs.replace(
            contribution,
            claims=tuple(each for each in contribution.claims if each.time >= self.forgotten),
            assignments=tuple(each for each in contribution.assignments if each.time >= self.forgotten),
        )
        if new.times:
            self._add(new)
        return old

    def _add(self, contribution: Contribution) -> None:
        self.of_case[contribution.case_id] = contribution
        self.latest = max(self.latest, *contribution.times)
        self.count(contribution)


def count_between(times: Sequence[int], first: int, last: int) -> int:
    """Return how many of sorted instants lie between two instants, both included."""
    return bisect_right(times, last) - bisect_left(times, first)
