"""The current decisions of a case, from the topic of latest decisions: one partition, not the whole history."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import quote

from agents.sops import catalogue
from schemas.errors import InvalidMessage
from schemas.outputs import AnyDecision, DecisionMessage
from schemas.topics import Topics
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts
from streams.processor.decoder import partition_of
from streams.replay.kafka_input import kafka_source
from streams.runtime.ports import TP


class LatestDecision(NamedTuple):
    """A decision and its bytes in the topic."""

    message: AnyDecision
    value: bytes


def read_latest_decisions(address: str, settings: Settings, case_id: str) -> list[LatestDecision] | None:
    """Return the last revision of every decision about a case, by decision key; None if there is no such topic.

    `address` is `HOST:PORT[,HOST:PORT…][/PREFIX]`. Raises `UsageError` if the cluster does not answer, `Fatal` if the
    topic cannot be read.
    """
    return asyncio.run(_read(*kafka_source(address, settings), case_id))


async def _read(connection: KafkaConnection, topics: Topics, case_id: str) -> list[LatestDecision] | None:
    counts = await partition_counts(connection, [], optional=[topics.latest])
    if not (partitions := counts.get(topics.latest)):
        return None
    tp = TP(topics.latest, partition_of(case_id, partitions))
    key_start = f"{quote(case_id, safe='')}|".encode()
    found: dict[bytes, LatestDecision] = {}
    async for records in KafkaLog(connection).read(tp, 0):
        for record in records:
            key = record.key or b""
            if not key.startswith(key_start):
                continue
            if record.value is None:  # removed
                found.pop(key, None)
            elif (decision := _decision(record.value)) is not None:
                found[key] = decision
    return [found[key] for key in sorted(found)]


def _decision(value: bytes) -> LatestDecision | None:
    """Return a decision in a record, None for what no worker has written."""
    try:
        message = catalogue.decode_message(value)
    except InvalidMessage:
        return None
    return LatestDecision(message, value) if isinstance(message, DecisionMessage) else None
