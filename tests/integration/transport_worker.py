"""A worker process for the tests of the batch transport: notes what it receives, one JSON line each.

    python -m tests.integration.transport_worker '{"broker": ..., "group": ..., ...}'

Positions are kept in a folder, one file for each partition, so that a later worker continues from them.
"""

import asyncio
import json
import logging
import os
import sys
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from faust.types import TP

from streams.faust_transport.app import BatchApp, batch_agent, batch_topic, exit_at_once, register_transport
from streams.faust_transport.batch import Batch, BatchOptions
from streams.faust_transport.runner import run_worker


@dataclass
class Plan:
    """What a worker of a test reads and how it behaves."""

    broker: str
    group: str
    topics: list[str]
    positions: str  # folder
    notes: str  # file
    handler_s: dict[str, float] = field(default_factory=dict)  # by partition number
    assigned_s: float = 0.0
    revoked_s: float = 0.0
    raise_at: int = -1  # offset at which the handler raises
    raise_assigned: bool = False
    skips: bool = False  # whether it accepts that records are gone
    commit_max: int = -1  # the offset that may be committed, -1: the stored one
    store: bool = True  # whether positions are stored after every batch
    crash_when_stopped: bool = False  # a part of Faust breaks while it stops
    options: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class FileOffsetProvider:
    """Keeps positions in files, each renamed into place; handles the batches of a partition number one at a time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stored: dict[TP, int] = {}
        self._reached: dict[TP, int] = {}
        self._queues: dict[int, deque[Batch]] = defaultdict(deque)
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._notes = Path(plan.notes).open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the process

    def note(self, what: str, **values: object) -> None:
        """Write one line that a kill of this process cannot take back."""
        self._notes.write(json.dumps({"what": what, "pid": os.getpid(), **values}) + "\n")
        self._notes.flush()

    async def on_assigned(self, tps: frozenset[TP]) -> Mapping[TP, int]:
        self.note("assigned", tps=sorted(tps))
        if self._plan.raise_assigned:
            raise OSError("no positions to be had")
        await take(self._plan.assigned_s)
        files = {tp: self._file(tp) for tp in tps}
        self._stored = {tp: int(file.read_text()) for tp, file in files.items() if file.exists()}
        self._reached = dict(self._stored)
        self.note("positioned", tps=sorted(tps))
        return dict(self._stored)

    async def on_revoked(self, tps: frozenset[TP]) -> None:
        self._queues.clear()
        if self._workers:
            await asyncio.wait(self._workers.values())
        await take(self._plan.revoked_s)
        for tp, offset in self._reached.items():
            self._store(tp, offset)
        self.note("revoked", tps=sorted(tps))

    def wants_more(self, tp: TP) -> bool:  # noqa: ARG002 - the port's
        return True

    def on_position(self, tp: TP, offset: int) -> None:
        self.note("position", tp=tp, offset=offset)

    def on_offsets_deleted(self, tp: TP, first: int, end: int) -> None:
        self.note("deleted", tp=tp, first=first, end=end)
        if not self._plan.skips:
            raise LookupError(f"{first} to {end - 1} are gone")

    def committable(self, tp: TP) -> int | None:
        return self._plan.commit_max if self._plan.commit_max >= 0 else self._stored.get(tp)

    def enqueue(self, batch: Batch) -> None:
        number = batch.tp.partition
        self._queues[number].append(batch)
        if number not in self._workers:
            self._workers[number] = asyncio.create_task(self._work_off(number))

    async def _work_off(self, number: int) -> None:
        try:
            while queue := self._queues.get(number):
                batch = queue.popleft()
                await self._handle(batch)
                batch.done()
        except Exception as error:  # noqa: BLE001 - as a real worker has to
            exit_at_once(error)
        finally:
            del self._workers[number]

    async def _handle(self, batch: Batch) -> None:
        first, offsets = batch.records[0].offset, [record.offset for record in batch.records]
        generation = batch.assignment.generation
        self.note("began", tp=batch.tp, offsets=offsets, generation=generation)
        if self._plan.raise_at in offsets:
            raise ValueError(f"cannot handle {first}")
        await take(self._plan.handler_s.get(str(batch.tp.partition), 0.0))
        self.note(
            "done",
            tp=batch.tp,
            offsets=offsets,
            values=[(record.value or b"").decode() for record in batch.records],
            next_offset=batch.next_offset,
            generation=generation,
        )
        self._reached[batch.tp] = batch.next_offset
        if self._plan.store:
            self._store(batch.tp, batch.next_offset)

    def _store(self, tp: TP, offset: int) -> None:
        file = self._file(tp)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(str(offset))
        part.rename(file)
        self._stored[tp] = offset

    def _file(self, tp: TP) -> Path:
        return Path(self._plan.positions) / f"{tp.topic}-{tp.partition}.position"


async def take(seconds: float) -> None:
    """Stand for work that takes this long."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, done.set)
    await done.wait()


async def break_when_stopped(app: BatchApp) -> None:
    """Stand for a part of Faust that fails to stop after everything else has."""
    await app.crash(RuntimeError("broke while stopping"))


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    logging.basicConfig(level=logging.WARNING)

    def make_app() -> BatchApp:
        register_transport()
        offset_provider = FileOffsetProvider(plan)
        app = BatchApp(
            plan.group,
            broker=f"kafkabatch://{plan.broker}",
            offset_provider=offset_provider,
            options=BatchOptions(**plan.options),  # type: ignore[arg-type] # numbers are numbers in JSON
            broker_session_timeout=6.0,
            broker_heartbeat_interval=0.5,
            broker_commit_interval=0.1,
        )
        batch_agent(app, batch_topic(app, *plan.topics), offset_provider.enqueue, name="notes")
        if plan.crash_when_stopped:
            vars(app)["on_shutdown"] = partial(break_when_stopped, app)
        return app

    run_worker(make_app, stop_s=15.0)


if __name__ == "__main__":
    main()
