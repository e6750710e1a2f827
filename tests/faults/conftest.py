"""What the fault tests share: streams of events with known answers, benches with a crew, the record of every run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from tests.e2e.verifier import Outcome, said
from tests.faults.crew import CrewBench
from tests.faults.ledger import Ledger
from tests.faults.scale import Scale, command_counts, scale
from tests.faults.stream import Stream, make_stream
from tests.faults.verdict import judge
from tests.redis_server import RedisServer

SHORT_EVENTS = 3_000
DISK_MIB = 96
SHOWN_MAX = 5


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how the faults of this run are made to happen again."""
    terminalreporter.write_line(f'faults: again by make faults {command_counts(scale())} ARGS="-k NAME"')


@dataclass(frozen=True)
class Known:
    """A stream and what it leads to."""

    stream: Stream
    outcome: Outcome


@dataclass(frozen=True)
class Report:
    """Writes down what a run did and showed, then fails if it showed anything."""

    ledger: Ledger
    seed: int

    def __call__(self, fault: str, faults: int, bench: CrewBench, known: Known, **metrics: object) -> None:
        """Judge what lies in the topics of a bench that has settled."""
        unaccounted = bench.unaccounted()
        messages = said(bench.outputs())  # after it, so that what was said late is judged as well
        verdict = judge(messages, known.outcome, unaccounted)
        if bench.ends:
            metrics["ended by themselves"] = dict(sorted(bench.ends.items()))
        self.write(
            fault, faults, known.stream.events, {column: len(found) for column, found in verdict.items()}, metrics
        )
        assert {column: found[:SHOWN_MAX] for column, found in verdict.items() if found} == {}

    def write(self, fault: str, faults: int, events: int, found: dict[str, int], metrics: dict[str, object]) -> None:
        """Write down a run that was judged otherwise."""
        self.ledger.add(
            {"fault": fault, "seed": self.seed, "faults": faults, "events": events, "found": found, "figures": metrics}
        )


@pytest.fixture(scope="session")
def run_scale() -> Scale:
    return scale()


@pytest.fixture
def report(run_scale: Scale) -> Report:
    return Report(Ledger.of_this_process(), run_scale.seed)


@pytest.fixture(scope="session")
def short(run_scale: Scale, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """A few thousand events, the same number whatever the scale."""
    stream = make_stream(SHORT_EVENTS, run_scale.seed, tmp_path_factory.mktemp("short") / "events.jsonl")
    return Known(stream, stream.replayed())


@pytest.fixture(scope="session")
def known(run_scale: Scale, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """As many events as the scale says."""
    stream = make_stream(run_scale.events, run_scale.seed, tmp_path_factory.mktemp("known") / "events.jsonl")
    return Known(stream, stream.replayed())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a small disk of its own; without the right to mount one the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def make_crew(prefix: str, tmp_path: Path) -> Iterator[Callable[..., CrewBench]]:
    """Make the bench of a test: `make_crew(brokers, redis_url, **settings)`."""
    made: list[CrewBench] = []

    def make(brokers: str, redis_url: str = "", **settings: object) -> CrewBench:
        texts = {"SOP_SESSION_TIMEOUT_S": "2"} | {name: str(value) for name, value in settings.items()}
        made.append(CrewBench(brokers, prefix, tmp_path, redis_url, settings=texts))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def crew_bench(make_crew: Callable[..., CrewBench], kafka: EmbeddedKafka, redis_server: RedisServer) -> CrewBench:
    """Yield a bench over the services of the session; almost nothing stays in memory once it is saved."""
    return make_crew(kafka.address, redis_server.url, SOP_CACHED_CASES_MAX=50)
