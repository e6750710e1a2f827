"""Keeps the read model in step with Kafka, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Self

from agents.sops import catalogue
from schemas.errors import Fatal, UsageError
from streams.config.settings import Settings
from streams.kafka.connection import connect_kafka
from streams.process.clock import SystemClock
from surfaces.failure_log import FailureLog
from surfaces.read_model.database import DatabaseLost, open_database
from surfaces.read_model.entries import EntryReader
from surfaces.read_model.model import SqlReadModel
from surfaces.read_model.store import ReadModelStore
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.sink import RECORDS_MAX, Sink

RETRY_S: Final = 2.0
"""How long to wait for a database that has failed before it is tried again."""

_logger = logging.getLogger(__name__)


class Follower:
    """Fills the read model while the block runs, as a context manager; `model` answers questions meanwhile.

    Brokers or a database that fail are waited for. `on_failure` is called in the follower's thread when it cannot go
    on, with the reason. Entering raises `UsageError` if a setting or the database cannot be used, or another process
    has it.
    """

    def __init__(self, settings: Settings, on_failure: Callable[[Fatal], None]) -> None:
        self._database = open_database(settings)
        self._connection = connect_kafka(settings)
        self._reader = EntryReader(catalogue.topics(settings.topic_prefix), settings.limits)
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read model")
        self._sink: Sink | None = None
        self._clock = SystemClock()
        self.as_of = self.stepped_at = self._clock.now_us()
        """How far the read model is, and when it was last tried to bring it further (microseconds)."""
        self.failure = ""
        """What keeps it from going further, empty if nothing does."""
        self._failure = FailureLog(_logger, "read model")
        self.model: Final = SqlReadModel(self._database)

    def __enter__(self) -> Self:
        try:
            self._store = self._open()
        except DatabaseLost as error:
            raise UsageError(str(error)) from error
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._database.close()

    @property
    def has_caught_up(self) -> bool:
        """Whether every partition has been read to its end at least once since the start."""
        return self._sink is not None and self._sink.has_caught_up

    def _open(self) -> ReadModelStore:
        return ReadModelStore(self._database, self._reader, SystemClock().now_us)

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())
        except Fatal as error:
            self._on_failure(error)

    async def _follow(self) -> None:
        # It repeats ten times a second what the sink says once.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        while not self._stopping.is_set():
            try:
                async with KafkaPartitions(self._connection, self._reader.topics) as partitions:
                    await self._read(partitions)
            except DatabaseLost as error:
                self._note(f"{error}; trying again")
                await self._reopen()
            except UsageError as error:  # what a user may do at the brokers can change too
                self._note(f"{error}; trying again")
                await asyncio.sleep(RETRY_S)

    async def _read(self, partitions: KafkaPartitions) -> None:
        """Read until the end is asked for; raises `DatabaseLost`."""
        self._sink = sink = Sink(partitions, self._store, time.monotonic)
        while not self._stopping.is_set():
            written = await sink.step()
            self.failure, self.stepped_at = sink.failure, self._clock.now_us()
            if written:
                self._failure.note("")
            if not sink.failure:
                is_behind = written >= RECORDS_MAX or not sink.has_caught_up
                self.as_of = self._store.newest_at if is_behind else self._clock.now_us()

    async def _reopen(self) -> None:
        """Open the store anew once the database can be used; raises `UsageError` if another process has it now."""
        while not self._stopping.is_set():
            await asyncio.sleep(RETRY_S)
            try:
                self._store = self._open()
            except DatabaseLost as error:
                self._note(f"{error}; trying again")
                continue
            return

    def _note(self, failure: str) -> None:
        """Take notice of the latest try."""
        self.failure, self.stepped_at = failure, self._clock.now_us()
        self._failure.note(failure)
