"""The interfaces between a task and the rest: the processor, Kafka's log, the checkpoint store, the clock.

Each port has one behavioural suite (`tests/contract`) that its in-memory and its real adapter pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from schemas.codec.headers import Headers
from schemas.codec.limits import RecordSizes


class TP(NamedTuple):
    """A topic and one of its partitions."""

    topic: str
    partition: int

    @property
    def name(self) -> str:
        """The key of the partition in positions: `topic-partition`."""
        return f"{self.topic}-{self.partition}"

    @classmethod
    def parse(cls, name: str) -> TP:
        """Return the partition of a key `topic-partition`."""
        topic, _, partition = name.rpartition("-")
        return cls(topic, int(partition))


class Place(NamedTuple):
    """Where a record is, or was, in Kafka."""

    topic: str
    partition: int
    offset: int

    @property
    def tp(self) -> TP:
        """The partition."""
        return TP(self.topic, self.partition)

    @property
    def name(self) -> str:
        """The place as `topic-partition@offset`."""
        return f"{self.tp.name}@{self.offset}"


class Incoming(Protocol):
    """A consumed record."""

    @property
    def offset(self) -> int:
        """Its offset."""

    @property
    def timestamp(self) -> int:
        """The time in milliseconds that its producer or, if the topic says so, the broker has set."""

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
    def original_sizes(self) -> RecordSizes | None:
        """The sizes of a record that was too large to keep: its key and value are truncated, its headers left out."""


class Outgoing(NamedTuple):
    """A record to publish."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    """Empty: null, which removes the key from a compacted topic."""
    about: str | None = None
    """The name to quarantine if Kafka refuses the record for its content.

    Empty: the record forwards another one, which is given up instead. None: nothing can be given up.
    """
    headers: Headers = ()


class Stored(NamedTuple):
    """A record read back from the log."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = 0
    """In milliseconds, set by the producer or the broker."""
    original_sizes: RecordSizes | None = None
    """See `Incoming`."""


Batches = Sequence[tuple[TP, Sequence[Incoming]]]


class Clock(Protocol):
    """The wall clock."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch."""


class Publisher(Protocol):
    """Publishes for one partition number until another owner takes over, all records of a call or none."""

    async def start(self) -> None:
        """Connect and fence the publisher that published for this partition number before."""

    async def publish(self, records: Sequence[Outgoing]) -> Mapping[TP, int]:
        """Publish in one transaction; return, for each partition written, the offset after its last record.

        Raises `Unpublishable` when the broker refuses a record for its content; after that, records can still be
        published to other partitions. Raises `Fenced` when another owner has taken over, and `Fatal` when the broker
        refuses the records or does not acknowledge them in time; after that nothing can be published.
        """

    async def abort(self, tps: Sequence[TP]) -> None:
        """Abort what earlier transactions for this partition number left open in some partitions.

        Raises as `publish` does.
        """

    async def stop(self) -> None:
        """Disconnect within a limited time; a cancelled `start` fences nobody after this returns."""


class OutputLog(Protocol):
    """Reads partitions as a `read_committed` consumer sees them."""

    def read(self, tp: TP, start: int) -> AsyncIterator[list[Stored]]:
        """Yield the records from an offset, or from the log start offset, to the end as it is at the call."""

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, tuple[int, int]]:
        """Return the log start offset and the last stable offset of each partition."""

    async def hanging_transactions(self, tps: Sequence[TP]) -> list[TP]:
        """Return those partitions that hold records of a transaction that has not ended."""

    def read_hanging(self, tp: TP) -> AsyncIterator[list[Stored]]:
        """Yield what `read` does not: the records from the first open transaction on."""


class Quarantined(Struct, frozen=True):
    """Why a name is no longer evaluated, and the version of the worker that could not evaluate it."""

    reason: str
    version: str


class Layout(Struct, frozen=True):
    """The topics as Kafka has them; offsets say nothing without it."""

    partitions: int
    """The number of partitions of each topic: it decides to which partition number a case belongs."""
    ids: dict[str, str]
    """Kafka's id of each topic; a topic that is deleted and created again has another one."""


class Checkpoint(Struct, frozen=True):
    """What a checkpoint contains besides the state itself: positions by `topic-partition`, and counts."""

    inputs: dict[str, int]
    """The next offset to process of each input partition."""
    outputs: dict[str, int]
    """The offset up to which an output partition is part of the state."""
    counts: dict[str, dict[str, int]]
    """The dispositions of the consumed records, by input partition."""
    consumed: dict[str, int] = {}
    """How many records were consumed, by input partition."""
    quarantined: dict[str, Quarantined] = field(default_factory=dict, name="aside")
    """What is quarantined, by name."""
    first_offsets: dict[str, int] = field(default_factory=dict, name="begun")
    """The offset of each input partition from which the state was made."""
    ended_cleanly: bool = field(default=False, name="ended")
    """Whether this is the last checkpoint of an owner that was stopped, not killed."""
    now: int = 0
    """The instant (microseconds) up to which deadlines have passed and event times were accepted."""
    skipped: dict[str, int] = {}
    """Accepted losses: by input partition, how many offsets were deleted before they were read;
    by output partition, how many messages were deleted before they were read back."""
    emitted_counts: dict[str, int] = field(default_factory=dict, name="said")
    """By output partition, how many messages are part of the state or in `skipped`."""
    recreated_topics: dict[str, dict[str, int]] = field(default_factory=dict, name="former")
    """By topic that was created again, offsets of the output partitions: records before them refer to the old topic."""
    layout: Layout | None = None
    """The topics of these positions; None in checkpoints of version 0.1."""


