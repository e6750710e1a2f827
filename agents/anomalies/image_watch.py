"""Watches an image: two cases must not share a payment proof or a picture of the work (domain.md, "Alerts")."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from msgspec import Struct, structs

from agents.anomalies.contributions import MEDIA, PROOF
from agents.anomalies.messages import Contribution, Use
from agents.sops.cross_case_alerts import MEDIA_REUSED, PROOF_REUSED
from schemas.outputs import AlertBody, AlertMessage

ALERTS: Final = {PROOF: PROOF_REUSED, MEDIA: MEDIA_REUSED}


class ImageState(Struct, frozen=True, array_like=True, tag="image"):
    """An image's watch in a checkpoint."""

    watch: str
    uses: dict[str, Use]
    emitted: AlertBody | None
    subject: str


class ImageWatch:
    """The cases that use an image."""

    def __init__(self, watch: str) -> None:
        self.id = watch
        kind, image = watch.split("|")
        self._alert, self._image = ALERTS[kind], unquote(image)
        self._uses: dict[str, Use] = {}
        self._emitted: AlertBody | None = None
        """The alert as it was last emitted."""
        self.subject = ""
        """The case whose use made the alert fire: its subject."""

    def receive(self, contribution: Contribution) -> None:
        """Take what a case contributes."""
        if contribution.use is None:
            self._uses.pop(contribution.case_id, None)
        else:
            self._uses[contribution.case_id] = contribution.use

    def new_alerts(self, now: int) -> list[AlertBody]:
        """Return the alert if it starts to fire, or is resolved now (microseconds)."""
        last = self._emitted
        is_firing, is_reused = last is not None and last.state == "firing", len(self._uses) > 1
        if is_reused and not is_firing:
            self._emitted = self._firing()
        elif last is not None and is_firing and not is_reused:
            self._emitted = structs.replace(last, state="resolved", ends_at=max(last.starts_at, now))
        else:
            return []
        return [self._emitted]

    def restore(self, message: AlertMessage) -> None:
        """Note an alert that a previous owner emitted."""
        self._emitted, self.subject = message.body, message.subject

    def forget(self, kept: int, _: int) -> None:
        """Drop the uses that lie more than `kept` (microseconds) behind the latest."""
        latest = max((use.time for use in self._uses.values()), default=0)
        self._uses = {case_id: use for case_id, use in self._uses.items() if use.time >= latest - kept}

    def depart(self) -> None:
        """Drop all uses."""
        self._uses.clear()

    @property
    def has_departed(self) -> bool:
        """False: without uses there is nothing to remember."""
        return False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not self._uses

    def state(self) -> ImageState:
        """Return the watch as a checkpoint keeps it."""
        return ImageState(self.id, self._uses, self._emitted, self.subject)

    @classmethod
    def resume(cls, state: ImageState) -> ImageWatch:
        """Return the watch that a checkpoint kept."""
        watch = cls(state.watch)
        watch._uses, watch._emitted, watch.subject = state.uses, state.emitted, state.subject
        return watch

    def _firing(self) -> AlertBody:
        """Return the alert; of several uses the two earliest are its evidence."""
        earliest = sorted((use.time, use.ref, case_id) for case_id, use in self._uses.items())[:2]
        self.subject = earliest[-1][2]
        return AlertBody(
            name=self._alert.name,
            severity=self._alert.severity,
            state="firing",
            key=("image",),
            labels={"image": self._image},
            summary=f"{self._alert.summary}: {' and '.join(case_id for _, _, case_id in earliest)}",
            evidence=tuple(sorted(ref for _, ref, _ in earliest)),
            starts_at=max(time for time, _, _ in earliest),
        )
