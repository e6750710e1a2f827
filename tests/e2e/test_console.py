"""`sop console` as a process: its sockets under attack, and Kafka going away and coming back."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.free_ports import HOST
from surfaces.console.guard import BODY_S
from surfaces.console.live import STREAMS_PER_ADDRESS_MAX
from surfaces.console.server import CONNECTIONS_MAX, HEAD_S
from tests.console_process import ConsoleProcess, ConsoleTopics, console_process
from tests.consoles import ALL
from tests.e2e.harness import until
from tests.read_models import Feed, simulated
from tests.unit.test_console_pages import case_records
from tests.zygote import SOP

ATTACKERS = 1_000
MARGIN_S = 20.0
"""How much later than its limit the console may act, on a busy machine."""


@pytest.fixture(scope="module")
def console(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    topics = ConsoleTopics(kafka.address, "console-attacked.")
    topics.write(simulated(20))
    with console_process(tmp_path_factory.mktemp("console"), topics) as found:
        yield found


async def connect(console: ConsoleProcess) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(HOST, int(console.url.rpartition(":")[2]))


async def ended(reader: asyncio.StreamReader, within_s: float) -> bytes:
    """Return what came until the console closed the connection."""
    async with asyncio.timeout(within_s):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


def head(console: ConsoleProcess, line: str, *more: str) -> bytes:
    host = console.url.removeprefix("http://")
    return "\r\n".join([line, f"Host: {host}", *more, "", ""]).encode()


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_client_that_does_not_finish_its_request_is_cut_off(console: ConsoleProcess, begun: bytes) -> None:
    reader, writer = await connect(console)
    writer.write(begun)
    assert await ended(reader, HEAD_S + MARGIN_S) == b""
    writer.close()


async def test_a_client_that_sends_its_form_slowly_is_cut_off(console: ConsoleProcess) -> None:
    reader, writer = await connect(console)
    writer.write(head(console, "POST /login HTTP/1.1", "Content-Length: 1000"))
    writer.write(b"token=")
    async with asyncio.timeout(BODY_S + MARGIN_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 100_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 50_000,
    ],
)
async def test_what_is_no_request_is_refused(console: ConsoleProcess, sent: bytes) -> None:
    reader, writer = await connect(console)
    writer.write(sent)
    found = await ended(reader, HEAD_S + MARGIN_S)
    assert not found.startswith(b"HTTP/1.1 2")
    writer.close()


async def test_a_thousand_live_views_leave_the_pages_as_they_are(console: ConsoleProcess) -> None:
    request = head(console, "GET /live HTTP/1.1")
    statuses: dict[bytes, int] = {}
    writers = []
    for _ in range(ATTACKERS):
        reader, writer = await connect(console)
        writers.append(writer)
        writer.write(request)
        async with asyncio.timeout(30):
            status = (await reader.readline())[9:12]
        statuses[status] = statuses.get(status, 0) + 1
    assert statuses == {b"200": STREAMS_PER_ADDRESS_MAX, b"503": ATTACKERS - STREAMS_PER_ADDRESS_MAX}
    async with httpx.AsyncClient(base_url=console.url, timeout=30) as client:
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/cases")).status_code == 200
    for writer in writers:
        writer.close()
    assert "Traceback" not in console.log.read_text()


async def test_of_too_many_connections_those_that_say_nothing_have_to_go(console: ConsoleProcess) -> None:
    opened = [await connect(console) for _ in range(CONNECTIONS_MAX + 50)]
    async with httpx.AsyncClient(base_url=console.url, timeout=30) as client:
        for _ in range(20):
            assert (await client.get("/healthz")).status_code == 200
    assert [await ended(reader, MARGIN_S) for reader, _ in opened[:50]] == [b""] * 50
    for _, writer in opened:
        writer.close()


def test_a_console_that_cannot_run_says_why_in_one_line(console: ConsoleProcess, tmp_path: Path) -> None:
    port = console.url.rpartition(":")[2]
    wrong = {
        "SOP_CONSOLE_LISTEN": f"{HOST}:{port}",
        "SOP_CONSOLE_TOKENS_FILE": str(tmp_path / "none"),
        "SOP_CONSOLE_PROXIES": "everywhere",
    }
    for variable, value in wrong.items():
        environment = {**os.environ, "SOP_DATA_DIR": str(tmp_path), variable: value}
        done = subprocess.run(
            [SOP, "console"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2, done.stderr
        assert re.fullmatch(rf"sop: {variable}.*\n", done.stderr), done.stderr


def test_pages_go_on_while_kafka_is_away_and_acts_are_refused(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path / "kafka", cache_dir=Path.home() / ".cache" / "sop-streams") as broker:
        topics = ConsoleTopics(broker.address, "")
        feed = case_records("job-1", "p-1", "text")
        topics.write(feed.records)
        with console_process(tmp_path, topics) as console, reader(console) as client:
            data = {"form_token": form_token(client.get("/login").text), "token": ALL}
            assert client.post("/login", data=data).status_code == 303
            data = {"form_token": form_token(client.get("/cases/job-1").text), "why": "a dispute"}
            broker.stop()
            until(lambda: "The data is from" in client.get("/cases/job-1").text)
            assert client.get("/readyz").status_code == 503
            refused = client.post("/cases/job-1", data=data)
            assert (refused.status_code, "Nothing was done" in refused.text) == (503, True)
            assert "12.971599" not in refused.text
            broker.start()
            until(console.is_ready)
            seen = client.post("/cases/job-1", data=data)
            assert (seen.status_code, "12.971599" in seen.text) == (200, True)
            until(lambda: "a dispute" in client.get("/acts").text)
            assert client.get("/acts").text.count("a dispute") == 1


def reader(console: ConsoleProcess) -> httpx.Client:
    return httpx.Client(base_url=console.url, timeout=60, headers={"Accept": "text/html"})


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found
    return found.group(1)


def test_a_decision_comes_into_the_live_view(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    topics, feed = ConsoleTopics(kafka.address, "console-soon."), Feed()
    with (
        console_process(tmp_path, topics) as console,
        reader(console) as client,
        client.stream("GET", "/live") as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        case_records("job-soon", "p-1", "text", feed)
        topics.write(feed.records)
        assert next(line for line in lines if "job-soon" in line).startswith("data: ")


def test_a_policy_that_is_published_is_on_its_page_without_a_restart(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    topics = ConsoleTopics(kafka.address, "console-policies.")
    (tmp_path / "strict.toml").write_text(
        'label = "strict"\neffective_from = 2099-01-01T00:00:00Z\nproof.min_images = 2'
    )
    (tmp_path / "day.jsonl").write_bytes(b"")
    (tmp_path / "differences").mkdir()
    environment = {**os.environ, "SOP_BROKERS": topics.brokers, "SOP_TOPIC_PREFIX": topics.prefix}

    def policy(*arguments: str) -> None:
        done = subprocess.run([SOP, "policy", *arguments], env=environment, cwd=tmp_path, timeout=120, check=False)
        assert done.returncode == 0

    with (
        console_process(tmp_path, topics, SOP_CONSOLE_POLICY_DIFFS=str(tmp_path / "differences")) as console,
        reader(console) as client,
    ):
        assert "strict@" not in client.get("/policy").text
        policy("publish", "strict.toml")
        until(lambda: "strict@" in client.get("/policy").text)
        assert "to come" in client.get("/policy").text
        policy("diff", "built-in", "strict", "--input", "day.jsonl", "--out", "differences/strict.json")
        assert "/policy/differences/strict.json" in client.get("/policy").text
        assert client.get("/policy/differences/strict.json").status_code == 200


def test_a_console_with_an_open_live_view_ends_at_once(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    topics = ConsoleTopics(kafka.address, "console-ends.")
    with (
        console_process(tmp_path, topics) as console,
        reader(console) as client,
        client.stream("GET", "/live") as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        console.process.terminate()
        assert not [line for line in lines if line]
        console.process.wait(60)
    assert "ERROR" not in console.log.read_text()
