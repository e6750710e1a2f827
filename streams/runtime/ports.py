"""What a partition's task needs from the world: a log to publish to and read back, a store for checkpoints, a clock.

Each port has one behavioural suite (`tests/contract`) that its in-memory and its real adapter pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from schemas.codec.headers import Headers
from schemas.codec.record_sizes import Sizes, headers_size


class TP(NamedTuple):
    """A topic and one of its partitions."""

    topic: str
    partition: int

    @property
    def name(self) -> str:
        """How positions name it: `topic-partition`."""
        return f"{self.topic}-{self.partition}"

    @classmethod
    def parse(cls, name: str) -> TP:
        """Return the one that positions name so."""
        topic, _, partition = name.rpartition("-")
        return cls(topic, int(partition))


class Incoming(Protocol):
    """A record as consumed; `timestamp` is the producer's or the broker's, in milliseconds."""

    @property
    def offset(self) -> int:
        """Its offset."""

    @property
    def timestamp(self) -> int:
        """When it was produced, or so its producer says; when the broker took it in, where the topic has it so."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value."""

    @property
    def headers(self) -> Headers:
        """Its headers."""

    @property
    def original_sizes(self) -> Sizes | None:
        """How large its parts are, where it is too large: of key and value only the beginnings are here, no headers."""


def bytes_in_memory(record: Incoming) -> int:
    """Return how many bytes of a record are in memory, or so."""
    held = len(record.key or b"") + len(record.value or b"")
    return held + headers_size(record.headers) if record.headers else held


class Outgoing(NamedTuple):
    """A record to publish."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    about: str | None = None
    """The name that it is about, to be set aside if Kafka refuses it for its content.

    Empty: it passes on a record, which can be given up instead; None: nobody can.
    """


class Stored(NamedTuple):
    """A record read back."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = 0
    """In milliseconds, of the producer or the broker."""
    original_sizes: Sizes | None = None
    """As `Incoming` has it."""


class Clock(Protocol):
    """Tells the wall-clock time."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch."""


class Publisher(Protocol):
    """Publishes for one partition number, all of a call or nothing, and only while nobody else has taken over."""

    async def start(self) -> None:
        """Connect and fence out whoever published for this partition number before."""

    async def publish(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        """Publish in one transaction; return, for each partition written, the offset after its last record.

        Raises `Unpublishable` when the broker refuses a record for its content; after that something else can be
        published still, to other partitions. Raises `Fenced` when another owner has taken over, `Fatal` when the broker
        refuses the records or does not acknowledge them in time; after that nothing can.
        """

    async def abort(self, tps: Sequence[TP]) -> None:
        """Abort what earlier transactions for this partition number left open in some partitions.

        Raises as `publish` does.
        """

    async def stop(self) -> None:
        """Disconnect; bounded in time. A start that was cancelled fences nobody any more when this returns."""


class OutputLog(Protocol):
    """Reads partitions as a `read_committed` consumer sees them."""

    def read(self, tp: TP, start: int) -> AsyncIterator[list[Stored]]:
        """Yield the records from an offset (or the earliest kept) to the end as it is when the call begins."""

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, tuple[int, int]]:
        """Return for each partition the earliest offset kept and the offset after the last stable record."""

    async def hanging_transactions(self, tps: Sequence[TP]) -> list[TP]:
        """Return those partitions that hold records of a transaction that has not ended."""


class Quarantined(Struct, frozen=True):
    """Why something is no longer concluded upon, and the version of the worker that could not."""

    reason: str
    version: str


class Layout(Struct, frozen=True):
    """The topics as Kafka has them: without it a position says nothing."""

    partitions: int
    """How many partitions each topic has: they decide which partition number a case belongs to."""
    ids: dict[str, str]
    """Kafka's id of each topic; one that is deleted and created again has another."""


class Checkpoint(Struct, frozen=True):
    """What a checkpoint says beside the state itself: positions by `topic-partition` and counts."""

    inputs: dict[str, int]
    """The next offset to read of each input partition."""
    outputs: dict[str, int]
    """The offset of each output partition up to which what was emitted is part of the state."""
    counts: dict[str, dict[str, int]]
    """What became of the records consumed, by input partition."""
    consumed: dict[str, int] = {}
    """How many records were consumed, by input partition."""
    quarantined: dict[str, Quarantined] = field(default_factory=dict, name="aside")
    """What is set aside, by name."""
    first_offsets: dict[str, int] = field(default_factory=dict, name="begun")
    """The offset of each input partition from which the state was made."""
    ended_cleanly: bool = field(default=False, name="ended")
    """Whether it is the last one of an owner that ended as it should."""
    now: int = 0
    """The instant (microseconds) up to which deadlines were taken as passed, and event times for past."""
    skipped: dict[str, int] = {}
    """How many offsets of inputs were deleted before they were read, which was accepted, by input partition.

    By output partition, how many messages were deleted before they were read back.
    """
    emitted_counts: dict[str, int] = field(default_factory=dict, name="said")
    """How many messages were said on each output partition, as far as they are part of the state or in `skipped`."""
    recreated_topics: dict[str, dict[str, int]] = field(default_factory=dict, name="former")
    """By topic that was created again, the offset of each output partition before which the former one is meant."""
    layout: Layout | None = None
    """The topics in which the positions are; version 0.1 did not say."""


