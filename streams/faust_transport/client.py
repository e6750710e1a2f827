"""The Kafka client of the batch transport, in a thread of its own: heartbeats continue while agents work."""
# ruff: noqa: SLF001 - the base classes and the client offer no other way; their versions are pinned for it

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as kafka
from faust.types import TP

from streams.faust_transport.app import BatchApp
from streams.faust_transport.assignment import partial_numbers
from streams.faust_transport.batch import EndOffsets, TransportError
from streams.faust_transport.membership import UNANSWERED, GroupConsumer, PartitionNumberAssignor, Refusal
from streams.kafka.fetcher import fetched_records, patch_consumers

POLL_S = 1.0  # how often a wait checks whether the worker stops

Fetched = Mapping[TP, tuple[Sequence[Any], int]]  # records, and the position after them


class BatchConsumerThread(kafka.AIOKafkaConsumerThread):
    """Runs the Kafka client in a thread of its own."""

    _positioned_generation = -1  # whose positions are set
    _is_woken_up = False

    def _create_worker_consumer(self, transport: kafka.Transport) -> aiokafka.AIOKafkaConsumer:
        app = cast(BatchApp, self.app)
        conf = app.conf
        if conf.broker_session_timeout > conf.broker_request_timeout:
            raise ImproperlyConfigured("broker_session_timeout is longer than broker_request_timeout")
        patch_consumers()
        return GroupConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=kafka.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[PartitionNumberAssignor],
            enable_auto_commit=False,
            auto_offset_reset="none",  # only the offset provider chooses another position
            isolation_level="read_committed",
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=app.options.fetch_wait_ms,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **kafka.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def seek_all(self, generation: int, tps: Collection[TP], starts: Mapping[TP, int]) -> dict[TP, int] | None:
        """Set and return the positions of `tps`, the whole assignment: `starts`, or else the earliest offset.

        Returns None when `generation` has ended in the meantime. Raises KafkaError, and TransportError when a topic is
        missing or the topics differ in their number of partitions.
        """
        client = self._ensure_consumer()
        await self._refuse_unequal_topics(client)
        unknown = [TopicPartition(*tp) for tp in tps if tp not in starts]
        earliest = await client.beginning_offsets(unknown) if unknown else {}
        if not self._is_current(generation):
            return None
        positions = {tp: starts[tp] if tp in starts else earliest[tp] for tp in tps}
        for tp, position in positions.items():
            client.seek(TopicPartition(*tp), position)
        self._positioned_generation = generation
        return positions

    async def take_fetched(self, generation: int, tps: set[TP], records_max: int) -> Fetched:
        """Return about `records_max` fetched records of `tps`; nothing when none arrive within a second.

        Returns nothing once `generation` has ended, and no records for a partition whose position moved without any.
        Raises KafkaError when the group or a topic cannot be read.
        """
        client = self._ensure_consumer()
        fetcher = client._fetcher
        if client._closed or fetcher._closed:
            raise ConsumerStoppedError
        client._coordinator.check_errors()
        if self._is_woken_up or not self._is_ready(generation):
            self._is_woken_up = False
            return {}
        with client._subscription.fetch_context():
            fetched = fetched_records(fetcher, tps, records_max)
            if not fetched:
                news = fetcher._create_fetch_waiter()
                await asyncio.wait([news], timeout=POLL_S)
                if not news.done():
                    news.cancel()
                    return {}
                news.result()  # raises what the group coordinator found
                if not self._is_ready(generation):
                    return {}
                fetched = fetched_records(fetcher, tps, records_max)
        states = client._subscription.subscription.assignment
        return {TP(*tp): (records, states.state_value(tp).position) for tp, records in fetched.items()}

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """Return the log start offset and the end offset of `tp`."""
        client, partition = self._ensure_consumer(), TopicPartition(*tp)
        earliest = await client.beginning_offsets([partition])
        end = await client.end_offsets([partition])
        return earliest[partition], end[partition]

    async def skip_to(self, generation: int, tp: TP, offset: int) -> None:
        """Set the position of `tp`, unless `generation` has ended."""
        if self._is_ready(generation):
            self._ensure_consumer().seek(TopicPartition(*tp), offset)

    async def refuse_partial(self, tps: frozenset[TP]) -> None:
        """Raise TransportError unless every assigned partition number is assigned for all topics."""
        client = self._ensure_consumer()
        if partial := partial_numbers(tps, client.subscription()):
            await self._refuse_unequal_topics(client)
            raise TransportError(f"the group's leader assigned partitions {partial} of some topics only")

    def refusal(self) -> Refusal | None:
        """Return why this is no member of a stable group; None if it is one. Callable from any thread."""
        return cast(GroupConsumer, self._consumer).refusal() if self._consumer is not None else UNANSWERED

    def end_offsets(self) -> dict[TP, EndOffsets]:
        """Return the end offsets of the assigned partitions, as of their last fetches. Callable from any thread."""
        subscription = self._consumer._subscription.subscription if self._consumer is not None else None
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return {}
        states = {TP(*tp): assignment.state_value(tp) for tp in assignment.tps}
        return {tp: EndOffsets(each.lso, each.highwater) for tp, each in states.items() if each.lso is not None}

    def close(self) -> None:
        """Close the client's connections; otherwise a rebalance would keep it from stopping. Callable from any thread.

        Faust closes them in the app's event loop. That can crash the process: the client's own thread uses them.
        """
        if self._consumer is not None:
            asyncio.run_coroutine_threadsafe(self._close_client(self._consumer), self.thread_loop)

    async def _close_client(self, client: aiokafka.AIOKafkaConsumer) -> None:
        client._closed = True
        await asyncio.gather(client._client.close(), client._coordinator.close())

    def wake_up(self) -> None:
        """Have the waiting `take_fetched`, or the next one, return at once. Callable from any thread."""
        self.thread_loop.call_soon_threadsafe(self._wake_up_here)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Try once to commit `offsets` to the group; return whether it worked. A later commit includes them."""
        client = self._ensure_consumer()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            await asyncio.wait_for(client.commit(wanted), cast(BatchApp, self.app).options.commit_s)
        except (KafkaError, TimeoutError) as error:
            self.log.warning("group offsets not committed: %s %s", type(error).__name__, error)
            return False
        return True

    def _is_current(self, generation: int) -> bool:
        client = self._ensure_consumer()
        return client._coordinator.generation == generation and not client._subscription.reassignment_in_progress

    def _is_ready(self, generation: int) -> bool:
        return self._positioned_generation == generation and self._is_current(generation)

    def _wake_up_here(self) -> None:
        self._is_woken_up = True
        fetcher = self._ensure_consumer()._fetcher
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)

    async def _refuse_unequal_topics(self, client: aiokafka.AIOKafkaConsumer) -> None:
        topics = sorted(client.subscription())
        if any(client.partitions_for_topic(topic) is None for topic in topics):
            await client._client.force_metadata_update()  # it may have just been created
        counts = {topic: len(client.partitions_for_topic(topic) or ()) for topic in topics}
        if missing := [topic for topic, count in counts.items() if count == 0]:
            raise TransportError(f"no such topic: {', '.join(missing)}")
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{topic} {count}" for topic, count in counts.items())
            raise TransportError(f"the topics must have the same number of partitions: {found}")
