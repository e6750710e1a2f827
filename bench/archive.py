"""`python -m bench.archive`: what an archive costs, and what auditing one takes, over a real Kafka and a real worker.

A simulated stream is written to Kafka, decided by `sop worker`, archived and signed by `sop archive`, and then checked,
verified, replayed and decided anew from the archive. Everything is measured in one run, one command after the other.
It prints events per second, also as a share of the worker's; milliseconds for one case; and bytes per event. The same
goes to `performance-archive.json` in the folder `--out`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from agents.sops import catalogue
from bench import kafka
from bench.jobs import DAY_US
from bench.live import SOP, LiveWorker, make_topics
from bench.rounds import Row, print_row, wait_until_idle
from bench.services import Services, run_services
from schemas.topics import Topics
from streams.demo.feed import route
from streams.process.clock import SystemClock
from streams.simulator.options import SimulatorOptions
from streams.simulator.simulation import simulate

EVENTS_PER_JOB: Final = 115
DAYS_AGO: Final = 7
"""So long ago the simulated day began: every deadline has passed, so the worker decides all that there is to decide."""
CASES: Final = 5
BYTES_PER_EVENT: Final = 6_000
"""So much disk an event takes at most, in Kafka, in files and in the archive."""
EVENTS_PER_S_MIN: Final = 500
"""A command that is slower has gone wrong."""
START_S_MAX: Final = 120.0
LOG: Final = "example.com/bench"
TWICE: Final = """\
import sys, time
from sop.main import run
for _ in range(2):
    began = time.perf_counter()
    status = run(sys.argv[1:])
print(time.perf_counter() - began, file=sys.stderr)
sys.exit(status)
"""
"""Runs a command twice in one process, and says how long the second took, which started and imported nothing."""


class Ended(NamedTuple):
    """A command that has ended: how long it ran, with which status, and what it printed."""

    seconds: float
    status: int
    out: str
    err: str


@dataclass
class Run:
    """A stream in Kafka and its archive, the commands that are measured over them, and what was found."""

    services: Services
    folder: Path
    prefix: str
    is_quick: bool
    events: int = 0
    worker_rate: float = 0.0
    rows: list[Row] = field(default_factory=list)

    @property
    def topics(self) -> Topics:
        """The topics of the run."""
        return catalogue.topics(self.prefix)

    @property
    def archive(self) -> Path:
        """The archive."""
        return self.folder / "archive"

    @property
    def key(self) -> Path:
        """The private key of its log."""
        return self.folder / "key"

    @property
    def within_s(self) -> float:
        """How long a command may take."""
        return START_S_MAX + self.events / EVENTS_PER_S_MIN

    def sop(self, *arguments: str | Path, statuses: Sequence[int] = (0,)) -> Ended:
        """Run `sop`; raises RuntimeError if it ends with another status than those."""
        return self._ended([SOP, *arguments], statuses)

    def sop_twice(self, *arguments: str | Path) -> Ended:
        """Run `sop` twice in one process; what it took is the second."""
        done = self._ended([sys.executable, "-c", TWICE, *arguments], (0,))
        return done._replace(seconds=float(done.err.split()[-1]))

    def _ended(self, command: Sequence[str | Path], statuses: Sequence[int]) -> Ended:
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SOP_") and name != "PYTHONDONTWRITEBYTECODE"  # else each start compiles everything
        }
        ours = {"SOP_BROKERS": self.services.brokers, "SOP_TOPIC_PREFIX": self.prefix, "SOP_AUDIT_KEY_FILE": self.key}
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=others | {name: str(value) for name, value in ours.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=self.within_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started itself
            process.wait()
            raise
        seconds = time.perf_counter() - began
        if process.returncode not in statuses:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}: {err[-600:]}")
        return Ended(seconds, process.returncode, out, err)

    def add(self, name: str, seconds: float, **more: object) -> None:
        """Add the row of what went through all events."""
        rate = self.events / seconds
        self.worker_rate = self.worker_rate or rate
        self._add({"name": name, "seconds": seconds, "rate": rate, "of_worker": rate / self.worker_rate, **more})

    def add_case(self, name: str, cold_ms: Sequence[float], warm_ms: Sequence[float]) -> None:
        """Add the row of what is about one case."""
        self._add({"name": name, "cold_ms": statistics.median(cold_ms), "warm_ms": statistics.median(warm_ms)})

    def add_bytes(self, name: str, records: int, **by_place: int) -> None:
        """Add the row of what some records take, in each place."""
        self._add({"name": name, "records": records, "bytes": by_place})

    def _add(self, row: Row) -> None:
        self.rows.append({"job": "archive", **row})
        print_row(self.rows[-1])

    def settle(self) -> None:
        """Wait until nothing else is going on."""
        if not self.is_quick:
            wait_until_idle()


def main() -> None:
    """Run the benchmark, print its tables and write its rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.archive", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N", help="about how many (default 1,000,000)")
    parser.add_argument("--quick", action="store_true", help="do not wait for an idle machine, as a trial")
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="where to write the results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all is stopped and removed
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < options.events * BYTES_PER_EVENT:
        parser.error(f"{tempfile.gettempdir()}: {free / 1e9:.1f} GB are free; this takes up to "
                     f"{options.events * BYTES_PER_EVENT / 1e9:.1f} GB")  # fmt: skip
    with _run(is_quick=options.quick) as run:
        recorded = _record(run, options.events)
        _decide(run, recorded)
        public = run.sop("audit", "keygen", LOG, "--out", run.key).out.strip()
        _archive(run, recorded)
        _audit(run, public)
        _look_up(run, public)
        _print_tables(run)
        options.out.mkdir(parents=True, exist_ok=True)
        results = {"events": run.events, "redis": bool(run.services.redis_url), "rows": run.rows}
        (options.out / "performance-archive.json").write_text(json.dumps(results, indent=1) + "\n")


