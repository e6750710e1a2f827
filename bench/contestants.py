"""The runtimes that are compared, and how each is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from bench.run_spec import RunSpec

HERE: Final = Path(__file__).parent
JAVA_JOB: Final = HERE / "kafka-streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One runtime: its name in the tables, its durability and delivery guarantee, and the command that starts it."""

    name: str
    durable: str
    effect: str
    command: Callable[[RunSpec], list[str]]
    redis: bool = False
    share: float = 1.0
    """Share of the events to process, for runtimes that would take minutes."""
    missing: Callable[[], str | None] = lambda: None
    """Returns why it cannot run here, None if it can."""


def module(name: str) -> Callable[[RunSpec], list[str]]:
    """Return the command of a runtime written in Python."""
    return lambda spec: [sys.executable, "-m", f"bench.runtimes.{name}", msgspec.json.encode(spec).decode()]


def kafka_streams(store: str) -> Callable[[RunSpec], list[str]]:
    """Return the command of the Java job with a state store of a kind, `rocksdb` or `memory`."""
    classes = f"{JAVA_JOB}/target/classes{os.pathsep}{JAVA_JOB}/target/lib/*"

    def command(spec: RunSpec) -> list[str]:
        options = [spec.brokers, spec.events, spec.decisions, spec.group, str(spec.count), store]
        return ["java", "-Xmx1g", "-cp", classes, "StreamsJob", *options]

    return command


def build_kafka_streams() -> str | None:
    """Build the Java job if needed; return why that is not possible, None on success."""
    built, sources = (
        JAVA_JOB / "target" / "classes" / "StreamsJob.class",
        [JAVA_JOB / "pom.xml", *JAVA_JOB.rglob("*.java")],
    )
    if built.exists() and built.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return None
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            return f"no {program}"
    build = subprocess.run(["mvn", "-q", "-B", "package"], cwd=JAVA_JOB, capture_output=True, check=False)
    return None if build.returncode == 0 else f"mvn package failed: {build.stdout.decode()[-300:]}"


BARE: Final = "bare loop (B)"
OURS: Final = "sop-streams, Redis"
LIGHT: Final = (
    Contestant(name=BARE, durable="no", effect="may lose or repeat", command=module("bare")),
    Contestant(name=OURS, durable="Redis + Kafka", effect="exactly one", command=module("ours"), redis=True),
    Contestant(name="sop-streams, memory", durable="Kafka", effect="exactly one", command=module("ours")),
    Contestant(
        name="transactional loop",
        durable="changelog, not restored",
        effect="exactly one",
        command=module("transactional"),
    ),
    Contestant(
        name="Kafka Streams, RocksDB, exactly once",
        durable="changelog",
        effect="exactly one",
        command=kafka_streams("rocksdb"),
        missing=build_kafka_streams,
    ),
    Contestant(
        name="Kafka Streams, memory, exactly once",
        durable="changelog",
        effect="exactly one",
        command=kafka_streams("memory"),
        missing=build_kafka_streams,
    ),
    Contestant(name="Quix Streams", durable="changelog", effect="at least one", command=module("quix"), share=0.5),
    Contestant(
        name="Bytewax, SQLite", durable="snapshots", effect="at least one", command=module("bytewax_flow"), share=0.25
    ),
    Contestant(
        name="Faust, Table", durable="changelog", effect="at least one", command=module("faust_table"), share=0.05
    ),
)
FULL: Final = (
    Contestant(name="bare loop, same rules", durable="no", effect="may lose or repeat", command=module("full_bare")),
    Contestant(
        name="sop worker", durable="Redis + Kafka", effect="exactly one", command=module("full_ours"), redis=True
    ),
    Contestant(
        name="Faust, same rules", durable="no", effect="may lose or repeat", command=module("full_faust"), share=0.2
    ),
)