class Store(Protocol):
    """Checkpoints of one partition number: blobs by key, and where they stand. Always an earlier moment as a whole."""

    async def claim(self) -> Checkpoint | None:
        """Become the owner: later writes of earlier ones are refused. Return where the state stands (None: nothing)."""

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist, in one round trip.

        Raises `StoreLost` when the store is not where this owner left it.
        """

    async def save(
        self,
        checkpoint: Checkpoint,
        blobs: Mapping[str, bytes | None],
        deadlines: Mapping[str, int | None],
        expiries: Mapping[str, int | None] = {},
    ) -> None:
        """Write blobs, deadlines, expiries and positions in one atomic step.

        Blobs are by key; None deletes one, with its expiry. Deadlines are by case id, expiries by the key of a blob
        (both in microseconds; None: none).

        Raises `StoreLost` when another owner has claimed it or acknowledged writes are gone, `Unavailable` when it
        cannot be reached in time (then the same save can be tried again).
        """

    async def due(self, until: int, limit: int) -> list[str]:
        """Return up to `limit` ids of cases with a saved deadline at or before an instant, the earliest first."""

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return up to `limit` keys whose saved expiry is at or before an instant, the earliest first."""


class ReplaceableStore(Store, Protocol):
    """Checkpoints whose content can be thrown away as a whole."""

    async def clear(self, checkpoint: Checkpoint) -> None:
        """Save positions, then drop all blobs, deadlines and expiries; the owner has claimed the store before.

        Where this ends in between, the positions are saved and some of the rest is still there. Raises as `save` does.
        """


Batches = Sequence[tuple[TP, Sequence[Incoming]]]


class Changes(Struct, frozen=True):
    """What a checkpoint has to write, as `Store.save` takes it. `Processor.pack` adds the blobs until all are there."""

    blobs: Mapping[str, bytes | None]
    deadlines: Mapping[str, int | None]
    expiries: Mapping[str, int | None] = {}


class Processor(Protocol):
    """What a task does with the records of its partition number; holds the state that they make."""

    async def begin(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Start from the counts of the last checkpoint; state is loaded when it is touched."""

    def restore_output(self, topic: str, record: Stored, former: Collection[str] = ()) -> Mapping[str, int]:
        """Take a record that an earlier owner emitted since the checkpoint, each topic's in their order.

        Where it names places in `former` topics it means others than those that have these names now.
        Returns the input positions at which it was decided, by `topic-partition`, empty if it does not say. Raises
        `InvalidMessage` for a record that no owner emitted.
        """

    async def apply_restored(self) -> None:
        """Bring the state in line with what was recalled; called again and again while there is more."""

    def forget_positions(self, topics: Collection[str]) -> None:
        """Forget which records of topics were met where: they were deleted and created again."""

    async def process(self, batches: Batches, now: int) -> None:
        """Add batches to the state, as of now (microseconds); what they touch is concluded upon next."""

    def defer(self) -> Sequence[str]:
        """Return the names of what was touched: it is to be concluded upon when it is named."""

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        """Have a record that cannot be taken go to the dead letters."""

    async def due(self, now: int, limit: int) -> Sequence[str]:
        """Return the names of what has come due by now (microseconds); who asks has it concluded upon."""

    async def expired(self, now: int, limit: int) -> Sequence[str]:
        """Return the names of what may be let go by now (microseconds); who asks has it concluded upon.

        Not to be asked while input waits that was there when this owner began: it may belong to what would go.
        """

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
        """Return what is to be published by now of what was touched and what is named.

        `positions` says up to where the inputs have been read.
        """

    def quarantine(self, name: str) -> None:
        """Conclude no more upon a name, whatever touches it; its state goes on."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what became of the records taken, by `topic-partition`."""

    @property
    def changed(self) -> bool:
        """Whether `freeze` has anything to return."""

    def freeze(self) -> Changes:
        """Return, between two steps, what changed since the last call, as it is now; `pack` fills it in."""

    def pack(self, count: int) -> bool:
        """Pack so many more objects of what is frozen, between two steps; return whether all is packed."""

    def mark_saved(self) -> None:
        """Hear, between two steps, that everything packed is in the store, so that it may be dropped from memory."""
