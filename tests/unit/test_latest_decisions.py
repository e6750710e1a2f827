"""The topic of latest decisions is filled where it lacks them: after version 0.1, and after it was created again."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from schemas.errors import Fatal, Unpublishable
from streams.runtime.ports import TP, Layout, Outgoing
from tests.simulation.kafka import SimulatedPublisher
from tests.unit.cluster import DECISIONS, FOREIGN, SETTINGS, Cluster

LATEST, PROGRESS = TP("latest", 0), TP("progress", 0)
LAYOUT = Layout(1, {**SETTINGS.layout.ids, "latest": "L"})
OF_VERSION_0_1 = SETTINGS.layout


class Owners(Cluster):
    """Successive owners of one partition number, over the same Kafka and the same store."""

    async def live(self, layout: Layout) -> None:
        """Have an owner recover under a layout, make a step and stop."""
        task, _ = self.owner(layout=layout)
        await task.recover()
        await task.step([])
        await task.stop()

    def decide(self, *values: bytes) -> None:
        for value in values:
            self.kafka.append(DECISIONS, b"", value)

    @property
    def latest(self) -> list[tuple[bytes | None, bytes | None]]:
        return [(record.key, record.value) for record in self.kafka.committed(LATEST)]

    def die_within_a_transaction(self) -> None:
        """Begin a transaction in both topics; the next owner's start aborts it, and what hangs before it."""
        epoch = self.kafka._epochs["sop-0"]
        for record in (Outgoing(*DECISIONS, b"", b"b9"), Outgoing(*LATEST, b"b", b"b9")):
            self.kafka.add("sop-0", epoch, record)


DECIDED = [(b"a", b"a1"), (b"b", b"b1"), (b"a", b"a2")]


@pytest.fixture
async def owners() -> Owners:
    """Return owners that version 0.1 preceded, with three revisions of two decisions."""
    owners = Owners()
    await owners.live(OF_VERSION_0_1)
    owners.decide(b"a1", b"b1", b"a2")
    return owners


async def test_the_first_owner_after_version_0_1_publishes_all_revisions_in_their_order(owners: Owners) -> None:
    await owners.live(LAYOUT)
    assert owners.latest == DECIDED


async def test_a_filled_topic_is_not_filled_again(owners: Owners) -> None:
    await owners.live(LAYOUT)
    await owners.live(LAYOUT)
    assert owners.latest == DECIDED


async def test_a_topic_that_was_created_again_is_filled_again_and_nothing_else_changes(owners: Owners) -> None:
    await owners.live(LAYOUT)
    owners.kafka.recreate(LATEST)
    await owners.live(replace_id("latest"))
    assert owners.latest == DECIDED


async def test_another_topic_that_was_created_again_is_refused_as_ever(owners: Owners) -> None:
    await owners.live(LAYOUT)
    with pytest.raises(Fatal, match="decisions: deleted and created again"):
        await owners.live(replace_id("decisions"))


async def test_an_owner_that_dies_while_filling_leaves_it_to_the_next(owners: Owners) -> None:
    kafka = owners.kafka
    refused = kafka.refuses
    kafka.refuses = lambda record: record.value == b"b1"
    with pytest.raises(Unpublishable):
        await owners.live(LAYOUT)
    kafka.refuses = refused
    await owners.live(LAYOUT)
    assert owners.latest == DECIDED


@pytest.mark.parametrize(
    "hanging",
    [
        pytest.param({LATEST}, id="in the latest"),
        pytest.param({DECISIONS}, id="in the decisions"),
        pytest.param({LATEST, DECISIONS, PROGRESS}, id="everywhere"),
    ],
)
@pytest.mark.parametrize("dies", [True, False])
@pytest.mark.parametrize("in_another", [True, False])
async def test_what_a_hanging_transaction_took_from_one_of_the_topics_only_is_put_right(
    owners: Owners, hanging: set[TP], *, dies: bool, in_another: bool
) -> None:
    await owners.live(LAYOUT)
    kafka = owners.kafka
    kafka.forgets = lambda tp: tp in hanging
    publisher = SimulatedPublisher(kafka, "sop-0")
    await publisher.start()
    await publisher.publish([Outgoing(*DECISIONS, b"", b"a3"), Outgoing(*LATEST, b"a", b"a3")])
    kafka.forgets = lambda _: False
    if in_another:
        owners.die_within_a_transaction()
    aborted_in_both = in_another and hanging == {LATEST, DECISIONS, PROGRESS}
    if dies:  # once the transaction is aborted
        refuses = kafka.refuses
        kafka.refuses = lambda record: record.topic == "latest" and record.value != b""
        with nullcontext() if aborted_in_both else pytest.raises(Unpublishable):
            await owners.live(LAYOUT)
        kafka.refuses = refuses
    await owners.live(LAYOUT)
    last = [record.value for record in kafka.committed(DECISIONS) if (record.value or b"").startswith(b"a")][-1]
    assert dict(owners.latest)[b"a"] == last
    filled = owners.latest
    await owners.live(LAYOUT)
    assert owners.latest == filled


@pytest.mark.parametrize("dies", [True, False])
@pytest.mark.parametrize("in_another", [True, False])
async def test_a_first_revision_that_a_hanging_transaction_left_in_the_latest_only_is_removed(
    owners: Owners, *, dies: bool, in_another: bool
) -> None:
    await owners.live(LAYOUT)
    kafka = owners.kafka
    kafka.forgets = lambda tp: tp == DECISIONS
    publisher = SimulatedPublisher(kafka, "sop-0")
    await publisher.start()
    for key, value in ((b"c", b"c1"), (b"c", b"c2"), (b"a", b"a3")):
        await publisher.publish([Outgoing(*DECISIONS, b"", value), Outgoing(*LATEST, key, value)])
    kafka.forgets = lambda _: False
    if in_another:
        owners.die_within_a_transaction()
    if dies:  # before anything is removed
        refuses = kafka.refuses
        kafka.refuses = lambda record: record.topic == "latest"
        with pytest.raises(Unpublishable):
            await owners.live(LAYOUT)
        kafka.refuses = refuses
    await owners.live(LAYOUT)
    assert dict(owners.latest) == {b"a": b"a2", b"b": b"b1", b"c": None}
    filled = owners.latest
    await owners.live(LAYOUT)
    assert owners.latest == filled


async def test_records_of_other_producers_are_not_taken_over(owners: Owners) -> None:
    owners.decide(FOREIGN, b"c1")
    await owners.live(LAYOUT)
    assert owners.latest == [*DECIDED, (b"c", b"c1")]


def replace_id(topic: str) -> Layout:
    return Layout(1, {**LAYOUT.ids, topic: "another"})
