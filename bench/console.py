"""`python -m bench.console`: times the pages of a real console over a real Kafka, beside decisions coming in.

It prints how fast the read model was made from the topics; for each page the median and the 95th percentile in
milliseconds; and how long a decision takes from the timestamp of its record to the live view. With the address of an
empty database of PostgreSQL (`--database postgresql://USER@HOST/DATABASE`) it does the same there.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from agents.sops.out_of_scope.paf import PafDecision
from bench import kafka
from bench.read_model import CITIES, CLAUSES, OUTCOMES, PARTITIONS, TOPICS, Made, records
from bench.services import run_services
from schemas.timestamps import parse_instant
from streams.embedded_kafka.free_ports import HOST, free_port
from streams.process.clock import SystemClock
from surfaces.sink.ports import Record

BEHIND_S: Final = 900.0
"""The longest that the read model may take to be made."""
PARTNERS_PER_CASE: Final = 1 / 25


def main() -> None:
    """Run the benchmark on SQLite, and on PostgreSQL where an address is given."""
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--cases", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--rate", type=int, default=500, help="decisions per second")
    parser.add_argument("--database", default="", help="an empty database of PostgreSQL")
    arguments = parser.parse_args()
    with run_services() as services:
        for name in TOPICS.known:
            kafka.create_topic(services.brokers, name, partitions=PARTITIONS)
        made = Made(max(int(arguments.cases * PARTNERS_PER_CASE), 1))
        count = _produce(services.brokers, records(made, arguments.cases, arguments.events))
        for url in ("", *([arguments.database] if arguments.database else [])):
            print("PostgreSQL" if url else "SQLite")
            with _console(services.brokers, url) as port:
                spent_s = _wait_until_caught_up(port)
                print(f"{count} records in {spent_s:.0f} s: {count / spent_s:.0f} records/s")
                deciding = Deciding(services.brokers, made, arguments.cases, arguments.rate)
                watching = Watching(port)
                watching.start()
                deciding.start()
                began = time.monotonic()
                _time_pages(port, arguments.cases, arguments.rounds)
                deciding.stopping.set()
                deciding.join()
                print(f"beside {deciding.sent / (time.monotonic() - began):.0f} decisions/s")
                _print_times("record to live view", watching.delays_ms)
                count += deciding.sent


def _produce(brokers: str, made: Iterable[Record]) -> int:
    """Write records to the partitions that they name; return how many there were."""
    producer, count = Producer({"bootstrap.servers": brokers, "linger.ms": 20, "log_level": 3}), 0
    for each in made:
        _send(producer, each)
        count += 1
    if producer.flush(120):
        raise RuntimeError("the broker does not take the records")
    return count


def _send(producer: Producer, each: Record) -> None:
    while True:
        try:
            producer.produce(each.tp.topic, each.value, each.key, each.tp.partition, headers=list(each.headers))
            break
        except BufferError:
            producer.poll(0.1)
    producer.poll(0)


@contextmanager
def _console(brokers: str, database_url: str) -> Iterator[int]:
    """Run a console with a read model of its own; yield its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SOP_")},
            "SOP_BROKERS": brokers,
            "SOP_DATA_DIR": folder,
            "SOP_CONSOLE_LISTEN": f"{HOST}:{port}",
            **({"SOP_DATABASE_URL": database_url} if database_url else {}),
        }
        log = stack.enter_context((Path(folder) / "log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "sop", "console"], env=environment, stdout=subprocess.DEVNULL, stderr=log
        )
        try:
            yield port
            if not database_url:
                print(f"{sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6:.0f} MB")
        finally:
            process.terminate()
            process.wait()


def _wait_until_caught_up(port: int) -> float:
    """Return after how many seconds the console had read the topics to their end."""
    began = time.monotonic()
    while time.monotonic() < began + BEHIND_S:
        try:
            if _get(port, "/readyz")[0] == 200:
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the console does not catch up")


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Deciding(threading.Thread):
    """Sends decisions at a rate (a second)."""

    def __init__(self, brokers: str, made: Made, cases: int, rate: int) -> None:
        super().__init__(daemon=True)
        self._brokers, self._made, self._cases, self._rate = brokers, made, cases, rate
        self.stopping = threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Send until `stopping` is set, fifty times a second."""
        producer = Producer({"bootstrap.servers": self._brokers, "linger.ms": 2, "log_level": 3})
        choose, revision, due_s = random.Random(4).randrange, 10, time.perf_counter()
        while not self.stopping.is_set():
            for _ in range(self._rate // 50):
                revision += 1
                case_id, outcome = f"job-{choose(self._cases):06}", OUTCOMES[revision % len(OUTCOMES)]
                _send(producer, self._made.decision(PafDecision, case_id, self._made.partner(), outcome, revision))
                self.sent += 1
            due_s += 0.02
            self.stopping.wait(max(due_s - time.perf_counter(), 0))
        producer.flush(60)


class Watching(threading.Thread):
    """Follows the live view, and keeps how long after the timestamp of its record each row came."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._began_at = SystemClock().now_us()
        self.delays_ms: list[float] = []

    def run(self) -> None:
        """Read events until the console ends."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=60)
        connection.request("GET", "/live")
        answer = connection.getresponse()
        try:
            while line := answer.readline():
                if line.startswith(b"data: "):
                    now = SystemClock().now_us()
                    times = [parse_instant(each["time"]) for each in json.loads(line[6:])["rows"]]
                    self.delays_ms += [(now - each) / 1000 for each in times if each > self._began_at]
        except OSError:
            pass


def _time_pages(port: int, cases: int, rounds: int) -> None:
    """Ask for every page in turn, and print how long it took; every answer counts in full."""
    draw = random.Random(3)
    following = json.loads(_get(port, "/cases.json?limit=50")[1])["next"]
    pages: dict[str, Callable[[], str]] = {
        "overview": lambda: "/",
        "cases": lambda: "/cases",
        "cases, next page": lambda: following.replace("/cases.json", "/cases"),
        "cases, by city and outcome": lambda: f"/cases?city={draw.choice(CITIES)}&outcome={draw.choice(OUTCOMES)}",
        "cases, by clause": lambda: f"/cases?clause={draw.choice(CLAUSES)}",
        "case": lambda: f"/cases/job-{draw.randrange(cases):06}",
        "partner": lambda: f"/partners/partner-{draw.randrange(max(int(cases * PARTNERS_PER_CASE), 1)):05}",
        "find": lambda: f"/find?q=job-{draw.randrange(cases):06}",
        "policy": lambda: "/policy",
        "dead letters": lambda: "/dead-letters",
        "health": lambda: "/health",
        "acts": lambda: "/acts",
    }
    spent: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(rounds):
        for name, path in pages.items():
            began = time.perf_counter()
            status, _ = _get(port, path().replace(" ", "+"))
            spent[name].append((time.perf_counter() - began) * 1000)
            if status not in {200, 303}:
                raise RuntimeError(f"{name}: {status}")
    print(f"{'milliseconds':30} {'median':>8} {'p95':>8}")
    for name, each in spent.items():
        _print_times(name, each)


def _print_times(name: str, spent_ms: list[float]) -> None:
    p95 = statistics.quantiles(spent_ms, n=20)[-1]
    print(f"{name:30} {statistics.median(spent_ms):8.1f} {p95:8.1f}   of {len(spent_ms)}")


if __name__ == "__main__":
    main()
