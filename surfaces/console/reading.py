"""Fills the read model from Kafka, in a thread of its own, and says how fresh it is.

Whatever fails is tried again: Kafka or PostgreSQL may be away for a while, and pages show what was read before.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

from schemas.codec.limits import Limits
from schemas.errors import UsageError
from schemas.timestamps import SECOND_US
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from surfaces.console.parts import Freshness
from surfaces.failure_log import FailureLog
from surfaces.read_model.database import Database, DatabaseLost
from surfaces.read_model.entries import EntryReader
from surfaces.read_model.store import ReadModelStore
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.sink import RECORDS_MAX, Sink

RETRY_S: Final = 2.0
STALL_US: Final = 30 * SECOND_US
"""After how long without a step reading counts as stuck."""

_logger = logging.getLogger(__name__)


class Reading:
    """Reads all topics into the databases that `open_database` returns, each owned until it is lost.

    `now_us` is the clock. `run` raises `UsageError` if the first database cannot be used, and `Fatal` as the sink does.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topics: Topics,
        limits: Limits,
        open_database: Callable[[], Database],
        now_us: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._reader = EntryReader(topics, limits)
        self._open_database = open_database
        self._now_us = now_us
        self._stopped = threading.Event()
        self._failure = FailureLog(_logger, "reading")
        self._has_caught_up = False
        self._as_of = self._stepped_at = now_us()
        self._problem = ""

    def freshness(self) -> Freshness:
        """Return how fresh the read model is."""
        stalled_us = self._now_us() - self._stepped_at
        problem = self._problem
        if not problem and stalled_us > STALL_US:
            problem = f"Reading has made no progress for {stalled_us // SECOND_US} s"
        return Freshness(has_caught_up=self._has_caught_up, as_of=self._as_of, problem=problem)

    def stop(self) -> None:
        """End `run` soon."""
        self._stopped.set()

    def run(self) -> None:
        """Read until stopped; blocks."""
        store = self._store()
        while True:
            try:
                with closing(store):
                    asyncio.run(self._read(store))
                return
            except DatabaseLost as error:
                self._note(str(error))
            while True:
                if self._stopped.wait(RETRY_S):
                    return
                try:
                    store = self._store()
                    break
                except (UsageError, DatabaseLost) as error:
                    self._note(str(error))

    def _store(self) -> ReadModelStore:
        return ReadModelStore(self._open_database(), self._reader, self._now_us)

    async def _read(self, store: ReadModelStore) -> None:
        """Read into a store until stopped; brokers that do not answer at the start are tried again."""
        self._as_of = store.newest_at or self._as_of
        while not self._stopped.is_set():
            try:
                async with KafkaPartitions(self._connection, self._reader.topics) as partitions:
                    await self._steps(Sink(partitions, store, time.monotonic), store)
            except UsageError as error:
                self._note(str(error))
                await asyncio.sleep(RETRY_S)

    async def _steps(self, sink: Sink, store: ReadModelStore) -> None:
        while not self._stopped.is_set():
            written = await sink.step()
            self._note(sink.failure)
            if not sink.failure:
                self._has_caught_up = self._has_caught_up or sink.has_caught_up
                is_behind = written >= RECORDS_MAX or not sink.has_caught_up
                self._as_of = store.newest_at if is_behind and store.newest_at else self._now_us()

    def _note(self, problem: str) -> None:
        self._failure.note(problem)
        self._problem = problem
        self._stepped_at = self._now_us()
