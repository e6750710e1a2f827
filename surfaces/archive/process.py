"""Puts the archive together: the sink, its store, and the folder that no other process may write to."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from schemas.errors import Unavailable, UsageError
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.audit.keys import read_signer
from streams.audit.notary import Notary
from streams.config.settings import Settings
from streams.kafka.connection import connect_kafka
from streams.process.clock import SystemClock
from streams.process.signals import StopSignals
from streams.sealing.person_keys import person_keys
from surfaces.archive.store import ArchiveStore
from surfaces.failure_log import FailureLog
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.sink import Sink

LOCK: Final = ".lock"
RETRY_S: Final = 2.0
"""How long to wait for a folder that has failed before it is tried again."""

_logger = logging.getLogger(__name__)


def archive(
    settings: Settings, folder: ArchiveFolder, topics: Sequence[str], stop_signals: StopSignals, *, once: bool
) -> None:
    """Write the records of topics to an archive until a signal, or `once`: until all that there is was written.

    Raises `UsageError` if Kafka or the folder cannot be used, or another process writes to the folder; `Unavailable` if
    the folder cannot take the last files at the end: they will be read again.
    """
    with _owned(folder), person_keys(settings) as keys:
        try:
            store = ArchiveStore(
                folder,
                SystemClock(),
                file_bytes=settings.archive_file_bytes_max,
                file_age_s=settings.archive_file_age_s,
                keys=keys,
            )
        except Unavailable as error:
            raise UsageError(str(error)) from error
        notary = None
        if settings.audit_key_file:
            notary = Notary(folder, read_signer(settings.audit_key_file))
            notary.enter(folder.names())
        asyncio.run(_Archiver(settings, store, notary, topics).run(stop_signals, once=once))


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
    """Reads topics into the store, and has the store write what is due."""

    def __init__(self, settings: Settings, store: ArchiveStore, notary: Notary | None, topics: Sequence[str]) -> None:
        self._connection = connect_kafka(settings)
        self._store, self._notary, self._topics = store, notary, topics
        self._unsigned: list[SegmentName] = []
        self._failure = FailureLog(_logger, "archive")

    async def run(self, stop_signals: StopSignals, *, once: bool) -> None:
        """Run until a signal, or until all partitions have been read to their ends."""
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it repeats what the sink says once
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        stop_signals.on_stop = lambda: loop.call_soon_threadsafe(stop.set)
        async with KafkaPartitions(self._connection, self._topics) as partitions:
            sink = Sink(partitions, self._store, time.monotonic)
            while not (stop.is_set() or (once and sink.has_caught_up)):
                if self._store.is_full:
                    await asyncio.sleep(RETRY_S)
                else:
                    await sink.step()
                self._flush()
            stop_signals.ignore()
        self._write(is_end=True)
        _logger.info("stopped")

    def _write(self, *, is_end: bool = False) -> None:
        """Write the files that are due and enter them into the log."""
        self._unsigned += self._store.flush(is_end=is_end)
        if self._notary is not None and self._unsigned:
            self._notary.enter(self._unsigned)
        self._unsigned.clear()

    def _flush(self) -> None:
        try:
            self._write()
        except Unavailable as error:
            self._failure.note(f"{error}; trying again, nothing is lost")
        else:
            self._failure.note("")
