"""A Faust app whose agents take batches, and the functions that make its topics and agents."""

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
from streams.faust_transport.batch import Batch, BatchOptions, Ends, Handler, OffsetProvider, TransportError
from streams.faust_transport.membership import UNANSWERED, Refusal
from streams.kafka.connection import KafkaSecurity

SCHEME = "kafkabatch"
EXIT_FATAL = 70

# What would lose records, repeat them, or open a port; see the Faust 0.15.3 sources.
_FIXED_SETTINGS: dict[str, Any] = {
    "autodiscover": False,
    "processing_guarantee": "at_least_once",
    "producer_threaded": False,
    "stream_wait_empty": False,  # handlers are awaited by the transport, with a time limit
    "topic_allow_declare": False,
    "topic_disable_leader": True,
    "web_enabled": False,
}

logger = logging.getLogger(__name__)


def register_transport() -> None:
    """Make broker URLs `kafkabatch://host:port` known to Faust; harmless when done twice."""
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
    """Log `error` in one line and end the process with status 70, before anything further is acknowledged."""
    expected = isinstance(error, TransportError | KafkaError | SopError)  # where such a one was raised tells nothing
    frames = [] if expected else traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    logger.critical("stopped: %s: %s%s", type(error).__name__, error, where)
    logging.shutdown()
    os._exit(EXIT_FATAL)


class NoTables(TableManager):
    """Faust's manager of tables and of what follows a rebalance, for apps without tables."""

    async def on_start(self) -> None:
        """Start at once where Faust waits a second, in case tables are still to be declared."""
        await self._update_channels()
        await self.recovery.start()


class GivenSettings(faust.Settings):
    """Faust's settings as they are given: by itself it lets variables of the environment overrule them."""

    def getenv(self, env_name: str) -> None:
        """Find nothing."""


class BatchApp(faust.App):
    """A Faust app of group `group_id` that reads by the batch transport at the positions of `offset_provider`.

    `broker` is `kafkabatch://host:port[,host:port]`. `on_fatal` is called, in the event loop, with whatever makes going
    on unsafe: a handler or the keeper that raised, partitions that cannot be read. It should end the process; if it
    returns, the app delivers and commits nothing more. Further `settings` are Faust's.

    Raises ValueError for a setting that the transport cannot keep its promises with. Tables, web pages and Faust's
    own acknowledgements are not available.
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
                raise ValueError(f"{name}={settings[name]!r} cannot be used with batches, it has to be {value!r}")
        self.offset_provider = offset_provider
        self.options = options or BatchOptions()
        self.on_fatal = on_fatal
        self.handlers: dict[str, Handler] = {}
        self.enter: Callable[[Batch], None] | None = None  # set by the consumer
        super().__init__(group_id, broker=broker, TableManager=NoTables, **settings)

    def Table(self, *_args: Any, **_options: Any) -> Any:  # noqa: N802 - Faust's name
        """Refuse: a table's recovery and positions would not agree with those of the keeper."""
        raise ValueError("tables cannot be used with batches")

    def FlowControlQueue(  # noqa: N802 - Faust's name
        self,
        maxsize: int | None = None,
        *,
        clear_on_resume: bool = False,  # noqa: ARG002 - Faust's parameter
    ) -> ThrowableQueue[Any]:
        """Return a queue that keeps its content when flow resumes.

        Faust empties queues then, which may be after the first batches of the new generation; those of older ones
        are told by their generation.
        """
        return ThrowableQueue(maxsize=maxsize or 0, flow_control=self.flow_control, clear_on_resume=False)

    @property
    def at_rest(self) -> bool:
        """Whether all partitions were let go, if there ever were any, and nothing failed in that."""
        return self._consumer is None or cast(Any, self._consumer).at_rest

    def refusal(self) -> Refusal | None:
        """Return why this is no member of a stable group: None where it is one, or stops. Callable from any thread."""
        if self.should_stop:
            return None
        return cast(Any, self._consumer).refusal() if self._consumer is not None else UNANSWERED

    def ends(self) -> Mapping[TP, Ends]:
        """Return where the partitions that are assigned end, as far as fetches told."""
        return cast(Any, self._consumer).ends() if self._consumer is not None else {}

    def _create_directories(self) -> None:
        """Create none: without tables there is nothing to keep on disk."""

    async def _stop_consumer(self) -> None:
        """Let go of the partitions first, while agents and keeper still work."""
        if self._consumer is not None:
            await cast(Any, self._consumer).release()
        await super()._stop_consumer()


class BatchSchema(faust.Schema[Any, Any]):
    """The value of a batch message is the batch; its records stay undecoded."""

    def compile(  # noqa: D102 - Faust's
        self, app: Any, **_options: Any
    ) -> Callable[..., Awaitable[EventT[Any]]]:
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:  # noqa: ARG001 - Faust's
            event: EventT[Any] = create_event(None, message.value, None, message)
            return event

        return decode


def batch_topic(app: BatchApp, *names: str) -> TopicT:
    """Return one Faust topic over all of `names`, which have to exist, whose stream yields `Batch` values."""
    return app.topic(*names, schema=BatchSchema(), acks=False)


def batch_agent(app: BatchApp, topic: TopicT, handler: Handler, *, name: str) -> Any:
    """Start with `app` an agent `name` that has every batch of `topic` handled by `handler`; return the agent.

    Batches of one partition number, of whatever topic, are handled one after the other; those of different numbers
    at the same time. A handler that returns has done all that its batch asks for.
    """
    for topic_name in topic.topics:
        if topic_name in app.handlers:
            raise ValueError(f"topic {topic_name} has a handler already")
        app.handlers[topic_name] = handler

    async def dispatch(stream: AsyncIterable[Batch]) -> None:
        assert app.enter is not None
        async for batch in stream:
            app.enter(batch)

    return app.agent(topic, name=name)(dispatch)
