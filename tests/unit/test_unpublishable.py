"""What Kafka refuses for its content ends one owner; the next gives up whom it is about, and all else goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from streams.runtime.ports import Outgoing, Quarantined
from tests.unit.test_poison import Lives, lived, raises
from tests.unit.test_task import Repeats


class Speaks(Repeats):
    """Work that says the values that it takes about names or records, as a table has it."""

    def __init__(self, about: Mapping[bytes, str | None]) -> None:
        super().__init__()
        self.aside: list[str] = []
        self._about = about

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
        said = await super().evaluate(now, positions, names)
        named = [each._replace(about=self._about.get(each.value, "case:good")) for each in said]
        return [each for each in named if each.about not in self.aside]

    def quarantine(self, name: str) -> None:
        self.aside.append(name)


def speaking(values: Sequence[bytes], about: str | None, *, tells_which: bool = True) -> Lives:
    """Return lives in which Kafka refuses a record of the value `huge`."""
    lives = Lives(values, raises)
    lives.make_work = lambda: Speaks({b"huge": about, b"later": about})
    lives.kafka.tells_which = tells_which
    lives.kafka.refuses = lambda record: record.value == b"huge"
    return lives


@pytest.mark.parametrize(("tells_which", "restarts"), [(True, 1), (False, 2)])
async def test_who_says_what_kafka_refuses_is_set_aside_and_all_else_goes_on(tells_which: bool, restarts: int) -> None:
    lives = speaking([b"a", b"huge", b"b", b"later"], "case:bad", tells_which=tells_which)
    assert await lived(lives, 6) == restarts + 1
    reason = "said accepts no record of 4 bytes"
    place = "case:bad" if tells_which else "jobs-0@0..3"
    assert str(lives.deaths[0]) == f"{place}: {reason}"
    assert lives.task.progress().quarantined == {"case:bad": Quarantined(f"internal: {reason}", "1")}
    assert set(lives.said()) == {b"a", b"b"}
    assert await lives.live()
    assert "case:bad" in lives.task.progress().quarantined
    assert set(lives.said()) == {b"a", b"b"}


@pytest.mark.parametrize("tells_which", [True, False])
async def test_a_record_that_cannot_be_passed_on_is_refused_instead(tells_which: bool) -> None:
    lives = speaking([b"a", b"huge", b"b"], "", tells_which=tells_which)
    assert await lived(lives, 6) == 3
    assert set(lives.said()) == {b"a", b"b", b"jobs-0@1 internal: said accepts no record of 4 bytes"}


async def test_a_refusal_that_kafka_does_not_take_stops_the_worker_and_blames_nobody() -> None:
    lives = speaking([b"a", b"huge", b"b"], None)
    assert not any([await lives.live() for _ in range(5)])
    assert {str(death) for death in lives.deaths} == {"said accepts no record of 4 bytes"}
    assert not any(suspect.error for note in lives.notes() for suspect in note.attempts)
    lives.kafka.refuses = lambda _: False
    assert await lives.live()
    assert set(lives.said()) == {b"a", b"b", b"huge"}


async def test_who_was_set_aside_for_what_kafka_refused_is_tried_again_where_there_is_more_room() -> None:
    lives = speaking([b"a", b"huge"], "case:bad")
    assert await lived(lives, 6) == 2
    lives.kafka.refuses = lambda _: False
    lives.version = "1, with more room"
    assert await lives.live()
    assert lives.task.progress().quarantined == {}
    assert set(lives.said()) == {b"a", b"huge"}
