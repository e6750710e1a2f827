"""Topics are created and counted, also while a broker does not know all of them yet."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from agents.sops import catalogue
from schemas.errors import UsageError
from streams.kafka import topics as module
from streams.kafka.connection import KafkaConnection
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import prepare_topics

CONNECTION = KafkaConnection("broker:9092")
NAMES = catalogue.topics("").all
UNKNOWN = {NAMES[0]: 0}
ALL = dict.fromkeys(NAMES, 4)


class StaleAdmin:
    """An admin client whose brokers answer in turn with the partition counts they know; 0: unknown topic."""

    def __init__(self, *answers: dict[str, int]) -> None:
        self._answers = list(answers)

    def __call__(self, **options: object) -> StaleAdmin:  # noqa: ARG002 - the client's own arguments
        return self

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def describe_topics(self) -> list[dict[str, Any]]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            {
                "topic": name,
                "error_code": NoError.errno if count else UnknownTopicOrPartitionError.errno,
                "partitions": [{}] * count,
            }
            for name, count in answer.items()
        ]

    async def create_topics(self, new: list[Any]) -> Any:
        class Response:
            topic_errors = ((new[0].name, TopicAlreadyExistsError.errno, ""),)

        return Response()


async def prepare(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, int]) -> int:
    monkeypatch.setattr(module, "AIOKafkaAdminClient", StaleAdmin(*answers))
    monkeypatch.setattr(module, "_RETRY_PAUSES_S", (0.0, 0.0, 0.0))
    return await prepare_topics(CONNECTION, catalogue.topics(""), TopicTargets(partitions=4))


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([ALL], id="all known"),
        pytest.param([{}, ALL], id="created, known at once"),
        pytest.param([{}, {}, UNKNOWN, ALL], id="created, known later"),
        pytest.param([ALL | UNKNOWN, ALL], id="one created"),
        pytest.param([ALL | UNKNOWN, {}, ALL], id="one created, by another broker's answer none exists"),
    ],
)
async def test_a_broker_that_does_not_know_a_topic_yet_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, int]]
) -> None:
    assert await prepare(monkeypatch, *answers) == 4


async def test_topics_that_a_broker_did_not_know_may_have_more_partitions_than_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await prepare(monkeypatch, {}, dict.fromkeys(NAMES, 8)) == 8


async def test_topics_that_no_broker_knows_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=rf"^Kafka at broker:9092 has no topic {NAMES[0]}$"):
        await prepare(monkeypatch, ALL | UNKNOWN)


async def test_topics_with_different_partition_counts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=rf"all topics need 4 partitions; {NAMES[0]} has 3\. "):
        await prepare(monkeypatch, ALL | {NAMES[0]: 3})
