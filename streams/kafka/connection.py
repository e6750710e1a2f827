"""How to reach Kafka, and what its topics must look like."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, NoError, TopicAlreadyExistsError, for_code

from schemas.errors import UsageError
from schemas.topics import Topics
from streams.config.settings import PORT_MAX, safe_repr
from streams.kafka.security import KafkaSecurity

_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/,@\[\]]+):([0-9]{1,5})")
NEXT_STEP: Final = "set SOP_BROKERS to a Kafka that runs, or start one with `sop up`"
SILENT_LOGGER: Final = logging.Logger("librdkafka", logging.CRITICAL + 1)  # noqa: LOG001 - nobody else is to find it
"""Without a logger librdkafka prints; what matters of what it would say comes as an error as well."""

MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
INPUT_BYTES_MAX: Final = MESSAGE_BYTES_MAX // 2
"""The largest message that input topics take."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Brokers as `host:port,host:port`, and how they are spoken to.

    `message_bytes_max` is the largest message that may be written, twice the largest to come in.

    Raises `UsageError` for brokers written otherwise.
    """

    brokers: str
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    message_bytes_max: int = MESSAGE_BYTES_MAX

    def __post_init__(self) -> None:
        for address in self.brokers.split(","):
            matched = _ADDRESS.fullmatch(address)
            if matched is None or int(matched[1]) > PORT_MAX:
                raise UsageError(
                    f"brokers: {safe_repr(self.brokers)} is not HOST:PORT[,HOST:PORT…] (SOP_BROKERS, --brokers, kafka://…)"
                )

    def client_options(self) -> dict[str, Any]:
        """Return what every aiokafka client is given."""
        return {
            "bootstrap_servers": self.brokers,
            "client_id": "sop-streams",
            "request_timeout_ms": 15_000,
            **self.security.client_options(),
        }

    def librdkafka_options(self) -> dict[str, Any]:
        """Return what every librdkafka client is given."""
        return {
            "bootstrap.servers": self.brokers,
            "client.id": "sop-streams",
            "log_level": 0,
            **self.security.librdkafka_options(),
        }


async def prepare_topics(connection: KafkaConnection, topics: Topics, partitions: int, replicas: int) -> int:
    """Create the topics that are missing and return how many partitions all of them have.

    Raises `UsageError` when the brokers cannot be reached or refuse a topic, or when topics differ in their number of
    partitions: then a case's events would not meet.
    """
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        wanted = topics.all
        existing = await _partition_counts(admin, wanted)
        count = max(existing.values(), default=partitions)
        missing = [_new_topic(name, topics, count, replicas, connection) for name in wanted if name not in existing]
        for new in missing:
            for _, code, *message in (await admin.create_topics([new])).topic_errors:
                if code not in {NoError.errno, TopicAlreadyExistsError.errno}:  # another worker may be faster
                    reason = " ".join(filter(None, message)) or for_code(code).__name__
                    raise UsageError(f"Kafka at {connection.brokers}: cannot create {new.name}: {reason}")
        counts = await _partition_counts(admin, wanted)
    except KafkaError as error:
        raise UsageError(describe_error(connection, error)) from error
    finally:
        await admin.close()
    different = sorted(f"{name} has {number}" for name, number in counts.items() if number != count)
    if different:
        raise UsageError(
            f"Kafka at {connection.brokers}: all topics need {count} partitions; {', '.join(different)}. Raise these, "
            "and where anything was decided run sop rebuild then (docs/operations.md, Topics that change)"
        )
    return count


def describe_error(connection: KafkaConnection, error: KafkaError) -> str:
    """Return one line for a user; the client's own words for a broker out of reach tell only its socket's family."""
    if isinstance(error, KafkaConnectionError):
        refusal = "" if connection.security.protocol == "plaintext" else ", or not to this user or certificate"
        return f"Kafka at {connection.brokers} does not answer{refusal}; {NEXT_STEP}"
    return f"Kafka at {connection.brokers}: {error}"


async def partition_counts(connection: KafkaConnection, names: Sequence[str]) -> dict[str, int]:
    """Return how many partitions each of the named topics has, those left out that do not exist.

    Raises `UsageError` when the brokers cannot be reached.
    """
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        return await _partition_counts(admin, names)
    except KafkaError as error:
        raise UsageError(describe_error(connection, error)) from error
    finally:
        await admin.close()


async def _partition_counts(admin: AIOKafkaAdminClient, wanted: Sequence[str]) -> dict[str, int]:
    existing = set(await admin.list_topics())
    names = [name for name in wanted if name in existing]
    if not names:
        return {}
    described = await admin.describe_topics(names)
    return {each["topic"]: len(each["partitions"]) for each in described}


def _new_topic(name: str, topics: Topics, partitions: int, replicas: int, connection: KafkaConnection) -> NewTopic:
    # What comes in can come to be written in Base64 with its headers, into one dead letter.
    bytes_max = connection.message_bytes_max // 2 if name in topics.inputs else connection.message_bytes_max
    configs = {"max.message.bytes": str(bytes_max)}
    if name == topics.progress:
        configs["cleanup.policy"] = "compact"
    return NewTopic(name=name, num_partitions=partitions, replication_factor=replicas, topic_configs=configs)
