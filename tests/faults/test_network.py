"""The network between workers and brokers is cut, slow, silent or reset; writes of an old owner arrive late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from streams.simulator.rng import Rng
from tests.brokers import FaultyKafka, proxied
from tests.faults.conftest import KnownStream, Report
from tests.faults.proxy import Proxy
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder
from tests.faults.supervision import FaultBench

COUNTS = scale()
IDLE_WITHIN_S = 150.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 60 * COUNTS.cuts)]


@dataclass(frozen=True)
class Link:
    """A broker that clients reach directly or through a proxy."""

    broker: FaultyKafka
    proxy: Proxy


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    with Proxy() as proxy:
        broker, proxy.target_port = proxied(tmp_path_factory.mktemp("behind"), proxy.port)
        with broker:
            yield Link(broker, proxy)


def cut(bench: FaultBench, proxy: Proxy, seconds: float) -> None:
    proxy.cut()
    bench.run_for(seconds)


def slow(bench: FaultBench, proxy: Proxy, seconds: float) -> None:
    proxy.delay_s = seconds / 10
    bench.run_for(seconds)


def pause(bench: FaultBench, proxy: Proxy, seconds: float) -> None:
    proxy.paused = True
    bench.run_for(seconds)


def reset(bench: FaultBench, proxy: Proxy, seconds: float) -> None:
    for _ in range(5):
        proxy.reset()
        bench.run_for(seconds / 5)


LINK_FAULTS = (cut, slow, pause, reset)


def test_network_faults_change_no_decision(
    make_bench: Callable[..., FaultBench],
    link: Link,
    short: KnownStream,
    run_scale: Scale,
    report: Report,
) -> None:
    rng = Rng("link", run_scale.seed)
    bench = make_bench(link.broker.address)
    for _ in range(2):
        bench.add_worker(SOP_BROKERS=link.proxy.address)
    bench.wait_until_ready()
    faults = run_scale.cuts * len(LINK_FAULTS)
    share = short.stream.events // (faults + 1)
    with Feeder(bench, short.stream) as feeder:
        for number in range(faults):
            feeder.allow(share * 3 // 4)
            bench.wait_for_progress(5)
            feeder.allow(share // 4)
            LINK_FAULTS[number % len(LINK_FAULTS)](bench, link.proxy, rng.between(1.0, 5.0))
            link.proxy.restore()
            bench.wait_for_progress(5)
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F6 link to the brokers in turn cut, slow, silent, reset", faults, bench, short)


def test_writes_of_an_old_owner_arrive_after_its_successor_has_started(
    make_bench: Callable[..., FaultBench], link: Link, short: KnownStream, run_scale: Scale, report: Report
) -> None:
    rng = Rng("late writes", run_scale.seed)
    bench = make_bench(link.broker.address, SOP_STEP_RECORDS_MAX=50)
    old = bench.add_worker(SOP_BROKERS=link.proxy.address)
    bench.wait_until_ready()
    share = short.stream.events // (run_scale.cuts + 1)
    with Feeder(bench, short.stream) as feeder:
        for _ in range(run_scale.cuts):
            feeder.allow(share)
            bench.wait_for_progress(rng.whole(2, 20))
            link.proxy.paused = True
            bench.replicas.remove(old)
            bench.run_for(rng.between(0.05, 0.5))
            if rng.chance(0.5):
                old.worker.kill()  # what it sent is still in transit
            new = bench.add_worker()
            bench.wait_until(partial(bench.own_all_partitions, new))
            feeder.allow(share // 4)
            bench.wait_for_progress(5)
            link.proxy.restore()
            bench.wait_for_progress(5)
            old.worker.process.kill()
            old.worker.process.wait()
            assert bench.remove_worker(new) == 0
            old = bench.add_worker(**old.settings)
            bench.wait_until_ready()
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F25 an old owner's transaction arrives after its successor's start", run_scale.cuts, bench, short)
