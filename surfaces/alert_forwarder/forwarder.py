"""Puts the alert forwarder together: the sink, the store, and a task for each receiver."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from schemas.errors import Unavailable, UsageError
from schemas.timestamps import SECOND_US
from streams.config.credentials import tls_context
from streams.config.settings import Settings, data_dir
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.metrics.server import MetricsServer
from streams.process.clock import SystemClock
from streams.process.signals import StopSignals
from surfaces.alert_forwarder.alertmanager import ENDED_INTERVALS, AlertmanagerSender
from surfaces.alert_forwarder.http import HttpClient
from surfaces.alert_forwarder.receivers import Receiver
from surfaces.alert_forwarder.store import AlertStore
from surfaces.alert_forwarder.webhook import WebhookSender
from surfaces.sink.endpoints import SinkEndpoints
from surfaces.sink.kafka_partitions import KafkaPartitions
from surfaces.sink.ports import Partitions
from surfaces.sink.sink import Sink

FILE_NAME: Final = "alerts.sqlite"
BEHIND: Final = "the topic has not been read to its end yet"

_logger = logging.getLogger(__name__)


def forward(settings: Settings, topic: str, receivers: Sequence[Receiver], stop_signals: StopSignals) -> None:
    """Forward the alerts of a topic until a signal.

    Raises `UsageError` if Kafka, the topic, the data folder, a certificate or SOP_METRICS_LISTEN cannot be used.
    """
    connection = connect_kafka(settings)
    context = tls_context("SOP_ALERTS", settings.alerts_ca_file, "", "")
    store = AlertStore(_store_path(settings), int(ENDED_INTERVALS * settings.alerts_resend_s * SECOND_US))
    with closing(store), ExitStack() as stack:
        listen = settings.metrics_listen
        server = stack.enter_context(MetricsServer(listen)) if listen else None
        forwarder = Forwarder(settings, store, receivers, context, server)
        asyncio.run(_forward(connection, topic, forwarder, stop_signals))


def _store_path(settings: Settings) -> Path:
    return data_dir(settings) / f"{settings.topic_prefix}{FILE_NAME}"


async def _forward(connection: KafkaConnection, topic: str, forwarder: Forwarder, stop_signals: StopSignals) -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it repeats ten times a second what the sink says once
    async with KafkaPartitions(connection, [topic]) as partitions:
        try:
            found = await partitions.topic_ids()
        except Unavailable as error:
            raise UsageError(f"Kafka at {error}") from error
        if not found:
            raise UsageError(f"Kafka at {connection.brokers} has no topic {topic}: start a worker, which creates it")
        await forwarder.run(partitions, stop_signals)


class Forwarder:
    """Reads alerts into the store, and runs one task for each receiver, none of which waits for another.

    `server` answers whether it lives and is ready.
    """

    def __init__(
        self,
        settings: Settings,
        store: AlertStore,
        receivers: Sequence[Receiver],
        context: ssl.SSLContext,
        server: MetricsServer | None = None,
    ) -> None:
        self._server = server
        self._settings = settings
        self._store = store
        self._receivers = receivers
        self._context = context
        self._changed = {receiver: asyncio.Event() for receiver in receivers}
        self._clock = SystemClock()

    async def run(self, partitions: Partitions, stop_signals: StopSignals) -> None:
        """Forward until a signal; raises what a task raised."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        stop_signals.on_stop = lambda: loop.call_soon_threadsafe(stop.set)
        self._store.keep_receivers([receiver.key for receiver in self._receivers])
        _logger.info("forwarding alerts to %s", ", ".join(receiver.name for receiver in self._receivers))
        sink = Sink(partitions, self._store, time.monotonic)
        if self._server is not None:
            endpoints = SinkEndpoints(loop, lambda: "" if sink.has_caught_up else BEHIND)
            self._server.serve(endpoints.metrics, endpoints.checks)
        senders = [asyncio.create_task(self._send(receiver)) for receiver in self._receivers]
        try:
            await self._read(sink, stop, senders)
        finally:
            stop_signals.ignore()
            for task in senders:
                task.cancel()
            await asyncio.gather(*senders, return_exceptions=True)
        _logger.info("stopped")

    async def _read(self, sink: Sink, stop: asyncio.Event, senders: Sequence[asyncio.Task[None]]) -> None:
        """Bring alerts into the store, admit receivers, and delete what is over, until `stop` is set."""
        loop = asyncio.get_running_loop()
        tidy_due_s, has_admitted = loop.time(), False
        while not stop.is_set():
            is_changed = await sink.step() > 0
            for task in senders:
                if task.done():
                    task.result()
            if not has_admitted and sink.has_caught_up:
                has_admitted = is_changed = True
                for receiver in self._receivers:
                    self._store.admit(receiver.key, self._clock.now_us(), has_outbox=receiver.is_webhook)
            if is_changed:
                for event in self._changed.values():
                    event.set()
            if loop.time() >= tidy_due_s:
                self._tidy()
                tidy_due_s = loop.time() + self._settings.alerts_resend_s

    def _tidy(self) -> None:
        dropped = self._store.tidy(self._clock.now_us())
        for receiver in self._receivers:
            if receiver.key in dropped:
                _logger.error("%s: %d messages are dropped: too many wait", receiver.name, dropped[receiver.key])

    async def _send(self, receiver: Receiver) -> None:
        settings, changed, now_us = self._settings, self._changed[receiver], self._clock.now_us
        async with HttpClient(self._context, settings.alerts_proxy if receiver.is_webhook else "") as client:
            if receiver.is_webhook:
                await WebhookSender(receiver, self._store, client, changed, now_us).run()
            else:
                interval_s, console_url = settings.alerts_resend_s, settings.console_url
                await AlertmanagerSender(
                    receiver, self._store, client, changed, now_us, interval_s=interval_s, console_url=console_url
                ).run()
