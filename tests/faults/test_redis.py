"""Redis is emptied, killed, thrown back, slow, full: it is a cache, so no decision differs and none is said twice."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from streams.embedded_kafka.broker import EmbeddedKafka
from streams.simulator.rng import Rng
from tests.e2e.harness import SOP
from tests.faults.conftest import Known, Report
from tests.faults.crew import CrewBench
from tests.faults.disk import filled
from tests.faults.proxy import Proxy
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder
from tests.redis_server import RedisServer

COUNTS = scale()
IDLE_WITHIN_S = 150.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 30 * COUNTS.losses)]


@pytest.fixture
def bench(make_crew: Callable[..., CrewBench], kafka: EmbeddedKafka, own_redis_server: RedisServer) -> CrewBench:
    """Yield a bench whose workers drop cases as soon as they are saved, over a Redis of this test's own."""
    return make_crew(
        kafka.address,
        own_redis_server.url,
        SOP_CACHED_CASES_MAX=1,
        SOP_REDIS_TIMEOUT_S=1,
        SOP_STEP_RECORDS_MAX=100,
    )


@contextmanager
def client(server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(server.url) as redis:
        yield redis


def in_parts(bench: CrewBench, known: Known, faults: int, befall: Callable[[int], None]) -> None:
    """Feed a part of a stream before each fault and one after the last, each fault while events are worked on."""
    bench.join()
    bench.ready()
    share = known.stream.events // (faults + 1)
    with Feeder(bench, known.stream) as feeder:
        for number in range(faults):
            feeder.allow(share)
            bench.work_on(20)
            befall(number)
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


class Troubles:
    """What befalls a Redis, one trouble after the other."""

    def __init__(self, bench: CrewBench, server: RedisServer, silence_s: int, rng: Rng) -> None:
        self._bench = bench
        self._server = server
        self._silence_s = silence_s
        self._rng = rng
        self._in_turn = (self.emptied, self.killed, self.read_only, self.full, self.silent)

    def __call__(self, number: int) -> None:
        self._in_turn[number % len(self._in_turn)]()

    @property
    def names(self) -> str:
        return ", ".join(each.__name__.replace("_", " ") for each in self._in_turn)

    def __len__(self) -> int:
        return len(self._in_turn)

    def emptied(self) -> None:
        with client(self._server) as redis:
            redis.flushall()

    def killed(self) -> None:
        self._server.stop(kill=True)
        self._bench.rest(self._rng.between(0.0, 3.0))
        self._server.start()

    def read_only(self) -> None:
        self._refusing("min-replicas-to-write")

    def full(self) -> None:
        self._refusing("maxmemory")

    def silent(self) -> None:
        with client(self._server) as redis:
            redis.client_pause(self._silence_s * 1000)
        self._bench.rest(self._silence_s)

    def _refusing(self, setting: str) -> None:
        with client(self._server) as redis:
            redis.config_set(setting, 1)
            self._bench.rest(self._silence_s)
            redis.config_set(setting, 0)


def test_no_trouble_with_redis_changes_a_decision(
    bench: CrewBench, own_redis_server: RedisServer, short: Known, run_scale: Scale, report: Report
) -> None:
    troubles = Troubles(bench, own_redis_server, run_scale.silence_s, Rng("redis", run_scale.seed))
    faults = run_scale.losses * len(troubles)
    in_parts(bench, short, faults, troubles)
    report(f"F7 Redis in turn {troubles.names} ({run_scale.silence_s} s)", faults, bench, short)


def test_a_redis_thrown_back_to_an_older_snapshot_changes_no_decision(
    bench: CrewBench, own_redis_server: RedisServer, short: Known, run_scale: Scale, report: Report, tmp_path: Path
) -> None:
    rng = Rng("redis snapshots", run_scale.seed)
    snapshots: list[Path] = []

    def throw_back(number: int) -> None:
        with client(own_redis_server) as redis:
            redis.save()
        snapshots.append(Path(shutil.copy(own_redis_server.data_dir / "dump.rdb", tmp_path / f"{number}.rdb")))
        bench.rest(rng.between(0.3, 1.5))
        own_redis_server.stop(kill=True)
        restore(own_redis_server, rng.pick(snapshots))

    in_parts(bench, short, run_scale.losses, throw_back)
    report("F26 Redis killed, an older snapshot put in its place", run_scale.losses, bench, short)


def restore(server: RedisServer, snapshot: Path) -> None:
    """Start a server with what it held earlier: writes that it had acknowledged since are gone."""
    for written in server.data_dir.glob("appendonly*"):
        shutil.rmtree(written) if written.is_dir() else written.unlink()
    shutil.copy(snapshot, server.data_dir / "dump.rdb")
    server.start(append_only=False)
    with client(server) as redis:
        redis.config_set("appendonly", "yes")


def test_a_redis_whose_disk_is_full_changes_no_decision(
    make_crew: Callable[..., CrewBench],
    kafka: EmbeddedKafka,
    redis_program: Path,
    small_disk: Path,
    short: Known,
    report: Report,
) -> None:
    server = RedisServer(redis_program, small_disk)
    server.start()
    bench = make_crew(kafka.address, server.url, SOP_CACHED_CASES_MAX=1, SOP_REDIS_TIMEOUT_S=1)

    def fill(_: int) -> None:
        with filled(small_disk):
            bench.rest(3.0)

    in_parts(bench, short, 1, fill)
    report("F17 the disk of Redis full for 3 s", 1, bench, short)
    bench.close()
    server.stop()


def test_a_redis_that_may_drop_keys_is_refused(bench: CrewBench, own_redis_server: RedisServer) -> None:
    with client(own_redis_server) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    told = subprocess.run(
        [SOP, "worker"], env=bench.environment(), capture_output=True, text=True, timeout=180, check=False
    )
    assert told.returncode == 2
    assert "maxmemory-policy allkeys-lru" in told.stderr


def test_a_write_of_an_old_owner_that_arrives_late_is_refused(
    bench: CrewBench, own_redis_server: RedisServer, short: Known, run_scale: Scale, report: Report
) -> None:
    with Proxy(own_redis_server.port) as proxy:
        old = bench.join(SOP_REDIS_URL=f"redis://{proxy.address}/0", SOP_REDIS_TIMEOUT_S=60)
        bench.ready()
        share = short.stream.events // (run_scale.losses + 1)
        with Feeder(bench, short.stream) as feeder:
            for _ in range(run_scale.losses):
                feeder.allow(share)
                bench.work_on(10)
                proxy.held = True
                bench.rest(1.0)  # a checkpoint is due
                old.worker.kill()
                bench.crew.remove(old)
                new = bench.join()
                bench.ready()
                bench.rest(1.0)
                proxy.mend()
                bench.rest(1.0)
                assert bench.leave(new) == 0
                old = bench.join(**old.settings)
                bench.ready()
            feeder.allow_all()
        bench.wait_until_idle(IDLE_WITHIN_S)
    report("F25 an old owner's checkpoint arrives after its successor's", run_scale.losses, bench, short)
