"""An output that Kafka refuses for its content ends one owner; the next one quarantines the name it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from streams.runtime.ports import Outgoing, Quarantined
from tests.unit.cluster import Echo
from tests.unit.test_poison import Lives, lived, raises


class EchoAbout(Echo):
    """A processor that publishes the values that it processes about the names or records of a table."""

    def __init__(self, about: Mapping[bytes, str | None]) -> None:
        super().__init__()
        self.quarantined: list[str] = []
        self._about = about

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
        outputs = await super().evaluate(now, positions, names)
        named = [each._replace(about=self._about.get(each.value, "case:good")) for each in outputs]
        return [each for each in named if each.about not in self.quarantined]

    def quarantine(self, name: str) -> None:
        self.quarantined.append(name)


def lives_with_huge(values: Sequence[bytes], about: str | None, *, tells_which: bool = True) -> Lives:
    """Return lives in which Kafka refuses a record of the value `huge`."""
    lives = Lives(values, raises)
    lives.make_processor = lambda: EchoAbout({b"huge": about, b"later": about})
    lives.kafka.tells_which = tells_which
    lives.kafka.refuses = lambda record: record.value == b"huge"
    return lives


@pytest.mark.parametrize(("tells_which", "restarts"), [(True, 1), (False, 2)])
async def test_a_name_whose_output_kafka_refuses_is_quarantined(tells_which: bool, restarts: int) -> None:
    lives = lives_with_huge([b"a", b"huge", b"b", b"later"], "case:bad", tells_which=tells_which)
    assert await lived(lives, 6) == restarts + 1
    reason = "decisions accepts no record of 4 bytes"
    place = "case:bad" if tells_which else "jobs-0@0..3"
    assert str(lives.deaths[0]) == f"{place}: {reason}"
    assert lives.task.progress().quarantined == {"case:bad": Quarantined(f"internal: {reason}", "1")}
    assert set(lives.outputs()) == {b"a", b"b"}
    assert await lives.live()
    assert "case:bad" in lives.task.progress().quarantined
    assert set(lives.outputs()) == {b"a", b"b"}


@pytest.mark.parametrize("tells_which", [True, False])
async def test_a_record_that_cannot_be_forwarded_is_refused(tells_which: bool) -> None:
    lives = lives_with_huge([b"a", b"huge", b"b"], "", tells_which=tells_which)
    assert await lived(lives, 6) == 3
    assert set(lives.outputs()) == {b"a", b"b", b"jobs-0@1 internal: decisions accepts no record of 4 bytes"}


async def test_a_dead_letter_that_kafka_refuses_stops_the_worker_and_blames_nobody() -> None:
    lives = lives_with_huge([b"a", b"huge", b"b"], None)
    assert not any([await lives.live() for _ in range(5)])
    assert {str(death) for death in lives.deaths} == {"decisions accepts no record of 4 bytes"}
    assert not any(attempt.error for log in lives.attempt_logs() for attempt in log.attempts)
    lives.kafka.refuses = lambda _: False
    assert await lives.live()
    assert set(lives.outputs()) == {b"a", b"b", b"huge"}


async def test_a_name_quarantined_for_a_large_output_is_tried_again_when_larger_ones_are_allowed() -> None:
    lives = lives_with_huge([b"a", b"huge"], "case:bad")
    assert await lived(lives, 6) == 2
    lives.kafka.refuses = lambda _: False
    lives.version = "1, with more room"
    assert await lives.live()
    assert lives.task.progress().quarantined == {}
    assert set(lives.outputs()) == {b"a", b"huge"}
