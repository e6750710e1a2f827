"""Sends events to the input topics, keyed by their subject, at a given rate."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.errors import Unavailable, UsageError
from schemas.topics import Topics
from streams.kafka.connection import INPUT_BYTES_MAX, KafkaConnection
from streams.runtime.ports import Clock

UNACKNOWLEDGED_MAX: Final = 2_000
YIELD_EVERY: Final = 100
SLEEP_S_MIN: Final = 0.005
UNPACED_EVENTS_PER_S_MAX: Final = 2_000
"""A worker keeps up with this rate. If events were sent faster, it would read one topic far ahead of another."""


class ScheduledEvent(NamedTuple):
    """An encoded event, sent not before `not_before` (microseconds). Unpaced events may exceed the rate of the feed."""

    value: bytes
    not_before: int = 0
    paced: bool = True


class _Heading(msgspec.Struct, frozen=True):
    type: str = ""
    subject: str = ""


_heading: Final = msgspec.json.Decoder(_Heading)


def route(topics: Topics, value: bytes) -> tuple[str, bytes | None]:
    """Return the topic of an encoded event's type, and its subject as the key.

    An unreadable event goes to the topic `jobs`, so that it becomes a dead letter.
    """
    fallback = topics.of("job.booked")
    try:
        heading = _heading.decode(value)
        key = heading.subject.encode() or None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return fallback, None
    try:
        return topics.of(heading.type), key
    except KeyError:
        return fallback, key


class Feed:
    """A producer of events at the rate `events_per_s`."""

    def __init__(self, connection: KafkaConnection, topics: Topics, clock: Clock, *, events_per_s: float) -> None:
        self.sent = 0
        """Number of acknowledged events."""
        self._connection = connection
        self._topics = topics
        self._clock = clock
        self._interval_s = 1 / events_per_s
        self._unpaced_interval_s = min(self._interval_s, 1 / UNPACED_EVENTS_PER_S_MAX)
        self._next_at = 0.0
        self._unacknowledged: deque[asyncio.Future[object]] = deque()

    async def run(self, events: Iterator[ScheduledEvent]) -> None:
        """Send all events and wait until the last one is acknowledged.

        Raises `Unavailable` if the broker does not accept them, `UsageError` if an event is larger than allowed.
        """
        producer = AIOKafkaProducer(
            **self._connection.client_options(),
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=INPUT_BYTES_MAX,
        )
        try:
            await producer.start()
            for number, event in enumerate(events, 1):
                await self._wait_for(event)
                await self._send(producer, number, event.value)
                if number % YIELD_EVERY == 0:
                    await asyncio.sleep(0)  # generating events blocks the loop too
            await self._wait_until_acknowledged(0)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._connection.brokers} does not accept events: {error}") from error
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, number: int, value: bytes) -> None:
        topic, key = route(self._topics, value)
        try:
            self._unacknowledged.append(await producer.send(topic, value, key=key))
        except MessageSizeTooLargeError as error:
            raise UsageError(f"event {number}: {len(value)} bytes are more than a message may have") from error
        await self._wait_until_acknowledged(UNACKNOWLEDGED_MAX)

    async def _wait_until_acknowledged(self, remaining_max: int) -> None:
        """Wait until at most `remaining_max` events are unacknowledged."""
        while self._unacknowledged and (len(self._unacknowledged) > remaining_max or self._unacknowledged[0].done()):
            await self._unacknowledged.popleft()
            self.sent += 1

    async def _wait_for(self, event: ScheduledEvent) -> None:
        early_us = event.not_before - self._clock.now_us()
        if early_us > 0:
            await asyncio.sleep(early_us / 1_000_000)
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at + (self._interval_s if event.paced else self._unpaced_interval_s), now)
        if self._next_at - now > SLEEP_S_MIN:
            await asyncio.sleep(self._next_at - now)
