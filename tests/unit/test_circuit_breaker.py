"""Reads of a store that is away fail at once, it is asked in the background, and what needs it is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from schemas.errors import StoreLost, Unavailable
from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.circuit_breaker import CircuitBreaker
from streams.runtime.health import Health
from streams.runtime.ports import Batches, Changes, Checkpoint
from streams.runtime.retries import Retries
from streams.runtime.timers import TimerQueue
from tests.failing_store import FailingStore
from tests.simulation.loop import VirtualLoop
from tests.unit.cluster import Echo
from tests.unit.test_poison import Lives, raises

SAVED = Checkpoint({"jobs-0": 3}, {}, {})
Call = Callable[[CircuitBreaker], Awaitable[object]]


class Silent:
    """Raises for some calls of a store that it stands before, and counts all."""

    def __init__(self, silences: int) -> None:
        self.silences = silences
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        self.silences -= 1
        if self.silences >= 0:
            raise Unavailable("Redis: no answer")


def saved_state() -> MemoryState:
    return MemoryState(
        checkpoint=SAVED, blobs={"k": b"v"}, deadlines=TimerQueue({"c": 1}), expiries=TimerQueue({"k": 2})
    )


class Bench:
    """A circuit breaker before a store that is silent for some calls after it is claimed."""

    def __init__(self, silences: int) -> None:
        self.state = saved_state()
        self.silent = Silent(0)
        self.store = CircuitBreaker(FailingStore(self.state, self.silent), name="partition 0")
        self._silences = silences

    def call(self, call: Call) -> object:
        async def called() -> object:
            await self.store.claim()
            self.silent.silences, self.silent.calls = self._silences, 0
            return await call(self.store)

        return run(called())


async def passed(seconds: float) -> None:
    """Wait in virtual time."""
    for _ in range(round(100 * seconds)):
        await asyncio.sleep(0.01)


def run(called: Awaitable[object]) -> object:
    async def awaited() -> object:
        return await called

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(awaited())


READS: list[tuple[Call, object]] = [
    (lambda store: store.load(["k"]), {"k": b"v"}),
    (lambda store: store.due(5, 5), ["c"]),
    (lambda store: store.expired(5, 5), ["k"]),
]
CALLS: list[tuple[Call, object]] = [(lambda store: store.claim(), SAVED), *READS]


@pytest.mark.parametrize(("read", "answer"), READS)
def test_a_read_fails_at_once_until_the_store_has_answered_in_the_background(read: Call, answer: object) -> None:
    bench = Bench(3)

    async def reads(store: CircuitBreaker) -> object:
        for _ in range(100):
            with pytest.raises(Unavailable, match="Redis: no answer"):
                await read(store)
        assert bench.silent.calls == 1
        await passed(0.1 + 0.2 + 0.35)
        with pytest.raises(Unavailable, match="Redis: no answer"):
            await read(store)
        await passed(0.1)
        return await read(store)

    assert bench.call(reads) == answer
    assert bench.silent.calls == 1 + 3 + 1


@pytest.mark.parametrize(
    "write", [lambda store: store.claim(), lambda store: store.save(SAVED, Changes())], ids=["claim", "save"]
)
def test_what_is_repeated_anyway_always_reaches_the_store(write: Call) -> None:
    bench = Bench(2)

    async def writes(store: CircuitBreaker) -> object:
        with pytest.raises(Unavailable):
            await store.load(["k"])
        with pytest.raises(Unavailable):
            await write(store)
        return await write(store)

    bench.call(writes)
    assert bench.silent.calls == 3


def test_a_lost_store_is_not_waited_for() -> None:
    bench = Bench(0)

    async def taken_over(store: CircuitBreaker) -> object:
        await MemoryStore(bench.state).claim()
        return await store.load(["k"])

    with pytest.raises(StoreLost):
        bench.call(taken_over)


def test_a_store_that_was_lost_while_it_was_away_is_noticed() -> None:
    bench = Bench(1)

    async def taken_over(store: CircuitBreaker) -> object:
        with pytest.raises(Unavailable):
            await store.load(["k"])
        await MemoryStore(bench.state).claim()
        await passed(1)
        return await store.load(["k"])

    with pytest.raises(StoreLost):
        bench.call(taken_over)


@pytest.mark.parametrize("silences", [0, 1, 5])
@pytest.mark.parametrize(("call", "answer"), CALLS)
def test_what_needs_the_store_is_repeated_until_it_is_answered(call: Call, answer: object, silences: int) -> None:
    health = Health()

    async def repeated(store: CircuitBreaker) -> object:
        return await Retries(health, 10).until_answered(lambda: call(store))

    assert Bench(silences).call(repeated) == answer
    assert (health.progress > 0) == (silences > 0)


@pytest.mark.parametrize(("call", "_"), CALLS)
def test_what_needs_the_store_is_repeated_for_a_limited_time(call: Call, _: object) -> None:
    with pytest.raises(Unavailable, match="Redis: no answer; waited for 10 s"):
        Bench(1_000).call(lambda store: Retries(Health(), 10).until_answered(lambda: call(store)))


def odd(error: Exception) -> CircuitBreaker:
    """Return a store that raises, on every call, what no adapter should."""

    def answer() -> None:
        raise error

    return CircuitBreaker(FailingStore(saved_state(), answer), name="partition 0")


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
def test_whatever_a_store_raises_is_reported_as_its_own_fault(call: Call, error: Exception) -> None:
    with pytest.raises(Unavailable) as raised:
        run(call(odd(error)))
    assert str(raised.value).startswith(f"the store: {type(error).__name__} (")
    assert "98765" not in str(raised.value)


@pytest.mark.parametrize("error", [TypeError(), ValueError(), KeyError()], ids=lambda error: type(error).__name__)
async def test_no_record_is_blamed_for_whatever_a_store_raises(error: Exception) -> None:
    class Loads(Echo):
        async def process(self, batches: Batches, now: int) -> None:
            await odd(error).load(["case:a"])
            await super().process(batches, now)

    lives = Lives([b"a"], raises)
    lives.make_processor = Loads
    assert not any([await lives.live() for _ in range(4)])
    assert all(isinstance(death, Unavailable) for death in lives.deaths)
    lives.make_processor = Echo
    assert await lives.live()
    assert lives.outputs() == [b"a"]
