"""Puts a console together: what it reads, what it serves, and how both end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from agents.sops import catalogue
from agents.sops.catalogue import POLICIES
from schemas.codec.schema_ids import SchemaIds
from schemas.errors import Fatal
from schemas.timestamps import SECOND_US
from streams.config.credentials import is_loopback
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.single_record import prepare_topic
from streams.kafka.topic_setup import topic_targets
from streams.operations.signature_check import signature_check
from streams.process.clock import SystemClock
from streams.process.first_of import first_of
from streams.process.signals import StopSignals
from surfaces.console.access import Access, access_from, host_names, listen_address
from surfaces.console.app import console_app
from surfaces.console.differences import DifferenceFolder
from surfaces.console.kafka import KafkaActs, KafkaRedriver
from surfaces.console.live import LiveFeed
from surfaces.console.parts import Freshness, Parts
from surfaces.console.policies import console_policies
from surfaces.console.server import Server, listening_socket
from surfaces.console.sessions import Sessions
from surfaces.console.workers import Workers, text_at
from surfaces.read_model.follower import Follower
from surfaces.read_model.views import Changes

QUERIES_MAX: Final = 8
"""Queries, and pages being made, at a time."""
STALL_US: Final = 30 * SECOND_US
"""After how long without a step the read model counts as stuck."""

_logger = logging.getLogger(__name__)


def run_console(settings: Settings, stop_signals: StopSignals, on_start: Callable[[str], None]) -> None:
    """Serve the console until a signal; `on_start` gets its address once it answers.

    Raises `UsageError` if a setting, the database or the address to listen at cannot be used.
    """
    asyncio.run(_run(settings, stop_signals, on_start))


async def _run(settings: Settings, stop_signals: StopSignals, on_start: Callable[[str], None]) -> None:
    loop, failures = asyncio.get_running_loop(), list[Fatal]()
    host, port = listen_address(settings.console_listen)
    access = access_from(settings)

    def stop() -> None:
        parts.feed.close()
        server.should_exit = True

    def fail(error: Fatal) -> None:
        failures.append(error)
        loop.call_soon_threadsafe(stop)

    with (
        listening_socket(host, port) as listener,
        ThreadPoolExecutor(QUERIES_MAX) as executor,
        Follower(settings, fail) as follower,
    ):
        connection = connect_kafka(settings)
        workers = Workers(settings.console_workers, text_at, time.monotonic)
        parts = _parts(settings, connection, access, follower, workers, executor)
        server = Server(console_app(parts, host_names(settings)))
        stop_signals.on_stop = lambda: loop.call_soon_threadsafe(stop)
        on_start(_address(settings, host, listener.getsockname()[1]))
        await first_of(server.serve([listener]), parts.feed.run(), workers.run(), _prepare(connection, settings))
        stop_signals.ignore()
    if failures:
        raise failures[0]
    _logger.info("stopped")


def _parts(
    settings: Settings,
    connection: KafkaConnection,
    access: Access,
    follower: Follower,
    workers: Workers,
    executor: ThreadPoolExecutor,
) -> Parts:
    topics = catalogue.topics(settings.topic_prefix)
    loop, clock, model = asyncio.get_running_loop(), SystemClock(), follower.model

    def freshness() -> Freshness:
        problem, stalled_us = follower.failure, clock.now_us() - follower.stepped_at
        if not problem and stalled_us > STALL_US:
            problem = f"nothing was read for {stalled_us // SECOND_US} s"
        return Freshness(follower.has_caught_up, follower.as_of, problem)

    async def changes(after: int) -> Changes:
        return await loop.run_in_executor(executor, model.changes, after)

    async def last_seq() -> int:
        found = await loop.run_in_executor(executor, lambda: model.overview(clock.now_us(), hours=1, rows=1))
        return found.last_seq

    return Parts(
        model=model,
        access=access,
        sessions=Sessions(access.secret),
        acts=KafkaActs(connection, topics.acts, SchemaIds(settings.schema_base_url)),
        redriver=KafkaRedriver(connection),
        feed=LiveFeed(changes, last_seq),
        freshness=freshness,
        workers=lambda: workers.reports,
        policies=console_policies(
            model, POLICIES.load_all(settings.policies), signature_check(settings), topics.policies
        ),
        differences=DifferenceFolder(settings.console_policy_diffs),
        limits=settings.limits,
        executor=executor,
        now_us=clock.now_us,
        prefix=settings.topic_prefix,
        is_secure=settings.console_url.startswith("https:"),
    )


def _address(settings: Settings, host: str, port: int) -> str:
    if settings.console_url:
        return settings.console_url
    name = host if not is_loopback(host) else "127.0.0.1" if ":" not in host else "[::1]"
    return f"http://{name}:{port}"


async def _prepare(connection: KafkaConnection, settings: Settings) -> None:
    """Create the topic of acts, and never end: an act is refused as long as the topic is missing."""
    topics = catalogue.topics(settings.topic_prefix)
    problem = await prepare_topic(connection, topics, topic_targets(settings), topics.acts)
    if problem:
        _logger.warning("%s cannot be created, so acts are refused: %s", topics.acts, problem)
    await asyncio.Event().wait()
