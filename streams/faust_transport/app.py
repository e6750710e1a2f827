"""A Faust app whose agents receive batches, and the functions that make its topics and agents."""

import logging
import os
import traceback
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import Any, cast

import faust
from aiokafka.errors import KafkaError
from faust.tables.manager import TableManager
from faust.transport import drivers
from faust.types import TP, EventT, Message, TopicT
from mode.utils.queues import ThrowableQueue

from schemas.errors import SopError
from streams.faust_transport.batch import Batch, BatchOptions, EndOffsets, Handler, OffsetProvider, TransportError
from streams.faust_transport.membership import UNANSWERED, Refusal
from streams.kafka.connection import KafkaSecurity

SCHEME = "kafkabatch"
EXIT_FATAL = 70

# Other values would lose or repeat records, or open a port; see the sources of Faust 0.15.3.
_FIXED_SETTINGS: dict[str, Any] = {
    "autodiscover": False,
    "processing_guarantee": "at_least_once",
    "producer_threaded": False,
    "stream_wait_empty": False,  # the offset provider finishes the work on batches, with a time limit
    "topic_allow_declare": False,
    "topic_disable_leader": True,
    "web_enabled": False,
}

logger = logging.getLogger(__name__)


def register_transport() -> None:
    """Register broker URLs `kafkabatch://host:port` with Faust; may be called more than once."""
    drivers.TRANSPORTS.aliases[SCHEME] = "streams.faust_transport.transport:BatchTransport"


def faust_credentials(security: KafkaSecurity) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """Return the broker credentials of a Faust app; None for plaintext."""
    if security.protocol == "sasl_ssl":
        return faust.SASLCredentials(
            username=security.user,
            password=security.password,
            mechanism=security.mechanism,
            ssl_context=security.context,
        )
    return None if security.context is None else faust.SSLCredentials(security.context)


def exit_at_once(error: BaseException) -> None:
    """Log `error` in one line and end the process with status 70 before anything else is acknowledged."""
    # an operator cannot use the place in the code of an expected error
    expected = isinstance(error, TransportError | KafkaError | SopError)
    frames = [] if expected else traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    logger.critical("stopped: %s: %s%s", type(error).__name__, error, where)
    logging.shutdown()
    os._exit(EXIT_FATAL)


class NoTables(TableManager):
    """Faust's manager of tables and of rebalances, for apps without tables."""

    async def on_start(self) -> None:
        """Start at once; Faust waits a second for tables to be declared."""
        await self._update_channels()
        await self.recovery.start()


class GivenSettings(faust.Settings):
    """Faust's settings without its feature that environment variables override them."""

    def getenv(self, env_name: str) -> None:
        """Return None: no environment variable is read."""


class BatchApp(faust.App):
    """A Faust app of consumer group `group_id` that reads batches, starting at the positions of `offset_provider`.

    `broker` is `kafkabatch://host:port[,host:port]`. `on_fatal` is called in the event loop with an error after which
    the app cannot go on: one that a handler or the offset provider raised, or partitions that cannot be read. It should
    end the process; if it returns, the app delivers and commits nothing more. Further `settings` are Faust's.

    Raises ValueError for a setting under which records could be lost or repeated. Tables, web pages and Faust's own
    acknowledgements are not available.
    """

    Settings = GivenSettings

    def __init__(
        self,
        group_id: str,
        *,
        broker: str,
        offset_provider: OffsetProvider,
        options: BatchOptions | None = None,
        on_fatal: Callable[[BaseException], None] = exit_at_once,
        **settings: Any,
    ) -> None:
        for name, value in _FIXED_SETTINGS.items():
            if settings.setdefault(name, value) != value:
                raise ValueError(f"{name}={settings[name]!r} cannot be used with batches, it must be {value!r}")
        self.offset_provider = offset_provider
        self.options = options or BatchOptions()
        self.on_fatal = on_fatal
        self.handled_topics: set[str] = set()
        super().__init__(group_id, broker=broker, TableManager=NoTables, **settings)

    def Table(self, *_args: Any, **_options: Any) -> Any:  # noqa: N802 - Faust's name
        """Raise ValueError: a table recovers to other positions than those of the offset provider."""
        raise ValueError("tables cannot be used with batches")

    def FlowControlQueue(  # noqa: N802 - Faust's name
        self,
        maxsize: int | None = None,
        *,
        clear_on_resume: bool = False,  # noqa: ARG002 - Faust's parameter
    ) -> ThrowableQueue[Any]:
        """Return a queue that keeps its content when flow resumes.

        Faust empties its queues then, perhaps after the first batches of the new generation have arrived. Batches of
        older generations need no clearing: their assignment is closed.
        """
        return ThrowableQueue(maxsize=maxsize or 0, flow_control=self.flow_control, clear_on_resume=False)

    @property
    def at_rest(self) -> bool:
        """Whether all partitions that were ever assigned have been released without an error."""
        return self._consumer is None or cast(Any, self._consumer).at_rest

    def refusal(self) -> Refusal | None:
        """Return why this app is no member of a stable group; None if it is one or stops. Callable from any thread."""
        if self.should_stop:
            return None
        return cast(Any, self._consumer).refusal() if self._consumer is not None else UNANSWERED

    def end_offsets(self) -> Mapping[TP, EndOffsets]:
        """Return the end offsets of the assigned partitions, as of their last fetches."""
        return cast(Any, self._consumer).end_offsets() if self._consumer is not None else {}

    def _create_directories(self) -> None:
        """Create none: without tables nothing is kept on disk."""

    async def _stop_consumer(self) -> None:
        """Release the partitions first, while agents and the offset provider still work."""
        if self._consumer is not None:
            await cast(Any, self._consumer).release()
        await super()._stop_consumer()


class BatchSchema(faust.Schema[Any, Any]):
    """The value of a batch message is the batch; its records are not decoded."""

    def compile(  # noqa: D102 - Faust's
        self, app: Any, **_options: Any
    ) -> Callable[..., Awaitable[EventT[Any]]]:
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:  # noqa: ARG001 - Faust's
            event: EventT[Any] = create_event(None, message.value, None, message)
            return event

        return decode


def batch_topic(app: BatchApp, *names: str) -> TopicT:
    """Return one Faust topic over the existing topics `names`; its stream yields `Batch` values."""
    return app.topic(*names, schema=BatchSchema(), acks=False)


def batch_agent(app: BatchApp, topic: TopicT, handler: Handler, *, name: str) -> Any:
    """Add an agent `name` to `app` that passes every batch of `topic` to `handler`; return the agent.

    `handler` is called in the event loop, for each partition in log order. It must not block: it processes the batch or
    queues it. Either way, `Batch.done` must be called in the end. An exception goes to the app's `on_fatal`.

    Raises ValueError for a topic that has a handler already.
    """
    for topic_name in topic.topics:
        if topic_name in app.handled_topics:
            raise ValueError(f"topic {topic_name} has a handler already")
        app.handled_topics.add(topic_name)

    async def dispatch(stream: AsyncIterable[Batch]) -> None:
        async for batch in stream:
            batch.assignment.dispatch(batch, handler)

    return app.agent(topic, name=name)(dispatch)
