"""What a version leaves behind when it is killed: its checkpoint, and the later records on the topics.

`python -m tests.kept` writes the file of the present version. Once the version is released, its file never changes:
later versions have to read it for as long as somebody may upgrade from it.
"""

from __future__ import annotations

import gzip
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from streams.memory.store import MemoryState
from streams.runtime.poison_isolation import Attempt, AttemptLog, pack_attempt_log
from streams.runtime.ports import Checkpoint
from streams.runtime.progress import Progress, pack_progress
from streams.runtime.timers import TimerQueue
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate
from tests.kept.partition import NOW, Partition, Record

FOLDER: Final = Path(__file__).parent
START_AT: Final = 1_736_101_800_000_000  # 2025-01-06T00:00:00+05:30


class Kept(Struct, frozen=True):
    """The content of a file; `lines` are the events in three parts: before the checkpoint, after it, and never read."""

    lines: tuple[list[bytes], list[bytes], list[bytes]]
    saved: bytes
    blobs: dict[str, bytes]
    deadlines: dict[str, int]
    read: list[Record]
    """What was read after the checkpoint, internal records included."""
    emitted: list[Record]
    """What was emitted after the checkpoint."""
    emitted_before: list[Record] = field(name="said")
    """What was emitted before the checkpoint."""
    progress: bytes
    note: bytes
    expiries: dict[str, int] = {}

    @property
    def state(self) -> MemoryState:
        """The state of the store."""
        saved = msgspec.json.decode(self.saved, type=Checkpoint)
        return MemoryState(0, saved, dict(self.blobs), TimerQueue(self.deadlines), TimerQueue(self.expiries))


def files() -> list[Path]:
    """Return the files of all versions, the oldest first."""
    return sorted(FOLDER.glob("*.json.gz"), key=lambda file: [int(part) for part in file.name.split(".")[:3]])


def load(file: Path) -> Kept:
    """Return the content of a file."""
    return msgspec.json.decode(gzip.decompress(file.read_bytes()), type=Kept)


async def write() -> Path:
    """Write the file of this version and return it."""
    file = FOLDER / f"{version('sop-streams')}.json.gz"
    file.write_bytes(gzip.compress(msgspec.json.encode(await _content()), mtime=0))
    return file


async def _content() -> Kept:
    options = SimulatorOptions(
        jobs=60,
        seed=19,
        start_at=START_AT,
        report_interval_s=60,
        late_share=0.05,
        duplicate_share=0.03,
        malformed_share=0.01,
    )
    # a quarter of the location reports is enough
    lines = [line for number, line in enumerate(simulate(options)) if b"location." not in line or number % 4 == 0]
    killed_at, saved_at = len(lines) * 4 // 5, len(lines) // 2
    parts = (lines[:saved_at], lines[saved_at:killed_at], lines[killed_at:])
    state = MemoryState()
    owner = Partition(state)
    await owner.begin()
    await owner.feed_lines(parts[0])
    saved = await owner.save()
    blobs, deadlines, expiries = dict(state.blobs), dict(state.deadlines), dict(state.expiries)
    before = len(owner.emitted), len(owner.read)
    await owner.feed_lines(parts[1])
    return Kept(
        lines=parts,
        saved=msgspec.json.encode(saved),
        blobs=blobs,
        deadlines=deadlines,
        read=owner.read[before[1] :],
        emitted=owner.emitted[before[0] :],
        emitted_before=owner.emitted[: before[0]],
        progress=pack_progress(Progress(NOW, saved.inputs, saved.consumed, saved.counts)),
        note=pack_attempt_log(
            AttemptLog("0.1.0", (Attempt({"jobs-0": (3, 5)}, 2), Attempt({}, 0, ("case:job-1",), 2, "KeyError"))),
        ),
        expiries=expiries,
    )
