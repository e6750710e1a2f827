"""Sends lines of events to the input topics, each keyed by its subject, at a given pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterator
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.errors import Unavailable, UsageError
from schemas.topics import JOBS, Topics
from streams.kafka.connection import KafkaConnection
from streams.runtime.ports import Clock

UNACKNOWLEDGED_MAX: Final = 2_000
BREATHER_EVERY: Final = 100
SHORTEST_SLEEP_S: Final = 0.005
HURRY_EVENTS_PER_S: Final = 2_000
"""How fast goes what is not paced: no faster than a worker follows, so that one topic does not run ahead of another."""


class ScheduledEvent(NamedTuple):
    """An event as written, held back until `not_before` (microseconds); one that is not `paced` goes in a hurry."""

    value: bytes
    not_before: int = 0
    paced: bool = True


class _Address(msgspec.Struct, frozen=True):
    type: str = ""
    subject: str = ""


_address: Final = msgspec.json.Decoder(_Address)


class Router:
    """Tells where a line goes."""

    def __init__(self, topics: Topics, prefix: str) -> None:
        """Take the topics and the prefix that they were made with."""
        self._topics = topics
        self._any = prefix + JOBS

    def route(self, value: bytes) -> tuple[str, bytes | None]:
        """Return topic and key of a line: those of its type and subject, else `jobs` and none.

        What cannot be read has to go somewhere to end as a dead letter.
        """
        try:
            address = _address.decode(value)
            key = address.subject.encode() or None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return self._any, None
        try:
            return self._topics.of(address.type), key
        except KeyError:
            return self._any, key


class Feed:
    """One producer of events; `sent` counts the acknowledged ones."""

    def __init__(self, connection: KafkaConnection, router: Router, clock: Clock, *, events_per_s: float) -> None:
        """Take how to connect, where lines go, the clock and the pace."""
        self.sent = 0
        self._connection = connection
        self._router = router
        self._clock = clock
        self._interval_s = 1 / events_per_s
        self._hurry_interval_s = min(self._interval_s, 1 / HURRY_EVENTS_PER_S)
        self._next_at = 0.0
        self._waiting: deque[Awaitable[object]] = deque()

    async def run(self, events: Iterator[ScheduledEvent]) -> None:
        """Send all lines; returns when the last is acknowledged.

        Raises `Unavailable` when the broker does not take them, `UsageError` for a line larger than any message may be.
        """
        producer = AIOKafkaProducer(
            **self._connection.client_options(),
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=self._connection.message_bytes_max // 2,  # what input topics take
        )
        try:
            await producer.start()
            for number, event in enumerate(events, 1):
                await self._wait_for(event)
                await self._send(producer, number, event.value)
                if number % BREATHER_EVERY == 0:
                    await asyncio.sleep(0)  # making up events keeps the loop busy too
            await self._settle(0)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._connection.brokers} does not take events: {error}") from error
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, number: int, value: bytes) -> None:
        topic, key = self._router.route(value)
        try:
            self._waiting.append(await producer.send(topic, value, key=key))
        except MessageSizeTooLargeError as error:
            raise UsageError(f"event {number}: {len(value)} bytes are more than a message may have") from error
        await self._settle(UNACKNOWLEDGED_MAX)

    async def _settle(self, waiting_max: int) -> None:
        """Wait until at most so many events are not acknowledged."""
        while self._waiting and (len(self._waiting) > waiting_max or _is_done(self._waiting[0])):
            await self._waiting.popleft()
            self.sent += 1

    async def _wait_for(self, event: ScheduledEvent) -> None:
        early_us = event.not_before - self._clock.now_us()
        if early_us > 0:
            await asyncio.sleep(early_us / 1_000_000)
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at + (self._interval_s if event.paced else self._hurry_interval_s), now)
        if self._next_at - now > SHORTEST_SLEEP_S:
            await asyncio.sleep(self._next_at - now)


def _is_done(future: Awaitable[object]) -> bool:
    return isinstance(future, asyncio.Future) and future.done()
