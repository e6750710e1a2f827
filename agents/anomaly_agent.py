"""The anomaly agent: raises the alerts that need more than one case.

A pure state machine, like the case agent. Cases tell it what they contribute; it keeps that in watches, each of one
image, partner, area or city.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from agents.anomalies.area_watch import AreaWatch
from agents.anomalies.city_watch import CityWatch
from agents.anomalies.contributions import AREA, CITY, MEDIA, PARTNER, PROOF
from agents.anomalies.image_watch import ImageWatch
from agents.anomalies.messages import Contribution, Outlier, Standing, WatchMessage, watch_id
from agents.anomalies.partner_watch import PartnerWatch
from agents.sops.cross_case_alerts import CITY_OOS_SURGE, MEDIA_REUSED, PARTNER_OOS_SPIKE, PROOF_REUSED
from schemas.codec.encoder import alert_id
from schemas.outputs import AlertBody, AlertMessage
from schemas.policy.model import DAY, HOUR, PolicySet

Watch = ImageWatch | PartnerWatch | AreaWatch | CityWatch

WATCHES: Final[Mapping[str, Callable[[str], Watch]]] = {
    PROOF: ImageWatch,
    MEDIA: ImageWatch,
    PARTNER: PartnerWatch,
    AREA: AreaWatch,
    CITY: CityWatch,
}
"""The watches, by kind."""
ABOUT: Final[Mapping[str, tuple[str, str]]] = {
    PROOF_REUSED.name: (PROOF, "image"),
    MEDIA_REUSED.name: (MEDIA, "image"),
    PARTNER_OOS_SPIKE.name: (PARTNER, "partner_id"),
    CITY_OOS_SURGE.name: (CITY, "city"),
}
"""The watch that raises each alert: its kind, and the label with what it is about."""
LATE: Final = DAY
"""How late a fact may be and still be compared with all that happened in its window."""


class WatchUpdate(Struct, frozen=True):
    """What a watch emits: alerts, and messages to other watches."""

    alerts: list[AlertMessage]
    messages: Sequence[WatchMessage] = ()


def watch_of(alert: AlertBody) -> str | None:
    """Return the id of the watch that raised an alert; None if no watch did."""
    if alert.name not in ABOUT:
        return None
    kind, label = ABOUT[alert.name]
    return watch_id(kind, alert.labels[label])


class AnomalyAgent:
    """The watches of one partition, by id.

    `remembered` is for how long uses of images and emitted alerts are remembered (microseconds); None: for ever, like
    everything else.
    """

    def __init__(self, policies: PolicySet, *, remembered: int | None) -> None:
        self.watches: dict[str, Watch] = {}
        self._remembered = remembered
        self.use(policies)

    def use(self, policies: PolicySet) -> None:
        """Compare what comes from now on by these policies."""
        self._policies = policies
        rules = [policy.alert for policy in policies.all]
        self._spikes_kept = max(each.spike_window for each in rules) + LATE
        self._surges_kept = max(each.surge_hours for each in rules) * HOUR + LATE

    def watch(self, watch: str) -> Watch:
        """Return a watch, a new one if it is not known."""
        found = self.watches.get(watch)
        if found is None:
            found = self.watches[watch] = WATCHES[watch.partition("|")[0]](watch)
        return found

    def receive(self, message: WatchMessage) -> None:
        """Take what a case contributes to a watch, or what the watches of a partner and an area tell each other."""
        watch = self.watch(message.watch)
        if isinstance(message, Contribution):
            watch.receive(message)
        elif isinstance(message, Standing) and isinstance(watch, AreaWatch):
            watch.receive_standing(message)
        elif isinstance(message, Outlier) and isinstance(watch, PartnerWatch):
            watch.receive_outlier(message)

    def evaluate(self, watch: str, now: int, inputs: str | None = None) -> WatchUpdate:
        """Return what a watch has to emit now (microseconds); it counts as emitted."""
        found = self.watch(watch)
        if self._remembered is not None:
            found.forget(self.kept_for(watch), self._remembered)
        if isinstance(found, AreaWatch):
            return WatchUpdate([], found.new_outliers(self._policies))
        messages = found.new_standings(self._policies) if isinstance(found, PartnerWatch) else ()
        alerts = found.new_alerts(now) if isinstance(found, ImageWatch) else found.new_alerts(self._policies)
        return WatchUpdate([_message(found, body, inputs) for body in alerts], messages)

    def restore_emitted(self, message: AlertMessage) -> None:
        """Note an alert that a previous owner of its watch emitted."""
        watch = watch_of(message.body)
        assert watch is not None, f"no watch raises {message.body.name}"
        found = self.watch(watch)
        assert not isinstance(found, AreaWatch), "partners' watches raise the alerts about partners"
        found.restore(message)

    def kept_for(self, watch: str) -> int:
        """Return for how long a watch keeps what happened behind the latest, in microseconds."""
        found = self.watch(watch)
        if isinstance(found, ImageWatch):
            assert self._remembered is not None, "this agent forgets"
            return self._remembered
        return self._surges_kept if isinstance(found, CityWatch) else self._spikes_kept


def _message(watch: Watch, body: AlertBody, inputs: str | None) -> AlertMessage:
    """Return an alert; its subject is the case that used the image last, else the partner or the city."""
    subject = watch.subject if isinstance(watch, ImageWatch) else body.labels[ABOUT[body.name][1]]
    return AlertMessage(body=body, alert_id=alert_id(body), subject=subject, inputs=inputs)
