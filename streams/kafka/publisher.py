"""Publishes to Kafka in transactions, one transactional id a partition number, so that a new owner fences the last.

Pinned to aiokafka 0.14: its idempotent producer retries by itself within `request_timeout_ms`; a fenced one shows in
several ways, all of which end here as `Fenced`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, KafkaError, ProducerFenced

from schemas.errors import Fatal, Fenced
from streams.kafka.connection import KafkaConnection
from streams.ports import TP, Outgoing


class KafkaPublisher:
    """One partition number's producer (see `streams.ports.Publisher`)."""

    def __init__(self, connection: KafkaConnection, transactional_id: str, *, timeout_s: float) -> None:
        """Take how to connect, the id that only the partition's owner uses, and how long a transaction may take."""
        self._connection = connection
        self._transactional_id = transactional_id
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; when this returns no earlier owner can publish any more."""
        self._producer = AIOKafkaProducer(
            **self._connection.client_options(),
            transactional_id=self._transactional_id,
            transaction_timeout_ms=int(self._timeout_s * 1000),
            acks="all",
            enable_idempotence=True,
            max_request_size=self._connection.message_bytes_max,
            max_batch_size=262_144,
        )
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise Fatal(f"{self._transactional_id}: cannot begin to publish: {error}") from error

    async def publish(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        """Publish in one transaction."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._transaction(records)
        except (ProducerFenced, InvalidProducerEpoch, AssertionError) as error:
            # aiokafka asserts its own state where a commit follows a fenced send
            raise Fenced(f"{self._transactional_id}: another worker has taken over this partition") from error
        except (KafkaError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise Fatal(f"{self._transactional_id}: {len(records)} records not published: {reason}") from error

    async def _transaction(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        producer = self._producer
        if producer is None:
            raise Fatal(f"{self._transactional_id}: not started")
        await producer.begin_transaction()
        sent = [await producer.send(r.topic, r.value, r.key, partition=r.partition) for r in records]
        # a refused record fails here, before the commit; the process ends and the broker aborts the rest
        written = await asyncio.gather(*sent)
        await producer.commit_transaction()
        return {TP(each.topic, each.partition): each.offset + 1 for each in written}

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            async with asyncio.timeout(self._timeout_s):
                await self._producer.stop()
            self._producer = None
