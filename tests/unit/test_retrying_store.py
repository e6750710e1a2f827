"""A store that does not answer is waited for, up to a limit, and whoever watches sees that this is no standstill."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from schemas.errors import StoreLost, Unavailable
from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.health import Health
from streams.runtime.ports import Batches, Checkpoint
from streams.runtime.retrying_store import RetryingStore
from streams.runtime.timers import TimerQueue
from tests.simulation.loop import VirtualLoop
from tests.unit.test_poison import Lives, raises
from tests.unit.test_task import Repeats

SAVED = Checkpoint({"jobs-0": 3}, {}, {})


class Silent(MemoryStore):
    """A store that answers only after so many calls."""

    def __init__(self, silences: int) -> None:
        super().__init__(
            MemoryState(
                checkpoint=SAVED, blobs={"k": b"v"}, deadlines=TimerQueue({"c": 1}), expiries=TimerQueue({"k": 2})
            )
        )
        self.silences = silences

    async def claim(self) -> Checkpoint | None:
        self._hear()
        return await super().claim()

    async def load(self, keys: Sequence[str]) -> dict[str, bytes]:
        self._hear()
        return await super().load(keys)

    async def save(
        self,
        checkpoint: Checkpoint,
        blobs: Mapping[str, bytes | None],
        deadlines: Mapping[str, int | None],
        expiries: Mapping[str, int | None] = {},
    ) -> None:
        self._hear()
        await super().save(checkpoint, blobs, deadlines, expiries)

    async def due(self, until: int, limit: int) -> list[str]:
        self._hear()
        return await super().due(until, limit)

    async def expired(self, until: int, limit: int) -> list[str]:
        self._hear()
        return await super().expired(until, limit)

    def _hear(self) -> None:
        self.silences -= 1
        if self.silences >= 0:
            raise Unavailable("Redis: no answer")


class Bench:
    """A patient store over one that begins to be silent once it is claimed."""

    def __init__(self, silences: int) -> None:
        self.health = Health()
        self.silent = Silent(0)
        self.store = RetryingStore(self.silent, self.health, name="partition 0", patience_s=10)
        self._silences = silences

    def query(self, call: Callable[[RetryingStore], Awaitable[object]]) -> object:
        async def asked() -> object:
            await self.store.claim()
            self.silent.silences = self._silences
            return await call(self.store)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(asked())


CALLS: list[tuple[Callable[[RetryingStore], Awaitable[object]], object]] = [
    (lambda store: store.claim(), SAVED),
    (lambda store: store.load(["k"]), {"k": b"v"}),
    (lambda store: store.due(5, 5), ["c"]),
    (lambda store: store.expired(5, 5), ["k"]),
]


@pytest.mark.parametrize("silences", [0, 1, 5])
@pytest.mark.parametrize(("call", "answer"), CALLS)
def test_what_is_read_is_asked_for_until_it_comes(
    call: Callable[[RetryingStore], Awaitable[object]], answer: object, silences: int
) -> None:
    bench = Bench(silences)
    assert bench.query(call) == answer
    assert bench.health.moves == silences


@pytest.mark.parametrize(("call", "_"), CALLS)
def test_patience_ends(call: Callable[[RetryingStore], Awaitable[object]], _: object) -> None:
    with pytest.raises(Unavailable, match="Redis: no answer; waited for 10 s"):
        Bench(1_000).query(call)


class Odd(Silent):
    """A store that raises what no adapter should, whatever it is asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__(0)
        self._error = error

    def _hear(self) -> None:
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
ALL_CALLS = [*(call for call, _ in CALLS), lambda store: store.save(SAVED, {}, {})]


@pytest.mark.parametrize("error", ODDITIES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", ALL_CALLS)
def test_whatever_a_store_raises_is_told_as_its_own_fault(
    call: Callable[[RetryingStore], Awaitable[object]], error: Exception
) -> None:
    store = RetryingStore(Odd(error), Health(), name="partition 0", patience_s=1)

    async def asked() -> object:
        return await call(store)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(Unavailable) as told:
        runner.run(asked())
    assert str(told.value).startswith(f"the store: {type(error).__name__} (")
    assert "98765" not in str(told.value)


def test_a_write_is_left_to_who_began_it() -> None:
    bench = Bench(1)
    with pytest.raises(Unavailable):
        bench.query(lambda store: store.save(SAVED, {}, {}))
    assert bench.silent.silences == 0


def test_a_store_that_was_lost_is_not_waited_for() -> None:
    bench = Bench(0)

    async def taken_over(store: RetryingStore) -> object:
        await MemoryStore(bench.silent._state).claim()
        return await store.load(["k"])

    with pytest.raises(StoreLost):
        bench.query(taken_over)


@pytest.mark.parametrize("error", [TypeError(), ValueError(), KeyError()], ids=lambda error: type(error).__name__)
async def test_no_record_is_blamed_for_whatever_a_store_raises(error: Exception) -> None:
    class Odd(MemoryStore):
        async def load(self, keys: Sequence[str]) -> dict[str, bytes]:  # noqa: ARG002 - the port's
            raise error

    class Loads(Repeats):
        async def process(self, batches: Batches, now: int) -> None:
            await RetryingStore(Odd(MemoryState()), Health(), name="", patience_s=0).load(["case:a"])
            await super().process(batches, now)

    lives = Lives([b"a"], raises)
    lives.make_work = Loads
    assert not any([await lives.live() for _ in range(4)])
    assert all(isinstance(death, Unavailable) for death in lives.deaths)
    lives.make_work = Repeats
    assert await lives.live()
    assert lives.said() == [b"a"]
