"""What the console learns from the workers' metrics, whatever answers at their addresses."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from schemas.errors import Unavailable
from streams.embedded_kafka.free_ports import HOST, free_port
from streams.metrics.collector import WorkerCollector, output_samples, task_samples
from streams.processor.output_counts import OutputCounts
from streams.runtime.health import TaskMetrics
from surfaces.console import workers as workers_module
from surfaces.console.workers import WorkerReport, Workers, text_at
from tests.consoles import console
from tests.scenario import MIDNIGHT
from tests.unit.test_console_access import browser
from tests.unit.test_metrics import SECOND, snapshot

ADDRESS = "w:9100"


def metrics(received: int, *delays: float) -> str:
    """Return the metrics of a worker with one partition number that has received records and decided after delays."""
    counts = OutputCounts()
    for delay in delays:
        counts.delays["paf"].add(delay)
    task_metrics = TaskMetrics()
    task_metrics.received.update({"jobs-3": received})
    registry = CollectorRegistry()
    registry.register(
        WorkerCollector(
            [
                *task_samples(replace(snapshot(), metrics=task_metrics, ends={}), 160 * SECOND),
                *output_samples(counts),
            ]
        )
    )
    return generate_latest(registry).decode()


class Bench:
    """Workers behind answers, a second apart; an answer that is an error is raised."""

    def __init__(self, *addresses: str) -> None:
        self.answers: dict[str, str | Unavailable] = {}
        self.workers = Workers(addresses, self._get, lambda: self._seconds)
        self._seconds = 0.0

    async def _get(self, url: str) -> str:
        answer = self.answers[url]
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async def report(self, answer: str | Unavailable, address: str = ADDRESS) -> WorkerReport:
        self._seconds += 1
        self.answers[f"http://{address}/metrics"] = answer
        await self.workers.ask()
        (report,) = self.workers.reports
        return report


async def test_a_report_has_what_the_worker_says() -> None:
    bench = Bench(ADDRESS)
    assert await bench.report(metrics(3)) == WorkerReport(ADDRESS, "", [3], 0.0, None, 300.0, 60.0, 18, 11)
    report = await bench.report(metrics(7, *[0.07] * 94, *[0.2] * 2, *[400.0] * 4))
    assert report == WorkerReport(ADDRESS, "", [3], 4.0, 0.25, 300.0, 60.0, 18, 11)


async def test_rates_and_delays_are_those_between_two_answers() -> None:
    bench = Bench(ADDRESS)
    await bench.report(metrics(100, 9.0, 9.0))
    report = await bench.report(metrics(150, 9.0, 9.0, 0.01))
    assert (report.records_per_s, report.delay_s) == (50.0, 0.05)
    report = await bench.report(metrics(150, 9.0, 9.0, 0.01))
    assert report.records_per_s == 25.0


async def test_a_minute_later_only_the_last_minute_counts() -> None:
    bench = Bench(ADDRESS)
    reports = [await bench.report(metrics(received)) for received in (1_000, *[2_000] * workers_module.WINDOW)]
    assert [each.records_per_s > 0 for each in reports] == [False, *[True] * (workers_module.WINDOW - 1), False]


async def test_a_worker_that_was_started_again_has_no_negative_rate() -> None:
    bench = Bench(ADDRESS)
    await bench.report(metrics(100, 9.0))
    report = await bench.report(metrics(3))
    assert (report.records_per_s, report.delay_s) == (0.0, None)


async def test_a_delay_beyond_the_last_bound_is_infinite() -> None:
    bench = Bench(ADDRESS)
    await bench.report(metrics(1))
    assert (await bench.report(metrics(1, 999.0))).delay_s == float("inf")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Unavailable("no answer within 2 s"), "no answer within 2 s"),
        ("<html>", "it answers, but is no worker"),
        ("", "it answers, but is no worker"),
        ('python_info{version="3"} 1.0\n', "it answers, but is no worker"),
        ("sop_cases_in_memory{ 1\n", "it answers, but is no worker"),
        ("sop_cases_in_memory 1\n", "it answers, but is no worker"),
        ('sop_cases_in_memory{partition="x"} 1\n', "it answers, but is no worker"),
        ('sop_cases_in_memory{partition="1"} NaN\n', "it answers, but is no worker"),
        ('sop_cases_in_memory{partition="1"} +Inf\n', "it answers, but is no worker"),
        ('sop_event_to_decision_seconds_bucket{le="x"} 1\n', "it answers, but is no worker"),
    ],
)
async def test_what_does_not_answer_like_a_worker_is_named(answer: str | Unavailable, problem: str) -> None:
    bench = Bench(ADDRESS)
    assert (await bench.report(answer)).problem == problem
    assert not (await bench.report(metrics(1))).problem


@given(st.data())
async def test_damaged_metrics_end_nothing(data: st.DataObject) -> None:
    text = list(metrics(7, 0.1))
    for at in data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=5)):
        text[at] = data.draw(st.sampled_from('{}"\\,= \n#x1-+e'))
    report = await Bench(ADDRESS).report("".join(text))
    assert report.problem in {"", "it answers, but is no worker"}


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "no-such-host.invalid"])
async def test_a_host_that_no_look_up_takes_is_named(host: str) -> None:
    workers = Workers([f"{host}:9100"], text_at, lambda: 0.0)
    await workers.ask()
    (report,) = workers.reports
    assert report.address == f"{host}:9100"
    assert report.problem.startswith("no answer (")


async def test_a_name_may_stand_for_several_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> Sequence[tuple[Any, ...]]:
        assert (host, port) == ("workers", 9100)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("10.0.0.2", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    bench = Bench("workers:9100")
    bench.answers = {"http://10.0.0.1:9100/metrics": metrics(1), "http://10.0.0.2:9100/metrics": Unavailable("x")}
    await bench.workers.ask()
    assert [(each.address, each.problem) for each in bench.workers.reports] == [
        ("10.0.0.1:9100", ""),
        ("10.0.0.2:9100", "x"),
    ]


async def test_text_is_fetched_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(request: web.Request) -> web.Response:
        match request.path:
            case "/metrics":
                return web.Response(text=300_000 * "ü")
            case "/moved":
                raise web.HTTPFound("/metrics")
            case "/large":
                return web.Response(text=1_000_001 * "x")
        return web.Response(status=503)

    monkeypatch.setattr(workers_module, "METRICS_BYTES_MAX", 1_000_000)
    port = free_port()
    runner = web.AppRunner(web.Application())
    runner.app.router.add_get("/{path}", answer)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        assert await text_at(f"http://{HOST}:{port}/metrics") == 300_000 * "ü"
        for path, problem in (("moved", "status 302"), ("away", "status 503"), ("large", "more than 1000000 bytes")):
            with pytest.raises(Unavailable, match=problem):
                await text_at(f"http://{HOST}:{port}/{path}")
    finally:
        await runner.cleanup()
    with pytest.raises(Unavailable, match=r"no answer .Connection refused."):
        await text_at(f"http://{HOST}:{port}/metrics")


async def test_a_silent_worker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "TIMEOUT_S", 0.05)
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        with pytest.raises(Unavailable, match=r"no answer within 0.05 s"):
            await text_at(f"http://{HOST}:{silent.getsockname()[1]}/metrics")


async def test_the_page_shows_each_worker(tmp_path: Path) -> None:
    with console(tmp_path, now_us=MIDNIGHT) as found:
        async with browser(found) as client:
            assert "SOP_CONSOLE_WORKERS" in (await client.get("/health")).text
            found.workers = [
                WorkerReport("w:1", "", [0, 3], 12.34, 0.25, 300.0, 5.0, 7, 8),
                WorkerReport("w:3", "", [1], 0.0, float("inf"), 300.0, 0.0, 0, 0),
                WorkerReport("w:2", "no <answer>"),
            ]
            text = (await client.get("/health")).text
    assert all(words in text for words in ("12.3", "up to 0.25 s", "over 300 s", "0, 3", "w:2", "no &lt;answer&gt;"))
