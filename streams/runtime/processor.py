"""What a task asks of its work: the seam between steps, recovery and checkpoints, and what the records mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.runtime.ports import TP, Incoming, Outgoing, Stored

Batches = Sequence[tuple[TP, Sequence[Incoming]]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a checkpoint has to write, as `Store.save` takes it. `Processor.pack` adds the blobs until all are there."""

    blobs: Mapping[str, bytes | None]
    deadlines: Mapping[str, int | None]
    expiries: Mapping[str, int | None] = field(default_factory=dict)


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
