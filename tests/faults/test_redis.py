"""Redis is emptied, killed, rolled back, slow or full: as it is a cache, no decision changes or is emitted twice."""

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
from tests.faults.conftest import KnownStream, Report
from tests.faults.disk import full_disk
from tests.faults.proxy import Proxy
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder
from tests.faults.supervision import FaultBench
from tests.redis_server import RedisServer
from tests.zygote import SOP

COUNTS = scale()
IDLE_WITHIN_S = 150.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 30 * COUNTS.losses)]


@pytest.fixture
def bench(make_bench: Callable[..., FaultBench], kafka: EmbeddedKafka, own_redis_server: RedisServer) -> FaultBench:
    """Return a bench over a Redis of its own whose workers evict cases as soon as they are saved."""
    return make_bench(
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


def feed_with_faults(bench: FaultBench, known: KnownStream, faults: int, inject: Callable[[int], None]) -> None:
    """Feed a part of the stream before each fault and after the last; each fault happens under load."""
    bench.add_worker()
    bench.wait_until_ready()
    share = known.stream.events // (faults + 1)
    with Feeder(bench, known.stream) as feeder:
        for number in range(faults):
            feeder.allow(share)
            bench.wait_for_progress(20)
            inject(number)
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)


class RedisFaults:
    """Injects faults into a Redis, one kind after the other."""

    def __init__(self, bench: FaultBench, server: RedisServer, silence_s: int, rng: Rng) -> None:
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
        self._bench.run_for(self._rng.between(0.0, 3.0))
        self._server.start()

    def read_only(self) -> None:
        self._refusing("min-replicas-to-write")

    def full(self) -> None:
        self._refusing("maxmemory")

    def silent(self) -> None:
        with client(self._server) as redis:
            redis.client_pause(self._silence_s * 1000)
        self._bench.run_for(self._silence_s)

    def _refusing(self, setting: str) -> None:
        with client(self._server) as redis:
            redis.config_set(setting, 1)
            self._bench.run_for(self._silence_s)
            redis.config_set(setting, 0)


def test_redis_faults_change_no_decision(
    bench: FaultBench, own_redis_server: RedisServer, short: KnownStream, run_scale: Scale, report: Report
) -> None:
    redis_faults = RedisFaults(bench, own_redis_server, run_scale.silence_s, Rng("redis", run_scale.seed))
    faults = run_scale.losses * len(redis_faults)
    feed_with_faults(bench, short, faults, redis_faults)
    report(f"F7 Redis in turn {redis_faults.names} ({run_scale.silence_s} s)", faults, bench, short)


def test_a_redis_restored_from_an_older_snapshot_changes_no_decision(
    bench: FaultBench,
    own_redis_server: RedisServer,
    short: KnownStream,
    run_scale: Scale,
    report: Report,
    tmp_path: Path,
) -> None:
    rng = Rng("redis snapshots", run_scale.seed)
    snapshots: list[Path] = []

    def roll_back(number: int) -> None:
        with client(own_redis_server) as redis:
            redis.save()
        snapshots.append(Path(shutil.copy(own_redis_server.data_dir / "dump.rdb", tmp_path / f"{number}.rdb")))
        bench.run_for(rng.between(0.3, 1.5))
        own_redis_server.stop(kill=True)
        restore(own_redis_server, rng.pick(snapshots))

    feed_with_faults(bench, short, run_scale.losses, roll_back)
    report("F26 Redis killed, an older snapshot put in its place", run_scale.losses, bench, short)


def restore(server: RedisServer, snapshot: Path) -> None:
    """Start a server from an older snapshot: acknowledged writes since then are lost."""
    for path in server.data_dir.glob("appendonly*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(snapshot, server.data_dir / "dump.rdb")
    server.start(append_only=False)
    with client(server) as redis:
        redis.config_set("appendonly", "yes")


def test_a_redis_whose_disk_is_full_changes_no_decision(
    make_bench: Callable[..., FaultBench],
    kafka: EmbeddedKafka,
    redis_program: Path,
    small_disk: Path,
    short: KnownStream,
    report: Report,
) -> None:
    server = RedisServer(redis_program, small_disk)
    server.start()
    bench = make_bench(kafka.address, server.url, SOP_CACHED_CASES_MAX=1, SOP_REDIS_TIMEOUT_S=1)

    def fill(_: int) -> None:
        with full_disk(small_disk):
            bench.run_for(3.0)

    feed_with_faults(bench, short, 1, fill)
    report("F17 the disk of Redis full for 3 s", 1, bench, short)
    bench.close()
    server.stop()


def test_a_redis_that_may_evict_keys_is_refused(bench: FaultBench, own_redis_server: RedisServer) -> None:
    with client(own_redis_server) as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
    done = subprocess.run(
        [SOP, "worker"], env=bench.environment(), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 2
    assert "maxmemory-policy allkeys-lru" in done.stderr


def test_a_late_checkpoint_of_an_old_owner_is_refused(
    bench: FaultBench, own_redis_server: RedisServer, short: KnownStream, run_scale: Scale, report: Report
) -> None:
    with Proxy(own_redis_server.port) as proxy:
        old = bench.add_worker(SOP_REDIS_URL=f"redis://{proxy.address}/0", SOP_REDIS_TIMEOUT_S=60)
        bench.wait_until_ready()
        share = short.stream.events // (run_scale.losses + 1)
        with Feeder(bench, short.stream) as feeder:
            for _ in range(run_scale.losses):
                feeder.allow(share)
                bench.wait_for_progress(10)
                proxy.paused = True
                bench.run_for(1.0)  # a checkpoint is due
                old.worker.kill()
                bench.replicas.remove(old)
                new = bench.add_worker()
                bench.wait_until_ready()
                bench.run_for(1.0)
                proxy.restore()
                bench.run_for(1.0)
                assert bench.remove_worker(new) == 0
                old = bench.add_worker(**old.settings)
                bench.wait_until_ready()
            feeder.allow_all()
        bench.wait_until_idle(IDLE_WITHIN_S)
    report("F25 an old owner's checkpoint arrives after its successor's", run_scale.losses, bench, short)
