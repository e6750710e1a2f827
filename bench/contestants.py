"""Who runs: every runtime with how it is started, and the jobs they do."""

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

from bench.assignment import Assignment

HERE: Final = Path(__file__).parent
JAVA_JOB: Final = HERE / "kafka-streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One runtime: its name in the tables, what it keeps and promises, and how its process is started."""

    name: str
    durable: str
    effect: str
    command: Callable[[Assignment], list[str]]
    redis: bool = False
    share: float = 1.0
    """Of the events, for those that would take minutes."""
    missing: Callable[[], str | None] = lambda: None
    """Why it cannot run here, None if it can."""


def module(name: str) -> Callable[[Assignment], list[str]]:
    """Return what starts a runtime written in Python."""
    return lambda task: [sys.executable, "-m", f"bench.runtimes.{name}", msgspec.json.encode(task).decode()]


def kafka_streams(store: str) -> Callable[[Assignment], list[str]]:
    """Return what starts the Java job with its state in a store of that kind, `rocksdb` or `memory`."""
    classes = f"{JAVA_JOB}/target/classes{os.pathsep}{JAVA_JOB}/target/lib/*"

    def command(task: Assignment) -> list[str]:
        options = [task.brokers, task.events, task.decisions, task.group, str(task.count), store]
        return ["java", "-Xmx1g", "-cp", classes, "StreamsJob", *options]

    return command


def build_kafka_streams() -> str | None:
    """Build the Java job; return why that is not possible, None when it is there."""
    built, sources = (
        JAVA_JOB / "target" / "classes" / "StreamsJob.class",
        [JAVA_JOB / "pom.xml", *JAVA_JOB.rglob("*.java")],
    )
    if built.exists() and built.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return None
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            return f"no {program}"
    told = subprocess.run(["mvn", "-q", "-B", "package"], cwd=JAVA_JOB, capture_output=True, check=False)
    return None if told.returncode == 0 else f"mvn package failed: {told.stdout.decode()[-300:]}"


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
