"""Fixtures of the fault tests: event streams with known outcomes, benches, and the record of every run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from tests.e2e.verifier import Outcome, emitted
from tests.faults.problems import find_problems
from tests.faults.runs import RunRecorder
from tests.faults.scale import Scale, command_counts, scale
from tests.faults.stream import EventStream, make_stream
from tests.faults.supervision import FaultBench
from tests.redis_server import RedisServer

SHORT_EVENTS = 3_000
DISK_MIB = 96
SHOWN_MAX = 5
QUIET_S = 1.0
"""For how long nothing is written before workers count as idle: after a fault they decide in several steps."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the command that repeats this run."""
    terminalreporter.write_line(f'faults: repeat with make faults {command_counts(scale())} ARGS="-k NAME"')


@dataclass(frozen=True)
class KnownStream:
    """A stream and the outcome of replaying it."""

    stream: EventStream
    outcome: Outcome


def known_stream(lines: Iterable[bytes], file: Path) -> KnownStream:
    """Write lines to a file and return them as a stream with its known outcome."""
    count = 0
    with file.open("wb") as out:
        for each in lines:
            out.write(each + b"\n")
            count += 1
    stream = EventStream(file, count)
    return KnownStream(stream, stream.replay())


@dataclass(frozen=True)
class Report:
    """Records a run and its problems, and fails if there are any."""

    recorder: RunRecorder
    seed: int

    def __call__(self, fault: str, faults: int, bench: FaultBench, known: KnownStream, **metrics: object) -> None:
        """Compare the topics of an idle bench with the known outcome."""
        unaccounted = bench.unaccounted()
        messages = emitted(bench.outputs())  # read last, so that late outputs are compared too
        problems = find_problems(messages, known.outcome, unaccounted)
        if bench.exits:
            metrics["exits of workers"] = dict(sorted(bench.exits.items()))
        self.write(
            fault, faults, known.stream.events, {column: len(found) for column, found in problems.items()}, metrics
        )
        assert {column: found[:SHOWN_MAX] for column, found in problems.items() if found} == {}

    def write(self, fault: str, faults: int, events: int, found: dict[str, int], metrics: dict[str, object]) -> None:
        """Record a run that the test has checked itself."""
        self.recorder.add(
            {"fault": fault, "seed": self.seed, "faults": faults, "events": events, "found": found, "figures": metrics}
        )


@pytest.fixture(scope="session")
def run_scale() -> Scale:
    return scale()


@pytest.fixture
def report(run_scale: Scale) -> Report:
    return Report(RunRecorder.from_environment(), run_scale.seed)


@pytest.fixture(scope="session")
def short(run_scale: Scale, tmp_path_factory: pytest.TempPathFactory) -> KnownStream:
    """Return a few thousand events, independent of the scale."""
    stream = make_stream(SHORT_EVENTS, run_scale.seed, tmp_path_factory.mktemp("short") / "events.jsonl")
    return KnownStream(stream, stream.replay())


@pytest.fixture(scope="session")
def known(run_scale: Scale, tmp_path_factory: pytest.TempPathFactory) -> KnownStream:
    """Return as many events as the scale says."""
    stream = make_stream(run_scale.events, run_scale.seed, tmp_path_factory.mktemp("known") / "events.jsonl")
    return KnownStream(stream, stream.replay())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a small file system; without the right to mount one the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def make_bench(prefix: str, tmp_path: Path) -> Iterator[Callable[..., FaultBench]]:
    """Give a function that makes the bench of a test: `make_bench(brokers, redis_url, **settings)`."""
    made: list[FaultBench] = []

    def make(brokers: str, redis_url: str = "", **settings: object) -> FaultBench:
        texts = {"SOP_SESSION_TIMEOUT_S": "2"} | {name: str(value) for name, value in settings.items()}
        made.append(FaultBench(brokers, prefix, tmp_path, redis_url, settings=texts, quiet_s=QUIET_S))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def shared_bench(make_bench: Callable[..., FaultBench], kafka: EmbeddedKafka, redis_server: RedisServer) -> FaultBench:
    """Return a bench over the session's Kafka and Redis whose workers cache almost nothing."""
    return make_bench(kafka.address, redis_server.url, SOP_CACHED_CASES_MAX=50)
