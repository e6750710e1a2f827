"""Keeps one Alertmanager in step: what fires is sent again before it would end (surfaces.md, "Alerts delivered")."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from schemas.errors import Unavailable
from schemas.timestamps import SECOND_US
from surfaces.alert_forwarder.alert import StoredAlert, alertmanager_alert
from surfaces.alert_forwarder.http import Client
from surfaces.alert_forwarder.receivers import Receiver
from surfaces.alert_forwarder.store import AlertStore
from surfaces.failure_log import FailureLog

FIRING_INTERVALS: Final = 4
"""For how many intervals an alert fires that is not sent again: two requests may fail, and it does not flap."""
ENDED_INTERVALS: Final = 15
"""For how many intervals an alert that has ended is sent again."""
ALERTS_PER_REQUEST_MAX: Final = 500
RETRY_S_MIN: Final = 1.0
REFUSALS: Final = frozenset({400, 422})
"""What Alertmanager answers to alerts that it will never take."""

_logger = logging.getLogger(__name__)


class AlertmanagerSender:
    """Sends alerts to one Alertmanager: changed ones when `changed` is set, all of them every `interval_s`.

    `now_us` is a clock in microseconds. `console_url` is where annotations link to, empty for nowhere.
    """

    def __init__(
        self,
        receiver: Receiver,
        store: AlertStore,
        client: Client,
        changed: asyncio.Event,
        now_us: Callable[[], int],
        *,
        interval_s: float,
        console_url: str,
    ) -> None:
        self._receiver = receiver
        self._address = f"{receiver.url.rstrip('/')}/api/v2/alerts"
        self._store = store
        self._client = client
        self._changed = changed
        self._now_us = now_us
        self._interval_s = interval_s
        self._console_url = console_url
        self._failure = FailureLog(_logger, receiver.name)

    async def run(self) -> None:
        """Send until cancelled. What fails is tried again; nothing that an Alertmanager answers ends this."""
        loop = asyncio.get_running_loop()
        sent, all_due_s, retry_s = 0, loop.time(), RETRY_S_MIN
        while True:
            self._changed.clear()
            if loop.time() >= all_due_s:
                sent, all_due_s = 0, loop.time() + self._interval_s
            alerts = self._due(sent)
            if await self.send(alerts):
                sent, retry_s = alerts[-1].number if alerts else sent, RETRY_S_MIN
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), max(all_due_s - loop.time(), 0))
            else:
                await asyncio.sleep(min(retry_s, self._interval_s))
                retry_s = min(2 * retry_s, self._interval_s)

    def _due(self, sent: int) -> list[StoredAlert]:
        return self._store.alerts(self._now_us(), sent) if self._store.is_admitted(self._receiver.key) else []

    async def send(self, alerts: Sequence[StoredAlert]) -> bool:
        """Send alerts; return False if they have to be sent again before the interval is over.

        A refusal (400, 422) would only be repeated. Alertmanager takes the valid ones of a request that it answers with
        400, and names the others.
        """
        failures = []
        for start in range(0, len(alerts), ALERTS_PER_REQUEST_MAX):
            try:
                answer = await self._client.post(self._address, self._body(alerts[start:][:ALERTS_PER_REQUEST_MAX]), {})
            except Unavailable as error:
                self._failure.note(f"{error}; trying again")
                return False
            if not answer.is_success:
                failures.append(f"refuses alerts ({answer.status}): {answer.text}")
                if answer.status not in REFUSALS:
                    self._failure.note(f"{failures[-1]}; trying again")
                    return False
        if alerts:
            self._failure.note("; ".join(failures))
        return True

    def _body(self, alerts: Sequence[StoredAlert]) -> bytes:
        now, firing_us = self._now_us(), int(FIRING_INTERVALS * self._interval_s * SECOND_US)
        return msgspec.json.encode([alertmanager_alert(each, now, firing_us, self._console_url) for each in alerts])
