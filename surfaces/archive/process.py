"""Puts the archive together: the sink, its store, and the folder that no other process may write to."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import Metric

from schemas.codec.encoder import TEXT_TYPE
from schemas.errors import Unavailable, UsageError
from schemas.topics import Topics
from streams.archive.folder import ArchiveFolder
from streams.archive.index import Indexer
from streams.archive.layout import LOCK, SegmentName
from streams.audit.keys import read_signer
from streams.audit.notary import Notary
from streams.config.settings import Settings
from streams.kafka.connection import connect_kafka
from streams.kafka.single_record import prepare_topic, send_record
from streams.kafka.topic_setup import topic_targets
from streams.metrics.server import MetricsServer
from streams.process.clock import SystemClock
from streams.process.signals import StopSignals
from streams.sealing.person_keys import person_keys
from surfaces.archive.metrics import archive_metrics
from surfaces.archive.store import ArchiveStore
from surfaces.failure_log import FailureLog
from surfaces.sink.endpoints import SinkEndpoints
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.sink import Sink

RETRY_S: Final = 2.0
"""How long to wait for a folder that has failed before it is tried again."""
CHECKPOINT_HEADERS: Final = (("content-type", TEXT_TYPE.encode()),)

_logger = logging.getLogger(__name__)


def archive(
    settings: Settings, folder: ArchiveFolder, topics: Topics, stop_signals: StopSignals, *, once: bool
) -> None:
    """Write the records of topics to an archive until a signal, or `once`: until all that there is was written.

    Raises `UsageError` if Kafka, the folder or SOP_METRICS_LISTEN cannot be used, or another process writes to the
    folder; `Unavailable` if the folder cannot take the last files at the end: they will be read again.
    """
    with _owned(folder), person_keys(settings) as keys, ExitStack() as stack:
        try:
            store = ArchiveStore(
                folder,
                SystemClock(),
                file_bytes=settings.archive_file_bytes_max,
                file_age_s=settings.archive_file_age_s,
                keys=keys,
            )
            notary = Notary(folder, read_signer(settings.audit_key_file)) if settings.audit_key_file else None
        except Unavailable as error:
            raise UsageError(str(error)) from error
        listen = settings.metrics_listen
        server = stack.enter_context(MetricsServer(listen)) if listen else None
        asyncio.run(_Archiver(settings, folder, store, notary, topics).run(stop_signals, server, once=once))


@contextmanager
def _owned(folder: ArchiveFolder) -> Iterator[None]:
    """Own a folder of this machine. Nothing can lock an object store: see that only one process writes there."""
    if not folder.is_local:
        yield
        return
    try:
        Path(folder.base).mkdir(parents=True, exist_ok=True)
        with (Path(folder.base) / LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError:
        raise UsageError(f"{folder.address}: another process writes to this archive") from None
    except OSError as error:
        raise UsageError(f"{folder.address}: {error.strerror}") from error


class _Archiver:
    """Reads topics into the store, has the store write what is due, and enters that into the log."""

    def __init__(
        self, settings: Settings, folder: ArchiveFolder, store: ArchiveStore, notary: Notary | None, topics: Topics
    ) -> None:
        self._settings, self._store, self._notary, self._topics = settings, store, notary, topics
        self._connection = connect_kafka(settings)
        names = folder.names()
        self._indexer = Indexer(folder, names)
        self._unsigned: list[SegmentName] = [] if notary is None else names
        """Files that the log may not have yet."""
        self._checkpoint: str | None = None
        """The latest checkpoint, until Kafka has it."""
        self._folder_failure = FailureLog(_logger, "archive")
        self._checkpoint_failure = FailureLog(_logger, topics.checkpoints)

    async def run(self, stop_signals: StopSignals, server: MetricsServer | None, *, once: bool) -> None:
        """Run until a signal, or until all partitions have been read to their ends."""
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it repeats what the sink says once
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        stop_signals.on_stop = lambda: loop.call_soon_threadsafe(stop.set)
        topics = self._topics
        async with KafkaPartitions(self._connection, topics.archived) as partitions:
            sink = Sink(partitions, self._store, time.monotonic)
            if server is not None:
                endpoints = SinkEndpoints(loop, lambda: self._not_ready(sink), self._metrics)
                server.serve(endpoints.metrics, endpoints.checks)
            if self._notary is not None:
                targets = topic_targets(self._settings)
                self._checkpoint_failure.note(
                    await prepare_topic(self._connection, topics, targets, topics.checkpoints)
                )
            while not (stop.is_set() or (once and sink.has_caught_up)):
                if self._store.is_full:
                    await asyncio.sleep(RETRY_S)
                else:
                    await sink.step()
                await self._flush()
            stop_signals.ignore()
        self._write(is_end=True)
        await self._publish_checkpoint()
        _logger.info("stopped")

    async def _flush(self) -> None:
        try:
            await asyncio.to_thread(self._write)  # large files take seconds, and probes want an answer
        except Unavailable as error:
            self._folder_failure.note(f"{error}; trying again, nothing is lost")
        else:
            self._folder_failure.note("")
        await self._publish_checkpoint()

    def _write(self, *, is_end: bool = False) -> None:
        """Write the files that are due, enter them into the log, and index those of a topic and day that are enough."""
        written = self._store.flush(is_end=is_end)
        self._indexer.add(written)
        if self._notary is not None:
            self._unsigned += written
            if self._unsigned:
                self._checkpoint = self._notary.enter(self._unsigned) or self._checkpoint
            self._unsigned.clear()
        self._indexer.write()

    async def _publish_checkpoint(self) -> None:
        """Give Kafka the latest checkpoint; what fails is tried again with the next one."""
        if self._checkpoint is None:
            return
        note, now_us = self._checkpoint, SystemClock().now_us()
        self._checkpoint = None
        try:
            await send_record(
                self._connection,
                self._topics.checkpoints,
                note.encode(),
                key=note.partition("\n")[0].encode(),
                headers=CHECKPOINT_HEADERS,
                timestamp_ms=now_us // 1000,
            )
        except Unavailable as error:
            self._checkpoint_failure.note(f"{error}; the archive has the checkpoint")
        else:
            self._checkpoint_failure.note("")

    def _not_ready(self, sink: Sink) -> str:
        """Return why records do not come into the archive; empty if they do."""
        if reason := sink.failure or self._folder_failure.failure:
            return reason
        return "" if sink.has_caught_up else "the topics have not been read to their ends yet"

    def _metrics(self) -> Iterator[Metric]:
        return archive_metrics(self._store, unsigned_files=len(self._unsigned))
