"""The link between workers and brokers is cut, slowed, reset, swallowed; writes of an old owner arrive late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from streams.simulator.rng import Rng
from tests.brokers import FaultyKafka, proxied
from tests.faults.conftest import Known, Report
from tests.faults.crew import CrewBench
from tests.faults.proxy import Proxy
from tests.faults.scale import Scale, scale
from tests.faults.stream import Feeder

COUNTS = scale()
IDLE_WITHIN_S = 150.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 60 * COUNTS.cuts)]


@dataclass(frozen=True)
class Link:
    """A broker, reached directly or over a proxy."""

    broker: FaultyKafka
    proxy: Proxy


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    with Proxy() as proxy:
        broker, proxy.target_port = proxied(tmp_path_factory.mktemp("behind"), proxy.port)
        with broker:
            yield Link(broker, proxy)


def cut(bench: CrewBench, proxy: Proxy, seconds: float) -> None:
    proxy.cut()
    bench.rest(seconds)


def slow(bench: CrewBench, proxy: Proxy, seconds: float) -> None:
    proxy.delay_s = seconds / 10
    bench.rest(seconds)


def swallow(bench: CrewBench, proxy: Proxy, seconds: float) -> None:
    proxy.held = True
    bench.rest(seconds)


def reset(bench: CrewBench, proxy: Proxy, seconds: float) -> None:
    for _ in range(5):
        proxy.reset()
        bench.rest(seconds / 5)


TROUBLES = (cut, slow, swallow, reset)


def test_trouble_on_the_link_to_the_brokers_changes_no_decision(
    make_crew: Callable[..., CrewBench],
    link: Link,
    short: Known,
    run_scale: Scale,
    report: Report,
) -> None:
    rng = Rng("link", run_scale.seed)
    bench = make_crew(link.broker.address)
    for _ in range(2):
        bench.join(SOP_BROKERS=link.proxy.address)
    bench.ready()
    faults = run_scale.cuts * len(TROUBLES)
    share = short.stream.events // (faults + 1)
    with Feeder(bench, short.stream) as feeder:
        for number in range(faults):
            feeder.allow(share * 3 // 4)
            bench.work_on(5)
            feeder.allow(share // 4)
            TROUBLES[number % len(TROUBLES)](bench, link.proxy, rng.between(1.0, 5.0))
            link.proxy.mend()
            bench.work_on(5)
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F6 link to the brokers in turn cut, slow, silent, reset", faults, bench, short)


def test_what_an_old_owner_wrote_arrives_after_its_successor_began(
    make_crew: Callable[..., CrewBench], link: Link, short: Known, run_scale: Scale, report: Report
) -> None:
    rng = Rng("late writes", run_scale.seed)
    bench = make_crew(link.broker.address, SOP_STEP_RECORDS_MAX=50)
    old = bench.join(SOP_BROKERS=link.proxy.address)
    bench.ready()
    share = short.stream.events // (run_scale.cuts + 1)
    with Feeder(bench, short.stream) as feeder:
        for _ in range(run_scale.cuts):
            feeder.allow(share)
            bench.work_on(rng.whole(2, 20))
            link.proxy.held = True
            bench.crew.remove(old)
            bench.rest(rng.between(0.05, 0.5))
            if rng.chance(0.5):
                old.worker.kill()  # what it sent is on its way all the same
            new = bench.join()
            bench.await_that(partial(bench.has_all, new))
            feeder.allow(share // 4)
            bench.work_on(5)
            link.proxy.mend()
            bench.work_on(5)
            old.worker.process.kill()
            old.worker.process.wait()
            assert bench.leave(new) == 0
            old = bench.join(**old.settings)
            bench.ready()
        feeder.allow_all()
    bench.wait_until_idle(IDLE_WITHIN_S)
    report("F25 an old owner's transaction arrives after its successor's start", run_scale.cuts, bench, short)