class Store(Protocol):
    """The checkpoint of one partition number, positions and blobs by key: perhaps outdated, but always complete."""

    async def claim(self) -> Checkpoint | None:
        """Become the owner and return the checkpoint, if there is one; later writes of earlier owners are refused."""

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the blobs that exist, in one round trip.

        Raises `StoreLost` when the store does not have this owner's last checkpoint.
        """

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        """Write positions, blobs, deadlines and expiries in one atomic step.

        Blobs are by key; None deletes one together with its expiry. Deadlines are by case id, expiries by the key of a
        blob (both in microseconds; None deletes one).

        Raises `StoreLost` when another owner has claimed the store or acknowledged writes are gone, `Unavailable` when
        it cannot be reached in time; then the same save can be repeated.
        """

    async def due(self, until: int, limit: int) -> list[str]:
        """Return up to `limit` ids of cases with a saved deadline at or before an instant, the earliest first."""

    async def expired(self, until: int, limit: int) -> list[str]:
        """Return up to `limit` keys whose saved expiry is at or before an instant, the earliest first."""

    async def scan(self, cursor: int) -> tuple[int, list[str]]:
        """Return the keys of some blobs, and the cursor to go on with: a scan begins with 0, and ends when it is 0.

        A key that is there for the whole of a scan is returned, perhaps more than once.
        """


class ReplaceableStore(Store, Protocol):
    """A store whose whole content can be replaced."""

    async def clear(self, checkpoint: Checkpoint) -> None:
        """Save positions, then delete all blobs, deadlines and expiries; the caller has claimed the store.

        If this is interrupted, the positions are saved and some of the rest is still there. Raises as `save` does.
        """


class Changes(Struct, frozen=True):
    """The changes that a checkpoint writes (see `Store.save`); `Processor.pack` adds blobs until all are there."""

    blobs: Mapping[str, bytes | None] = {}
    deadlines: Mapping[str, int | None] = {}
    expiries: Mapping[str, int | None] = {}


class Processor(Protocol):
    """Turns the records of one partition number into state, and state into outputs."""

    async def begin(self, counts: Mapping[str, Mapping[str, int]] | None) -> None:
        """Start from the counts of the last checkpoint; other state is loaded when it is needed.

        None: there is no checkpoint, and the store is empty. Raises `Unavailable`, after which it can be repeated.
        """

    def restore_output(self, topic: str, record: Stored, recreated: Collection[str] = ()) -> Mapping[str, int]:
        """Restore an output that an earlier owner published after the checkpoint, for each topic in log order.

        Offsets that it names in `recreated` topics belong to deleted topics with the same names. Returns the input
        positions at which it was decided, by `topic-partition`; empty if it names none. Raises `InvalidMessage` for a
        record that no owner has published.
        """

    async def apply_restored(self) -> None:
        """Apply the outputs restored since the last call to the state.

        Raises `Unavailable`, after which it can be repeated.
        """

    def latest_decision(self, record: Stored) -> Outgoing:
        """Return the record of the topic of latest decisions for a record of a decision topic.

        Raises `InvalidMessage` for a record that no owner has published.
        """

    def first_decision_key(self, record: Stored) -> bytes | None:
        """Return the key of the latter for a first revision, None for a later one; raises as `latest_decision` does."""

    def forget_positions(self, topics: Collection[str]) -> None:
        """Forget the offsets of records in topics that were deleted and created again."""

    async def process(self, batches: Batches, now: int) -> None:
        """Add batches to the state, as of now (microseconds); the names that they touch are evaluated next.

        What needs state that the store does not give now waits until a later call gets it.
        """

    def defer(self) -> Sequence[str]:
        """Return the names touched so far; they are evaluated only when `evaluate` is given them."""

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        """Send a record to the dead letters without processing it."""

    async def due(self, now: int, limit: int) -> Sequence[str]:
        """Return up to `limit` names to evaluate, whose deadline is at or before now (microseconds)."""

    async def expired(self, now: int, limit: int) -> Sequence[str]:
        """Return up to `limit` names to evaluate, which may leave the state by now (microseconds).

        Do not call it before all records that lay in the inputs at the start are read: they may belong to such names.
        """

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:
        """Return the outputs due by now for `names` and all names touched; `positions` are the next offsets to read.

        Names whose state the store does not give now wait until a later call gets it.
        """

    def mark_published(self, now: int) -> None:
        """Note that everything that `evaluate` has returned is acknowledged by now (microseconds)."""

    def quarantine(self, name: str) -> None:
        """Stop evaluating a name, whatever touches it; records still change its state."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the dispositions of the processed records, and how many wait, by `topic-partition`."""

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits for the store; then the positions are ahead of the state, and nothing may be saved."""

    @property
    def is_full(self) -> bool:
        """Whether so many records wait that no more should be fetched."""

    @property
    def changed(self) -> bool:
        """Whether `freeze` would return any change."""

    def freeze(self) -> Changes:
        """Return, between two steps, the changes since the last call as of now; `pack` completes them."""

    def pack(self, count: int) -> bool:
        """Pack up to `count` more frozen objects, between two steps; return whether all are packed."""

    def mark_saved(self) -> None:
        """Note, between two steps, that everything packed is in the store and may be dropped from memory."""
