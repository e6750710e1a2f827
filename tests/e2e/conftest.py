"""Fixtures of the end-to-end tests: a bench for each test, simulated days and their replays for all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.embedded_kafka.broker import EmbeddedKafka
from tests import zygote
from tests.e2e.harness import Bench
from tests.e2e.verifier import Outcome, outcome
from tests.redis_server import RedisServer

# Long enough ago that every deadline of the day has passed, whenever the tests run.
DAY_START = "2025-01-06T00:00:00+05:30"


@dataclass(frozen=True)
class Day:
    """Events in order of arrival, and the outcome of their replay."""

    lines: list[bytes]
    replayed: Outcome


def run_sop(
    *arguments: str | Path, env: dict[str, str] | None = None, within_s: float = 180
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result."""
    return zygote.run(arguments, env, within_s)


def replayed(file: Path, out: Path) -> Outcome:
    """Return the outcome of a replay of a file up to now."""
    result = run_sop("replay", file, "--out", out, "--until", datetime.now(UTC).isoformat())  # noqa: TID251 - the live clock
    assert result.returncode == 0, result.stderr
    with out.open("rb") as lines:
        return outcome(map(json.loads, lines))


def simulated(file: Path, jobs: int, seed: int) -> Day:
    """Return a day with duplicate, late and malformed events, and the outcome of its replay."""
    options = ("--jobs", str(jobs), "--seed", str(seed), "--start", DAY_START)
    shares = ("--malformed", "0.003", "--late", "0.05", "--duplicates", "0.03")
    result = run_sop("simulate", *options, *shares, "--out", file)
    assert result.returncode == 0, result.stderr
    return Day(file.read_bytes().splitlines(), replayed(file, file.with_suffix(".out")))


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return simulated(tmp_path_factory.mktemp("day") / "day.jsonl", jobs=150, seed=7)


@pytest.fixture(scope="session")
def short_day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Return a day for tests that stop workers several times."""
    return simulated(tmp_path_factory.mktemp("day") / "short.jsonl", jobs=60, seed=8)


@pytest.fixture
def make_bench(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Iterator[Callable[[str], Bench]]:
    """Yield a function that makes a bench with a Redis, or without ("")."""
    benches: list[Bench] = []

    def make(redis_url: str) -> Bench:
        benches.append(Bench(kafka.address, prefix, tmp_path, redis_url))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[[str], Bench]) -> Bench:
    """Return a bench whose workers keep their state in memory."""
    return make_bench("")


@pytest.fixture
def redis_bench(make_bench: Callable[[str], Bench], redis_server: RedisServer) -> Bench:
    """Return a bench whose workers keep their state in Redis."""
    return make_bench(redis_server.url)
