"""Delivers one webhook's messages by Standard Webhooks 1.0 (surfaces.md, "Alerts delivered")."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from schemas.errors import Unavailable
from schemas.timestamps import SECOND_US
from surfaces.alert_forwarder.alert import webhook_body
from surfaces.alert_forwarder.http import Client
from surfaces.alert_forwarder.receivers import Receiver
from surfaces.alert_forwarder.store import AlertStore, Waiting
from surfaces.failure_log import FailureLog

FIRST_PAUSE_S: Final = 5.0
PAUSE_FACTOR: Final = 4.0
PAUSE_S_MAX: Final = 3_600.0
"""Also how long it takes at most until a webhook that works again gets what waits."""
GIVE_UP_S: Final = 3 * 86_400.0
"""For how long a message is tried."""
GONE: Final = 410

_logger = logging.getLogger(__name__)


def signed_headers(message_id: str, at_s: int, body: bytes, secrets: Sequence[bytes]) -> Mapping[str, str]:
    """Return the headers of Standard Webhooks: id, time of this try (Unix seconds), a signature for each secret."""
    content = b"%s.%d.%s" % (message_id.encode(), at_s, body)
    signatures = (base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }


def pause_s(message_id: str, attempts: int) -> float:
    """Return how long to wait after so many failed tries: ever longer, and spread by up to a fifth either way.

    The spread is derived from the message, so that messages which failed together are not all tried together again.
    """
    pause = min(FIRST_PAUSE_S * PAUSE_FACTOR ** min(attempts - 1, 10), PAUSE_S_MAX)
    spread = int.from_bytes(hashlib.sha256(f"{message_id} {attempts}".encode()).digest()[:4]) / 2**32
    return pause * (0.8 + 0.4 * spread)


class WebhookSender:
    """Delivers what waits in the store for one webhook, one message at a time.

    `added` is set when more may wait. `now_us` is a clock in microseconds.
    """

    def __init__(
        self, receiver: Receiver, store: AlertStore, client: Client, added: asyncio.Event, now_us: Callable[[], int]
    ) -> None:
        self._receiver = receiver
        self._store = store
        self._client = client
        self._added = added
        self._now_us = now_us
        self._failure = FailureLog(_logger, receiver.name)
        self._is_gone = False

    async def run(self) -> None:
        """Deliver until cancelled, or until the webhook says that it is gone (410)."""
        while not self._is_gone:
            self._added.clear()
            wait_s = await self.step()
            if wait_s != 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._added.wait(), wait_s)

    async def step(self) -> float | None:
        """Try to deliver one message, if one is due; return in how many seconds one may be, None if none waits."""
        waiting = self._store.next_message(self._receiver.key)
        if waiting is None:
            return None
        wait_us = waiting.due_at - self._now_us()
        if wait_us <= 0:
            await self._deliver(waiting)
        return max(wait_us / SECOND_US, 0)

    async def _deliver(self, waiting: Waiting) -> None:
        receiver, body = self._receiver, webhook_body(waiting.event)
        headers = signed_headers(waiting.message_id, self._now_us() // SECOND_US, body, receiver.secrets)
        try:
            answer = await self._client.post(receiver.url, body, headers)
        except Unavailable as error:
            self._postpone(waiting, str(error))
            return
        if answer.is_success:
            self._store.remove(receiver.key, waiting.message_id)
            self._failure.note("")
        elif answer.status == GONE:
            _logger.error("%s: gone (410): it gets nothing until the next start, and then what fires", receiver.name)
            self._store.dismiss(receiver.key)
            self._is_gone = True
        else:
            self._postpone(waiting, f"answers with {answer.status}")

    def _postpone(self, waiting: Waiting, failure: str) -> None:
        """Keep a message that could not be delivered for a later try, or give it up after `GIVE_UP_S`."""
        self._failure.note(f"{failure}; trying again")
        receiver, message_id, now = self._receiver, waiting.message_id, self._now_us()
        if waiting.first_tried_at is not None and now - waiting.first_tried_at >= GIVE_UP_S * SECOND_US:
            _logger.error("%s: %s is given up after %d tries", receiver.name, message_id, waiting.attempts + 1)
            self._store.remove(receiver.key, message_id)
            return
        due_at = now + int(pause_s(message_id, waiting.attempts + 1) * SECOND_US)
        self._store.postpone(receiver.key, message_id, now, due_at)