@contextmanager
def _run(*, is_quick: bool) -> Iterator[Run]:
    with run_services() as services, tempfile.TemporaryDirectory(prefix="bench-archive-") as folder:
        run = Run(services, Path(folder), f"archive-{kafka.run_tag()}.", is_quick)
        make_topics(services.brokers, run.topics)
        yield run


def _record(run: Run, events: int) -> Path:
    """Write a simulated day of about so many events to a file."""
    start_at = SystemClock().now_us() - DAYS_AGO * DAY_US
    recorded = run.folder / "events.jsonl"
    with recorded.open("wb") as file:
        for line in simulate(SimulatorOptions(jobs=max(events // EVENTS_PER_JOB, 1), start_at=start_at)):
            file.write(line + b"\n")
            run.events += 1
    return recorded


def _decide(run: Run, recorded: Path) -> None:
    """Fill Kafka, then have a worker decide everything."""
    with recorded.open("rb") as lines:
        routed = ((line, *route(run.topics, line)) for line in map(bytes.rstrip, lines))
        kafka.fill(run.services.brokers, ((topic, key or b"", line) for line, topic, key in routed))
    run.settle()
    with LiveWorker(run.services.brokers, run.prefix, run.services.redis_url) as worker:
        done = worker.wait_until_done(run.events, run.within_s)
        run.add("sop worker", done.last_s - done.first_s, rss_mb=worker.rss_mb(peak=True))


def _archive(run: Run, recorded: Path) -> None:
    """Archive what is in Kafka by now, and say what it takes."""
    run.settle()
    done = run.sop("archive", run.archive, "--once")
    sql = "SELECT topic, count(*) AS records, sum(octet_length(value)) AS bytes FROM records GROUP BY topic"
    values = {each["topic"]: each for each in _rows(run, sql)}
    run.add("sop archive", done.seconds, records=sum(each["records"] for each in values.values()))
    inputs = set(run.topics.inputs)
    for name, chosen in (("inputs", values.keys() & inputs), ("outputs and presence answers", values.keys() - inputs)):
        run.add_bytes(
            name,
            sum(values[topic]["records"] for topic in chosen),
            json=sum(values[topic]["bytes"] for topic in chosen),
            kafka=sum(_size(run.services.broker_data / "log", f"{topic}-*/*.log") for topic in chosen),
            archive=sum(_size(run.archive / topic, "**/*.parquet") for topic in chosen),
            leaves=sum(_size(run.archive / "log" / "leaves" / topic, "**/*") for topic in chosen),
        )
    recorded.unlink()


def _rows(run: Run, sql: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.sop("archive", "query", run.archive, sql, "--json").out.splitlines()]


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def _audit(run: Run, public: str) -> None:
    """Go through the whole archive in every way."""
    where, certificate, replayed = run.archive, run.folder / "certificate.json", run.folder / "replayed.jsonl"
    run.settle()
    run.add("sop archive check", run.sop("archive", "check", where).seconds)
    run.add("sop audit verify", run.sop("audit", "verify", where, "--key", public).seconds)
    run.settle()
    run.add("sop replay", run.sop("replay", where, "--out", replayed).seconds)
    replayed.unlink()
    run.settle()
    done = run.sop("audit", "replay", where, "--key", public, "--out", certificate, statuses=(0, 1))
    predicate = _predicate(certificate)
    run.add("sop audit replay", done.seconds, all_same=done.status == 0,
            cases=predicate["cases"], decisions=predicate["decisions"], revisions=predicate["revisions"])  # fmt: skip


def _predicate(certificate: Path) -> dict[str, Any]:
    """Return what a certificate says was found."""
    statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(certificate.read_bytes())["payload"]))
    predicate: dict[str, Any] = statement["predicate"]
    return predicate


def _look_up(run: Run, public: str) -> None:
    """Ask about a few cases, one by one."""
    topic = run.topics.decision("paf")
    rows = _rows(run, f'SELECT case_id, max(id) AS id FROM "{topic}" GROUP BY case_id ORDER BY case_id')  # noqa: S608 - ours
    chosen = rows[:: max(len(rows) // CASES, 1)][:CASES]
    case, replay, prove = (
        ["case", "{case_id}", "--input", str(run.archive), "--json"],
        [
            "audit",
            "replay",
            str(run.archive),
            "--key",
            public,
            "--case",
            "{case_id}",
            "--out",
            str(run.folder / "c.json"),
        ],
        ["audit", "prove", str(run.archive), "{id}", "--key", public, "--out", str(run.folder / "proof.json")],
    )
    for name, arguments in (("sop case", case), ("sop audit prove", prove), ("sop audit replay --case", replay)):
        run.settle()
        commands = [[argument.format(**row) for argument in arguments] for row in chosen]
        cold = [run.sop(*command).seconds * 1000 for command in commands]
        warm = [run.sop_twice(*command).seconds * 1000 for command in commands]
        run.add_case(name, cold, warm)


def _print_tables(run: Run) -> None:
    print(f"{run.events} events; a command counts with its start, the worker without")
    print(f"{'':30} {'seconds':>9} {'events/s':>9} {'of worker':>9}")
    for row in run.rows:
        if "rate" in row:
            print(f"{row['name']:30} {row['seconds']:9.1f} {row['rate']:9.0f} {row['of_worker']:9.2f}")
    found = next(row for row in run.rows if row["name"] == "sop audit replay")
    print(f"anew: {found['cases']} cases, decisions {found['decisions']}, revisions {found['revisions']}")
    print(f"\n{f'one case, median of {CASES}':30} {'ms':>9} {'ms without start and imports':>30}")
    for row in run.rows:
        if "cold_ms" in row:
            print(f"{row['name']:30} {row['cold_ms']:9.0f} {row['warm_ms']:30.0f}")
    print(f"\n{'bytes per event of the stream':30} {'JSON':>9} {'Kafka':>9} {'archive':>9} {'leaves':>10}   records")
    for row in run.rows:
        if "bytes" in row:
            each = {name: count / run.events for name, count in row["bytes"].items()}
            print(
                f"{row['name']:30} {each['json']:9.1f} {each['kafka']:9.1f} {each['archive']:9.1f} "
                f"{each['leaves']:10.1f}   {row['records']}"
            )


if __name__ == "__main__":
    main()
