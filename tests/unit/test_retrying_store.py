"""Reads of a store that does not answer are repeated up to a limit, and the watchdog sees that this is no stall."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from schemas.errors import StoreLost, Unavailable
from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.health import Health
from streams.runtime.ports import Batches, Changes, Checkpoint
from streams.runtime.retrying_store import RetryingStore
from streams.runtime.timers import TimerQueue
from tests.simulation.loop import VirtualLoop
from tests.unit.cluster import Echo
from tests.unit.test_poison import Lives, raises

SAVED = Checkpoint({"jobs-0": 3}, {}, {})


class Silent(MemoryStore):
    """A store that answers only after some calls."""

    def __init__(self, silences: int) -> None:
        super().__init__(
            MemoryState(
                checkpoint=SAVED, blobs={"k": b"v"}, deadlines=TimerQueue({"c": 1}), expiries=TimerQueue({"k": 2})
            )
        )
        self.silences = silences

    async def claim(self) -> Checkpoint | None:
        self._answer()
        return await super().claim()

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        self._answer()
        return await super().load(keys)

    async def save(self, checkpoint: Checkpoint, changes: Changes) -> None:
        self._answer()
        await super().save(checkpoint, changes)

    async def due(self, until: int, limit: int) -> list[str]:
        self._answer()
        return await super().due(until, limit)

    async def expired(self, until: int, limit: int) -> list[str]:
        self._answer()
        return await super().expired(until, limit)

    def _answer(self) -> None:
        self.silences -= 1
        if self.silences >= 0:
            raise Unavailable("Redis: no answer")


class Bench:
    """A retrying store over one that is silent for some calls after it is claimed."""

    def __init__(self, silences: int) -> None:
        self.health = Health()
        self.silent = Silent(0)
        self.store = RetryingStore(self.silent, self.health, name="partition 0", retry_s=10)
        self._silences = silences

    def call(self, call: Callable[[RetryingStore], Awaitable[object]]) -> object:
        async def called() -> object:
            await self.store.claim()
            self.silent.silences = self._silences
            return await call(self.store)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(called())


CALLS: list[tuple[Callable[[RetryingStore], Awaitable[object]], object]] = [
    (lambda store: store.claim(), SAVED),
    (lambda store: store.load(["k"]), {"k": b"v"}),
    (lambda store: store.due(5, 5), ["c"]),
    (lambda store: store.expired(5, 5), ["k"]),
]


@pytest.mark.parametrize("silences", [0, 1, 5])
@pytest.mark.parametrize(("call", "answer"), CALLS)
def test_a_read_is_repeated_until_it_is_answered(
    call: Callable[[RetryingStore], Awaitable[object]], answer: object, silences: int
) -> None:
    bench = Bench(silences)
    assert bench.call(call) == answer
    assert bench.health.progress == silences


@pytest.mark.parametrize(("call", "_"), CALLS)
def test_reads_are_repeated_for_a_limited_time(call: Callable[[RetryingStore], Awaitable[object]], _: object) -> None:
    with pytest.raises(Unavailable, match="Redis: no answer; waited for 10 s"):
        Bench(1_000).call(call)


class Odd(Silent):
    """A store that raises, on every call, what no adapter should."""

    def __init__(self, error: Exception) -> None:
        super().__init__(0)
        self._error = error

    def _answer(self) -> None:
        raise self._error


ODDITIES = [
    TypeError("+91 98765 43210"),
    ValueError("not enough values to unpack"),
    UnicodeDecodeError("utf-8", b"98765", 0, 1, "invalid start byte"),
    KeyError("98765"),
    AttributeError("'str' object has no attribute 'decode'"),
    OSError("98765"),
    RecursionError("98765"),
]
ALL_CALLS = [*(call for call, _ in CALLS), lambda store: store.save(SAVED, Changes())]


@pytest.mark.parametrize("error", ODDITIES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ALL_CALLS)
def test_whatever_a_store_raises_is_reported_as_its_own_fault(
    call: Callable[[RetryingStore], Awaitable[object]], error: Exception
) -> None:
    store = RetryingStore(Odd(error), Health(), name="partition 0", retry_s=1)

    async def called() -> object:
        return await call(store)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(Unavailable) as raised:
        runner.run(called())
    assert str(raised.value).startswith(f"the store: {type(error).__name__} (")
    assert "98765" not in str(raised.value)


def test_a_write_is_not_repeated() -> None:
    bench = Bench(1)
    with pytest.raises(Unavailable):
        bench.call(lambda store: store.save(SAVED, Changes()))
    assert bench.silent.silences == 0


def test_a_lost_store_is_not_waited_for() -> None:
    bench = Bench(0)

    async def taken_over(store: RetryingStore) -> object:
        await MemoryStore(bench.silent._state).claim()
        return await store.load(["k"])

    with pytest.raises(StoreLost):
        bench.call(taken_over)


@pytest.mark.parametrize("error", [TypeError(), ValueError(), KeyError()], ids=lambda error: type(error).__name__)
async def test_no_record_is_blamed_for_whatever_a_store_raises(error: Exception) -> None:
    class Odd(MemoryStore):
        async def load(self, keys: Sequence[str]) -> dict[str, bytes]:  # noqa: ARG002 - the port's
            raise error

    class Loads(Echo):
        async def process(self, batches: Batches, now: int) -> None:
            await RetryingStore(Odd(MemoryState()), Health(), name="", retry_s=0).load(["case:a"])
            await super().process(batches, now)

    lives = Lives([b"a"], raises)
    lives.make_processor = Loads
    assert not any([await lives.live() for _ in range(4)])
    assert all(isinstance(death, Unavailable) for death in lives.deaths)
    lives.make_processor = Echo
    assert await lives.live()
    assert lives.outputs() == [b"a"]
